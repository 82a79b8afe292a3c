"""What `fetch-data --list` shows; it imports nothing that draws, decodes or downloads."""

from pathlib import Path

from sketchcli import paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import provenance
from sketchcli.engine.fetching import inventory
from sketchcli.engine.results import AssetListing


def list_assets() -> tuple[AssetListing, ...]:
    """All known sets and networks, and the user's own sets, with their states."""
    known = registry.names(registry.ASSETS)
    found = paths.raw_home().glob(f"[!.]*/{provenance.FILE}")
    own = sorted(file.parent.name for file in found if file.parent.name not in known)
    return (*map(_known, known), *map(_own, own))


def _known(name: str) -> AssetListing:
    asset: Asset = registry.load(registry.ASSETS, name).ASSET
    home = paths.assets_home() if asset.kind is Kind.NETWORK else paths.raw_home()
    size = asset.download_size
    count, megabytes = _on_disk(home / name)
    return AssetListing(
        name=name,
        kind=asset.kind.value,
        title=asset.title,
        pairs=asset.pairs or _drawn_pairs(asset, count),
        files=count,
        megabytes=megabytes,
        download_megabytes=None if size is None else round(size / 1e6, 1),
        licence=asset.licence,
        citation=asset.citation,
        homepage=asset.homepage,
        state=_state(name, is_ready=count is not None),
    )


def _own(name: str) -> AssetListing:
    source = provenance.read(paths.raw_home() / name)
    count, megabytes = _on_disk(paths.raw_home() / name)
    return AssetListing(
        name=name,
        kind=Kind.LOCAL.value,
        title=f"from '{source.asset}'",
        pairs=None,
        files=count,
        megabytes=megabytes,
        download_megabytes=None,
        licence=source.licence,
        citation=source.citation,
        homepage="",
        state="ready" if count is not None else "absent",
    )


def _drawn_pairs(asset: Asset, count: int | None) -> int | None:
    return count // 2 if asset.kind is Kind.DRAWN and count is not None else None


def _on_disk(folder: Path) -> tuple[int | None, float | None]:
    """Files and megabytes of a fetched set; None where there is none."""
    if not provenance.is_fetched(folder):
        return None, None
    sizes = [path.stat().st_size for path in inventory.listed(folder).values()]
    return len(sizes), round(sum(sizes) / 1e6, 1)


def _state(name: str, *, is_ready: bool) -> str:
    if is_ready:
        return "ready"
    downloads = paths.downloads_home() / name
    is_begun = any(path.is_file() for path in downloads.rglob("*"))
    return "partial" if is_begun else "absent"
