"""`fetch-data`: a known set, drawn or copied into the home of raw data."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sketchcli import files, images, paths, registry
from sketchcli.assets import Asset
from sketchcli.data.sources import pictures
from sketchcli.engine import provenance
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.provenance import Provenance
from sketchcli.engine.results import AssetListing, FetchResult
from sketchcli.errors import UsageError


@dataclass(frozen=True)
class FetchConfig:
    """What to fetch."""

    asset: str
    name: str = ""  # of the raw set; the asset's own by default
    count: int = 200  # pairs to draw
    size: int = 128  # pixels a side, of drawn pairs
    seed: int = 0
    source: Path | None = None  # --from
    licence: str = ""  # of a copied folder


def list_assets() -> tuple[AssetListing, ...]:
    """All known sets, and the user's own that were copied or drawn, with their states."""
    known = {name: _asset(name) for name in registry.names(registry.ASSETS)}
    listings = [_listing(name, asset.title, asset) for name, asset in known.items()]
    for file in sorted(paths.raw_home().glob(f"[!.]*/{provenance.FILE}")):
        name = file.parent.name
        if name not in known:
            source = provenance.read(file.parent)
            listings.append(_listing(name, f"from '{source.asset}'", source))
    return tuple(listings)


def fetch(
    config: FetchConfig, *, overwrite: bool = False, reporter: Reporter = SILENT
) -> FetchResult:
    """Draw or copy a set into the home of raw data; it appears whole or not at all.

    Args:
        config: What to fetch.
        overwrite: Whether an older set of that name may be replaced.
        reporter: Told of the progress.

    Raises:
        UsageError: No such set, or an option is missing.
        DataError: The source holds no pictures, or the disk cannot be written.
    """
    room = registry.load(registry.ASSETS, config.asset)
    asset: Asset = room.ASSET
    fill = _copy(config, reporter) if asset.is_local else _draw(room, config, reporter)
    name = _name(config, asset)
    target = paths.raw_home() / name
    licence = config.licence or asset.licence
    with files.new_folder(target, is_ours=provenance.is_fetched, overwrite=overwrite) as part:
        fill(part)
        count = len(pictures(part))
        provenance.write(part, Provenance(name, licence, asset.citation, config.asset))
    return FetchResult(name, target, count, licence)


def _name(config: FetchConfig, asset: Asset) -> str:
    """What the raw set is called; an asset's name belongs to that asset."""
    name = config.name or ("" if asset.is_local else config.asset)
    if not name or (name != config.asset and name in registry.names(registry.ASSETS)):
        raise UsageError(f"'{config.asset}' needs another name", hint="give it one with --name")
    return paths.checked_name(name)


def _draw(room: ModuleType, config: FetchConfig, reporter: Reporter) -> Callable[[Path], None]:
    if config.source is not None:
        raise UsageError(f"--from: '{config.asset}' is drawn, not copied", hint="leave it out")

    def fill(folder: Path) -> None:
        for index in range(config.count):
            sketch, photo = room.draw_pair(index, size=config.size, seed=config.seed)
            images.write(folder / "sketches" / f"{index:05d}.png", sketch)
            images.write(folder / "photos" / f"{index:05d}.png", photo)
            reporter(Advanced("pairs", index + 1, config.count))

    return fill


def _copy(config: FetchConfig, reporter: Reporter) -> Callable[[Path], None]:
    if config.source is None:
        raise UsageError(
            f"'{config.asset}' needs to know where your pictures are", hint="--from DIR"
        )
    source, found = config.source, pictures(config.source)

    def fill(folder: Path) -> None:
        for done, file in enumerate(found, start=1):
            copy = folder / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            reporter(Advanced("pictures", done, len(found)))

    return fill


def _asset(name: str) -> Asset:
    asset: Asset = registry.load(registry.ASSETS, name).ASSET
    return asset


def _listing(name: str, title: str, source: Asset | Provenance) -> AssetListing:
    folder = paths.raw_home() / name
    is_ready = (folder / provenance.FILE).exists()
    return AssetListing(
        name,
        title,
        len(pictures(folder)) if is_ready else None,
        _megabytes(folder) if is_ready else None,
        source.licence,
        source.citation,
        "ready" if is_ready else "absent",
    )


def _megabytes(folder: Path) -> float:
    return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1)
