"""A folder of your own, copied so that it has a name."""

from sketchcli.assets import Asset

ASSET = Asset(
    title="your own pairs: --from DIR --name NAME",
    licence="as you have it",
    citation="none",
    is_local=True,
)
