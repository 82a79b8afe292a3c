"""Placement of a dataset's images, taken from an archive or a folder."""

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

STAGE = ".unpacked"  # hidden folder inside the one that is being made


@dataclass(frozen=True)
class Layout:
    """The layout of a dataset's files."""

    asset: Asset
    arrange: Callable[[Path], None] | None = None  # the dataset's own function

    def wants(self, name: str) -> bool:
        """Return whether the file at this path belongs to the dataset."""
        path = Path(name)
        is_hidden = any(part.startswith(".") for part in path.parts)
        return not is_hidden and (files.is_picture(path) or path.name in self.asset.keeps)


def place(source: Path, folder: Path, layout: Layout, reporter: Reporter = SILENT) -> None:
    """Put a dataset's files into an empty folder.

    `source` is an archive, or a folder of images and, except for the user's own datasets, archives.

    Raises:
        DataError: If the source has no images, or not those of the dataset.
    """
    stage = folder / STAGE
    stage.mkdir()
    if source.is_dir():
        _copy(source, stage, layout, reporter)
    else:
        unpack(source, stage, wanted=layout.wants, reporter=reporter)
    if not inventory.listed(stage):
        raise DataError(
            f"{source} contains no images",
            hint="supported formats: PNG, JPEG, WebP, BMP, TIFF, ...",
        )
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
    """Return the SHA-256 of every file of a dataset, according to its manifest."""
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
    strangers = []
    for done, (name, path) in enumerate(found.items(), start=1):
        place = names.pop(files.sha256_of(path), None)
        if place is None:
            strangers.append(Path(name).name.lower())
        else:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder / place)
        reporter(Advanced("pictures", done, len(found)))
    if names:
        raise _not_the_set(tuple(sorted(names.values())), set(strangers), len(manifest))
    if strangers:
        reporter(Note(f"skipped images that are not part of the dataset: {len(strangers)}"))


def _not_the_set(absent: tuple[str, ...], strangers: set[str], total: int) -> DataError:
    changed = tuple(name for name in absent if Path(name).name.lower() in strangers)
    missing = tuple(name for name in absent if name not in changed)
    return DataError(
        f"the files differ from the official {total} images: "
        f"{inventory.Differences(missing, changed)}",
        hint="to use these images, run: sketch2img fetch-data folder --from DIR --name NAME",
    )


def _remove_empty(folder: Path) -> None:
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
