"""Placement of a dataset's images, taken from an archive or a folder."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from sketchcli import assets, file_kinds, files
from sketchcli.assets import Asset, Kind
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.fetching import inventory
from sketchcli.engine.fetching.archive import is_archive, unpack
from sketchcli.errors import DataError
from sketchcli.registry import Named

STAGE = ".unpacked"  # hidden folder inside the one that is being made

Wanted = Callable[[str], bool]  # whether the file at a relative path belongs to an asset


def place(source: Path, folder: Path, room: Named, reporter: Reporter = SILENT) -> None:
    """Put a dataset's files into an empty folder, with the names and folders that it wants.

    `source` is an archive, or a folder of images and, except for the user's own datasets, archives.
    One without images, or with others than those of the dataset, is an error.
    """
    asset: Asset = room.ASSET

    def is_wanted(name: str) -> bool:
        path = Path(name)
        is_hidden = any(part.startswith(".") for part in path.parts)
        return not is_hidden and (file_kinds.is_picture(path) or path.name in asset.keeps)

    stage = folder / STAGE
    stage.mkdir()
    if source.is_dir():
        _copy(source, stage, asset, is_wanted, reporter)
    else:
        unpack(source, stage, wanted=is_wanted, takes_empty=False, reporter=reporter)
    if not inventory.listed(stage):
        raise file_kinds.no_images(f"{source} contains no images", Counter())
    if asset.manifest:
        _place_by_content(stage, folder, known_hashes(asset), reporter)
    else:
        inner = stage if asset.kind is Kind.LOCAL else _without_wrapping(stage)
        for path in list(inner.iterdir()):
            path.rename(folder / path.name)
    shutil.rmtree(stage)
    if hasattr(room, "arrange"):
        room.arrange(folder)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def known_hashes(asset: Asset) -> dict[str, str]:
    """Return the SHA-256 of every file of a dataset, according to its manifest."""
    resource = resources.files(assets).joinpath(asset.manifest)
    return inventory.parse(resource.read_text(encoding="utf-8"), name=asset.manifest)


def _copy(source: Path, stage: Path, asset: Asset, is_wanted: Wanted, reporter: Reporter) -> None:
    """Copy the wanted images of a folder, and unpack those in its archives."""
    found = {path: path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()}
    wanted = [path for path in found if is_wanted(found[path].as_posix())]
    for done, path in enumerate(wanted, start=1):
        copy = stage / found[path]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        reporter(Advanced("pictures", done, len(wanted)))
    others = [] if asset.kind is Kind.LOCAL else sorted(found.keys() - set(wanted))
    for path in filter(is_archive, others):
        inner = stage / f"{found[path].as_posix()}.unpacked"
        inner.mkdir(parents=True)
        unpack(path, inner, wanted=is_wanted, takes_empty=False, reporter=reporter)


def _without_wrapping(stage: Path) -> Path:
    """Return the folder below those that only wrap it, such as `facades/` around `train/`, ..."""
    inside = list(stage.iterdir())
    is_wrapped = len(inside) == 1 and inside[0].is_dir()
    if is_wrapped and all(path.is_dir() for path in inside[0].iterdir()):
        return _without_wrapping(inside[0])
    return stage


def _place_by_content(
    stage: Path, folder: Path, manifest: Mapping[str, str], reporter: Reporter
) -> None:
    """Move each file to the place that the manifest has for its content; leave all others."""
    names = {digest: name for name, digest in manifest.items()}
    found = inventory.listed(stage)
    strangers = set()
    for done, (name, path) in enumerate(found.items(), start=1):
        place = names.pop(files.sha256_of(path), None)
        if place is None:
            strangers.add(Path(name).name.lower())
        else:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder / place)
        reporter(Advanced("pictures", done, len(found)))
    if names:
        absent = sorted(names.values())
        changed = [name for name in absent if Path(name).name.lower() in strangers]
        missing = [name for name in absent if name not in changed]
        raise DataError(
            f"the files differ from the official {len(manifest)} images: "
            f"{inventory.described(missing=missing, changed=changed)}",
            hint="to use these images, run: sketch2img fetch-data folder --from DIR --name NAME",
        )
    if strangers:
        reporter(Note(f"skipped images that are not part of the dataset: {len(strangers)}"))
