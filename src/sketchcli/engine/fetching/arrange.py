"""A set's pictures, out of an archive or a folder, to the places where they belong."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sketchcli import assets, files
from sketchcli.assets import Asset, Kind
from sketchcli.engine.events import SILENT, Advanced, Note, Reporter
from sketchcli.engine.fetching import inventory
from sketchcli.engine.fetching.archive import is_archive, unpack
from sketchcli.errors import DataError

STAGE = ".unpacked"  # hidden, inside the folder that is being made


@dataclass(frozen=True)
class Layout:
    """How the files of an asset are laid out."""

    asset: Asset
    arrange: Callable[[Path], None] | None = None  # the asset's own function

    def wants(self, name: str) -> bool:
        """Whether a file of that path belongs to the set."""
        path = Path(name)
        is_hidden = any(part.startswith(".") for part in path.parts)
        return not is_hidden and (files.is_picture(path) or path.name in self.asset.keeps)


def place(source: Path, folder: Path, layout: Layout, reporter: Reporter = SILENT) -> None:
    """Put a set's files into an empty folder.

    Args:
        source: An archive, or a folder of pictures and, for known sets, archives.
        folder: The folder to fill.
        layout: How the set is laid out.
        reporter: Told of the progress, and of what is left out.

    Raises:
        DataError: No picture is in the source, or not those that the set consists of.
    """
    stage = folder / STAGE
    stage.mkdir()
    if source.is_dir():
        _copy(source, stage, layout, reporter)
    else:
        unpack(source, stage, wanted=layout.wants, reporter=reporter)
    if not inventory.listed(stage):
        raise DataError(f"{source}: no pictures in it", hint="PNG, JPEG, WebP, BMP, TIFF, ...")
    if layout.asset.manifest:
        _place_by_content(stage, folder, known_hashes(layout.asset), reporter)
    else:
        inner = stage if layout.asset.kind is Kind.LOCAL else _without_wrapping(stage)
        for path in list(inner.iterdir()):
            path.rename(folder / path.name)
    shutil.rmtree(stage)
    if layout.arrange is not None:
        layout.arrange(folder)
    _remove_empty(folder)


def known_hashes(asset: Asset) -> dict[str, str]:
    """The SHA-256 of every file of a set, as its manifest has them."""
    resource = resources.files(assets).joinpath(asset.manifest)
    return inventory.parse(resource.read_text(encoding="utf-8"), name=asset.manifest)


def _copy(source: Path, stage: Path, layout: Layout, reporter: Reporter) -> None:
    found = {path: path.relative_to(source) for path in sorted(source.rglob("*"))}
    wanted = [path for path in found if layout.wants(found[path].as_posix()) and path.is_file()]
    for done, path in enumerate(wanted, start=1):
        copy = stage / found[path]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        reporter(Advanced("pictures", done, len(wanted)))
    if layout.asset.kind is Kind.LOCAL:
        return
    others = found.keys() - set(wanted)
    for path in sorted(path for path in others if path.is_file() and is_archive(path)):
        inner = stage / f"{found[path].as_posix()}.unpacked"
        inner.mkdir(parents=True)
        unpack(path, inner, wanted=layout.wants, reporter=reporter)


def _without_wrapping(stage: Path) -> Path:
    """The folder below those that only hold one other folder: `facades/` around `train/`, ..."""
    inside = list(stage.iterdir())
    is_wrapped = len(inside) == 1 and inside[0].is_dir()
    if is_wrapped and all(path.is_dir() for path in inside[0].iterdir()):
        return _without_wrapping(inside[0])
    return stage


def _place_by_content(
    stage: Path, folder: Path, manifest: Mapping[str, str], reporter: Reporter
) -> None:
    """Move each file to the place that the manifest has for its content; leave the others."""
    names = {digest: name for name, digest in manifest.items()}
    found = inventory.listed(stage)
    strangers = []
    for done, (name, path) in enumerate(found.items(), start=1):
        place = names.pop(inventory.sha256_of(path), None)
        if place is None:
            strangers.append(Path(name).name.lower())
        else:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder / place)
        reporter(Advanced("pictures", done, len(found)))
    if names:
        raise _not_the_set(tuple(sorted(names.values())), set(strangers), len(manifest))
    if strangers:
        reporter(Note(f"{len(strangers)} pictures are not part of the set: skipped"))


def _not_the_set(absent: tuple[str, ...], strangers: set[str], total: int) -> DataError:
    changed = tuple(name for name in absent if Path(name).name.lower() in strangers)
    missing = tuple(name for name in absent if name not in changed)
    return DataError(
        f"not the official set of {total} pictures: {inventory.Differences(missing, changed)}",
        hint="to take pictures that differ: sketch2img fetch-data folder --from DIR --name NAME",
    )


def _remove_empty(folder: Path) -> None:
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
