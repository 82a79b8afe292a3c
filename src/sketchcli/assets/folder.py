"""Pictures of your own, copied or unpacked so that they have a name."""

from sketchcli.assets import Asset, Kind

ASSET = Asset(
    title="your own, with --from and --name",
    licence="as you have it",
    citation="none",
    kind=Kind.LOCAL,
)
