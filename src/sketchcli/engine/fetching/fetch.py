"""`fetch-data` draws, copies or downloads a dataset or network, whole or not at all."""

import datetime as dt
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files, images, paths, registry
from sketchcli.assets import Asset, Kind
from sketchcli.engine import runs
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.fetching import arrange, convert, inventory, obtaining
from sketchcli.engine.fetching.arrange import Layout
from sketchcli.engine.fetching.obtaining import Obtained
from sketchcli.engine.results import FetchPlan, FetchResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, DownloadError, UsageError
from sketchcli.registry import Named

Fill = Callable[[Path], list[Obtained]]  # fills a folder; returns where its content came from
PAIRS, SIDE, SEED = 200, 128, 0


@dataclass(frozen=True)
class FetchConfig:
    """The asset to fetch, and the options for it."""

    asset: str
    name: str = ""  # name of the raw dataset; the asset's own by default
    count: int | None = None  # number of drawn pairs; PAIRS by default
    size: int | None = None  # width and height of drawn pairs, in pixels; SIDE by default
    seed: int | None = None  # random seed of drawn pairs; SEED by default
    source: str = ""  # --from: a file, a folder or a URL
    licence: str = ""  # licence of the user's own images
    sha256: str = ""  # expected hash of the file; overrides a published or recorded one
    is_accepted: bool = False  # whether the user accepted the asset's notice


def fetch(
    config: FetchConfig, *, overwrite: bool = False, reporter: Reporter = SILENT
) -> FetchResult:
    """Put a dataset or network into the data folder, whole or not at all."""
    room = registry.load(registry.ASSETS, config.asset)
    asset: Asset = room.ASSET
    name, target = checked(config, asset)
    check_place(target, overwrite=overwrite)
    if asset.kind is Kind.MANUAL and not config.source:
        raise _by_hand(config.asset, asset, reporter)
    if asset.notice and not config.is_accepted:
        raise UsageError(asset.notice, hint="if you accept this notice, add --accept-licence")
    downloads = paths.downloads_home() / name
    fill = _filling(config, room, downloads, reporter)
    with files.locked(target):
        is_ours = runs.is_fetched
        with files.new_folder(target, is_ours=is_ours, overwrite=overwrite) as part:
            found = fill(part)
            hashes = inventory.take(part, reporter)
            inventory.write(part, hashes)
            source = _provenance(name, config, asset, found)
            runs.write(part, source)
        for file in found:
            obtaining.remember(file, reporter)
        shutil.rmtree(downloads, ignore_errors=True)
    pictures = sum(files.is_picture(Path(file)) for file in hashes)
    _tell_count(name, asset, pictures, reporter)
    return FetchResult(
        name=name,
        folder=target,
        pictures=pictures,
        licence=source.licence,
        origin=source.origin,
        sha256=source.sha256,
        next=asset.next_command(name),
    )


def _by_hand(name: str, asset: Asset, reporter: Reporter) -> UsageError:
    for number, step in enumerate(asset.steps, start=1):
        reporter(Note(f"{number}. {step}"))
    return UsageError(
        f"'{name}' cannot be downloaded automatically; follow the steps above",
        hint=f"after the steps, run: sketch2img fetch-data {name} --from FILE_OR_FOLDER",
    )


def _filling(config: FetchConfig, room: Named, downloads: Path, reporter: Reporter) -> Fill:
    asset: Asset = room.ASSET
    if asset.kind is Kind.DRAWN:
        return lambda folder: _draw(room, config, folder, reporter)
    if asset.kind is Kind.NETWORK and not config.source:
        return lambda folder: _download_network(asset, config, folder, downloads, reporter)
    layout = Layout(asset, getattr(room, "arrange", None))
    return lambda folder: _place(config, layout, folder, downloads, reporter)


def _draw(room: Named, config: FetchConfig, folder: Path, reporter: Reporter) -> list[Obtained]:
    count = PAIRS if config.count is None else config.count
    size = SIDE if config.size is None else config.size
    seed = SEED if config.seed is None else config.seed
    for index in range(count):
        sketch, photo = room.draw_pair(index, size=size, seed=seed)
        images.write(folder / "sketches" / f"{index:05d}.png", sketch)
        images.write(folder / "photos" / f"{index:05d}.png", photo)
        reporter(Advanced("pairs", index + 1, count))
    return []


def _download_network(
    asset: Asset, config: FetchConfig, folder: Path, downloads: Path, reporter: Reporter
) -> list[Obtained]:
    found = []
    for file in asset.downloads:
        try:
            found += [
                obtaining.from_network(file, downloads, sha256=config.sha256, reporter=reporter)
            ]
        except DownloadError as error:
            raise _with_way_out(error, asset) from error
        shutil.copyfile(found[-1].path, folder / file.name)
    return found


def _place(
    config: FetchConfig, layout: Layout, folder: Path, downloads: Path, reporter: Reporter
) -> list[Obtained]:
    found = _obtain(config, layout.asset, downloads, reporter)
    try:
        if layout.asset.kind is Kind.NETWORK:
            convert.place(found, folder, layout.asset)
        else:
            arrange.place(found.path, folder, layout, reporter)
    except DataError as error:
        if not found.is_downloaded or _is_about_the_disk(error):
            raise
        shutil.rmtree(downloads, ignore_errors=True)  # the next attempt must not use them
        raise DownloadError(error.message, hint=error.hint) from error
    return [found]


def _is_about_the_disk(error: DataError) -> bool:
    """Return whether the operating system is to blame, and not the downloaded file."""
    return getattr(error.__cause__, "errno", None) is not None


