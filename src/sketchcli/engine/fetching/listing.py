"""What `fetch-data --list` shows; it imports nothing that draws, decodes or downloads."""

from pathlib import Path

from sketchcli import paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import runs
from sketchcli.engine.fetching import inventory
from sketchcli.engine.results import AssetListing


def list_assets() -> tuple[AssetListing, ...]:
    """All known sets and networks, and the user's own sets, with their states."""
    known = registry.names(registry.ASSETS)
    found = sorted(paths.raw_home().glob("[!.]*"))
    own = [path for path in found if path.name not in known and runs.is_fetched(path)]
    return (*map(_known, known), *map(_own, own))


def _known(name: str) -> AssetListing:
    asset: Asset = registry.load(registry.ASSETS, name).ASSET
    home = paths.assets_home() if asset.kind is Kind.NETWORK else paths.raw_home()
    is_ready = runs.is_fetched(home / name)
    count, megabytes = _on_disk(home / name) if is_ready else (None, None)
    return AssetListing(
        name=name,
        kind=asset.kind.value,
        title=asset.title,
        pairs=asset.pairs or _drawn_pairs(asset, count),
        files=count,
        megabytes=megabytes,
        download_megabytes=asset.download_megabytes,
        licence=asset.licence,
        citation=asset.citation,
        homepage=asset.homepage,
        state="ready" if is_ready else _state(name),
    )


def _own(folder: Path) -> AssetListing:
    source = runs.read(folder)
    count, megabytes = _on_disk(folder)
    return AssetListing(
        name=folder.name,
        kind=Kind.LOCAL.value,
        title=f"from '{source.asset}'",
        pairs=None,
        files=count,
        megabytes=megabytes,
        download_megabytes=None,
        licence=source.licence,
        citation=source.citation,
        homepage="",
        state="ready",
    )


def _drawn_pairs(asset: Asset, count: int | None) -> int | None:
    return count // 2 if asset.kind is Kind.DRAWN and count is not None else None


def _on_disk(folder: Path) -> tuple[int, float]:
    """Files and megabytes of a fetched set."""
    sizes = [path.stat().st_size for path in inventory.listed(folder).values()]
    return len(sizes), round(sum(sizes) / 1e6, 1)


def _state(name: str) -> str:
    """Of a set that is not there."""
    downloads = paths.downloads_home() / name
    is_begun = any(path.is_file() for path in downloads.rglob("*"))
    return "partial" if is_begun else "absent"
