"""`fetch-data`: a known set or network, drawn, copied or downloaded, whole or not at all."""

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

Fill = Callable[[Path], list[Obtained]]  # fills a folder; tells where its content came from
PAIRS, SIDE, SEED = 200, 128, 0


# What `fetch-data` is asked for: whether it makes sense, and what it would do.


@dataclass(frozen=True)
class FetchConfig:
    """What to fetch."""

    asset: str
    name: str = ""  # of the raw set; the asset's own by default
    count: int | None = None  # pairs to draw; PAIRS by default
    size: int | None = None  # pixels a side, of drawn pairs; SIDE by default
    seed: int | None = None  # of drawn pairs; SEED by default
    source: str = ""  # --from: a file, a folder or an address
    licence: str = ""  # of the user's own pictures
    sha256: str = ""  # of the file, in the place of a known or recorded one
    is_accepted: bool = False  # the asset's notice


def fetch(
    config: FetchConfig, *, overwrite: bool = False, reporter: Reporter = SILENT
) -> FetchResult:
    """Put a set or network into its room at home; it appears whole or not at all.

    Args:
        config: What to fetch.
        overwrite: Whether an older one of that name may be replaced.
        reporter: Told of the progress.

    Raises:
        UsageError: No such set, an option is missing, or its licence was not accepted.
        DataError: It is there already, the source is not what it should be, or the disk cannot be
            written.
        DownloadError: It could not be downloaded, or is not what it should be.
    """
    room = registry.load(registry.ASSETS, config.asset)
    asset: Asset = room.ASSET
    name, target = checked(config, asset)
    check_place(target, overwrite=overwrite)
    if asset.kind is Kind.MANUAL and not config.source:
        raise _by_hand(config.asset, asset, reporter)
    if asset.notice and not config.is_accepted:
        raise UsageError(asset.notice, hint="if you accept that, add --accept-licence")
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
        f"'{name}' cannot be downloaded by a program: follow the steps above",
        hint=f"then sketch2img fetch-data {name} --from FILE (or a folder)",
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
        shutil.rmtree(downloads, ignore_errors=True)  # the next attempt must not begin with it
        raise DownloadError(error.message, hint=error.hint) from error
    return [found]


def _is_about_the_disk(error: DataError) -> bool:
    """Whether the operating system is to blame, and not what was downloaded."""
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
    """The same error, with another way to the same files in its hint."""
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
    """Warn where a set has fewer pictures than its authors say."""
    if asset.pairs is None:
        return
    expected = asset.pairs * (1 if asset.direction else 2)
    if pictures != expected:
        message = f"{name}: {pictures} pictures; the whole set has {expected}"
        reporter(Note(message, is_warning=True))


def plan(config: FetchConfig) -> FetchPlan:
    """What `fetch` would do; nothing is changed.

    Raises:
        UsageError: No such set, or options that make no sense together.
        DataError: The source is not there.
    """
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
    """What the set will be called, and where it goes, where the options make sense together.

    Raises:
        UsageError: They do not.
        DataError: The source is not there.
    """
    _check_drawing(config, asset)
    _check_source(config, asset)
    _check_hash(config, asset)
    return _target(config, asset)


def _check_drawing(config: FetchConfig, asset: Asset) -> None:
    drawing = {"--count": config.count, "--size": config.size, "--seed": config.seed}
    given = [option for option, value in drawing.items() if value is not None]
    if given and asset.kind is not Kind.DRAWN:
        raise UsageError(f"{given[0]}: '{config.asset}' is not drawn", hint="leave it out")


def _check_source(config: FetchConfig, asset: Asset) -> None:
    if config.source and asset.kind is Kind.DRAWN:
        raise UsageError(f"--from: '{config.asset}' is drawn, not copied", hint="leave it out")
    if not config.source and asset.kind is Kind.LOCAL:
        hint = "--from FOLDER, --from ARCHIVE or --from URL"
        raise UsageError(f"'{config.asset}' needs to know where your pictures are", hint=hint)
    if config.licence and asset.kind is not Kind.LOCAL:
        hint = "leave it out; it is for pictures of your own"
        raise UsageError(f"--licence: '{config.asset}' has its own", hint=hint)
    if config.source:
        obtaining.check(config.source)


def _check_hash(config: FetchConfig, asset: Asset) -> None:
    if not re.fullmatch(r"([0-9a-f]{64})?", config.sha256):
        raise UsageError(
            f"--sha256 {config.sha256}: not a hash", hint="64 hexadecimal digits, as sha256sum says"
        )
    if config.sha256 and not config.source and len(asset.downloads) != 1:
        raise UsageError(f"--sha256: '{config.asset}' is not one file", hint="leave it out")


def _target(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """What the set is called, and where it goes; an asset's name belongs to that asset."""
    if asset.kind is Kind.NETWORK:
        if config.name:
            raise UsageError(f"--name: '{config.asset}' keeps its own", hint="leave it out")
        return config.asset, paths.assets_home() / config.asset
    name = config.name or ("" if asset.kind is Kind.LOCAL else config.asset)
    if not name or (name != config.asset and name in registry.names(registry.ASSETS)):
        raise UsageError(f"'{config.asset}' needs another name", hint="give it one with --name")
    return name, paths.raw_home() / paths.checked_name(name)


def check_place(target: Path, *, overwrite: bool) -> None:
    """Refuse what is there already, before anything is asked of the user or of a server.

    Raises:
        DataError: A folder that may not be replaced.
    """
    if runs.is_fetched(target) and not overwrite:
        hint = "--verify checks it, --overwrite fetches it again"
        raise DataError(f"{target} exists", hint=hint)
    files.check_new(target, is_ours=runs.is_fetched, overwrite=True)


def _free_bytes(target: Path) -> int:
    existing = next(folder for folder in target.parents if folder.exists())
    return shutil.disk_usage(existing).free