def _obtain(config: FetchConfig, asset: Asset, downloads: Path, reporter: Reporter) -> Obtained:
    if config.source and not obtaining.is_address(config.source):
        return obtaining.from_disk(config.source, sha256=config.sha256)
    file = obtaining.file_at(config.source) if config.source else asset.downloads[0]
    try:
        return obtaining.from_network(
            file,
            downloads,
            sha256=config.sha256,
            is_stable=not asset.manifest,
            reporter=reporter,
        )
    except DownloadError as error:
        raise _with_way_out(error, asset) from error


def _with_way_out(error: DownloadError, asset: Asset) -> DownloadError:
    """Return the same error, with another way to get the same files in its hint."""
    ways = (error.hint, convert.way_out(asset), asset.homepage)
    return DownloadError(error.message, hint="; ".join(way for way in ways if way))


def _provenance(name: str, config: FetchConfig, asset: Asset, found: list[Obtained]) -> Provenance:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return Provenance(
        name=name,
        licence=config.licence or asset.licence,
        citation=asset.citation,
        asset=config.asset,
        notice=asset.notice,
        accepted=today if asset.notice else "",
        origin=" ".join(file.origin for file in found),
        sha256=" ".join(file.sha256 for file in found if file.sha256),
    )


def _tell_count(name: str, asset: Asset, pictures: int, reporter: Reporter) -> None:
    """Warn if a dataset does not have as many images as its authors say."""
    if asset.pairs is None:
        return
    expected = asset.pairs * (1 if asset.direction else 2)
    if pictures != expected:
        message = f"{name} has {pictures} images, but the complete dataset has {expected}"
        reporter(Note(message, is_warning=True))


def plan(config: FetchConfig) -> FetchPlan:
    """Return what `fetch` would do, without changing anything."""
    asset: Asset = registry.load(registry.ASSETS, config.asset).ASSET
    name, target = checked(config, asset)
    is_there = runs.is_fetched(target)
    urls = tuple(url for file in asset.downloads for url in file.urls)
    return FetchPlan(
        name=name,
        folder=target,
        state="ready" if is_there else ("taken" if target.exists() else "absent"),
        sources=(obtaining.shown_source(config.source),) if config.source else urls,
        download_megabytes=None if config.source else asset.download_megabytes,
        free_megabytes=round(_free_bytes(target) / 1e6, 1),
        licence=config.licence or asset.licence,
        notice=asset.notice,
        steps=() if config.source else asset.steps,
        next=asset.next_command(name),
    )


def checked(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """Check that the options make sense together, and return the dataset's name and folder."""
    _check_drawing(config, asset)
    _check_source(config, asset)
    _check_hash(config, asset)
    return _target(config, asset)


def _check_drawing(config: FetchConfig, asset: Asset) -> None:
    drawing = {"--count": config.count, "--size": config.size, "--seed": config.seed}
    given = [option for option, value in drawing.items() if value is not None]
    if given and asset.kind is not Kind.DRAWN:
        raise UsageError(
            f"{given[0]} applies only to datasets that sketch2img draws, not to '{config.asset}'",
            hint="omit this option",
        )


def _check_source(config: FetchConfig, asset: Asset) -> None:
    if config.source and asset.kind is Kind.DRAWN:
        raise UsageError(
            f"--from does not apply to '{config.asset}', which sketch2img draws", hint="omit --from"
        )
    if not config.source and asset.kind is Kind.LOCAL:
        hint = "add --from FOLDER, --from ARCHIVE or --from URL"
        raise UsageError(f"'{config.asset}' needs the location of your images", hint=hint)
    if config.licence and asset.kind is not Kind.LOCAL:
        hint = "omit --licence; it applies only to your own images"
        raise UsageError(f"--licence: '{config.asset}' has its own licence", hint=hint)
    if config.source:
        obtaining.check(config.source)


def _check_hash(config: FetchConfig, asset: Asset) -> None:
    if not re.fullmatch(r"([0-9a-f]{64})?", config.sha256):
        raise UsageError(
            f"--sha256 {config.sha256} is not a SHA-256 hash",
            hint="give 64 hexadecimal digits, as sha256sum prints them",
        )
    if config.sha256 and not config.source and len(asset.downloads) != 1:
        raise UsageError(f"--sha256: '{config.asset}' is not a single file", hint="omit --sha256")


def _target(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """Return the dataset's name and folder; the name of an asset is reserved for that asset."""
    if asset.kind is Kind.NETWORK:
        if config.name:
            raise UsageError(f"--name: '{config.asset}' keeps its own name", hint="omit --name")
        return config.asset, paths.assets_home() / config.asset
    name = config.name or ("" if asset.kind is Kind.LOCAL else config.asset)
    if not name or (name != config.asset and name in registry.names(registry.ASSETS)):
        raise UsageError(
            f"the dataset from '{config.asset}' needs a name that is not reserved",
            hint="choose a name with --name",
        )
    return name, paths.raw_home() / paths.checked_name(name)


def check_place(target: Path, *, overwrite: bool) -> None:
    """Refuse to replace an existing folder, before the user or a server is asked for anything."""
    if runs.is_fetched(target) and not overwrite:
        hint = "add --verify to check it, or --overwrite to fetch it again"
        raise DataError(f"{target} already exists", hint=hint)
    files.check_new(target, is_ours=runs.is_fetched, overwrite=True)


def _free_bytes(target: Path) -> int:
    existing = next(folder for folder in target.parents if folder.exists())
    return shutil.disk_usage(existing).free
