"""The request for `generate`, and the search for its sketches: files, folders, globs and lists."""

import fnmatch
import glob
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from sketchcli.errors import DataError, UsageError
from sketchcli.files import is_picture

Format = Literal["png", "jpg", "webp"]


class Existing(StrEnum):
    """What to do if a photo already exists."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class When(StrEnum):
    """Whether to apply a correction to a sketch."""

    AUTO = "auto"  # only if the sketch needs it
    YES = "yes"
    NO = "no"


class Scale(StrEnum):
    """The size of photos if none is given in pixels."""

    MODEL = "model"  # the model's shorter side
    INPUT = "input"  # the sketch's size


@dataclass(frozen=True)
class Selection:
    """Which files of folders and globs to convert, and where their tree begins."""

    is_recursive: bool = True
    include: tuple[str, ...] = ()  # patterns; empty: all images
    exclude: tuple[str, ...] = ()
    root: Path | None = None  # None: the nearest folder that holds all inputs


@dataclass(frozen=True)
class Naming:
    """The names and the file format of photos."""

    format: Format | None = None  # None: the output's extension, or png if it has none
    quality: int | None = None  # 1 to 100, for JPEG and WebP
    suffix: str = ""  # appended to the name, before the dot
    existing: Existing = Existing.REFUSE


@dataclass(frozen=True)
class Drawing:
    """How a sketch becomes a photo."""

    size: Scale | tuple[int, int] = Scale.MODEL  # or the height and width that photos fit into
    is_tiled: bool = False  # generate at the sketch's own size, in overlapping tiles
    invert: When = When.AUTO
    paper: When = When.AUTO
    is_aligned: bool = False  # crop the face, aligned by its eyes
    is_pasted: bool = False  # paste the photo back where the face was in the sketch
    is_compared: bool = False  # put sketch and photo side by side
    variations: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of the work; numbers count from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse a shard such as `2/8`."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        shard = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= shard.number <= shard.count:
            raise UsageError(f"invalid shard '{text}'", hint="write I/N, for example --shard 2/8")
        return shard

    def name(self, path: Path) -> Path:
        """Add the shard to a file's name, so that several shards can write side by side.

        >>> Shard(2, 8).name(Path("a.csv")).name
        'a-2-of-8.csv'
        """
        if self.count == 1:
            return path
        return path.with_stem(f"{path.stem}-{self.number}-of-{self.count}")


@dataclass(frozen=True)
class Request:
    """Everything that one call of `generate` needs to know."""

    sources: tuple[str, ...]  # files, folders and globs, or `-` for standard input
    output: str  # a file, a folder, or `-` for standard output
    listed: tuple[str, ...] = ()  # paths from a list; a missing one is a failed file, not an error
    models: tuple[Path, ...] = ()  # weights; the photos of several models are averaged
    selection: Selection = field(default_factory=Selection)
    naming: Naming = field(default_factory=Naming)
    drawing: Drawing = field(default_factory=Drawing)
    shard: Shard = field(default_factory=Shard)
    manifest: Path | None = None
    grid: Path | None = None


STREAM = "-"
LARGEST_LIST = 2**28  # bytes


@dataclass(frozen=True)
class Sketch:
    """A file to convert."""

    path: Path  # or `-`
    place: Path  # its path below the folder where the tree of inputs begins


@dataclass(frozen=True)
class Found:
    """The sketches that a search found, in a fixed order, each of them once."""

    sketches: tuple[Sketch, ...]
    folders: tuple[Path, ...] = ()  # all searched folders
    is_one_file: bool = False  # the input is a single file, so the output may be a file too
    notes: tuple[str, ...] = ()  # what was skipped


def find(sources: Sequence[str], listed: Sequence[str], selection: Selection) -> Found:
    """Find the sketches that the arguments, or the paths of a list, refer to.

    If one of several files does not exist, it stays in the result and becomes a failed file.
    """
    if STREAM in (*sources, *listed):
        if [*sources, *listed] != [STREAM]:
            raise UsageError(
                "- (standard input) cannot be combined with other inputs",
                hint="give either - or files and folders",
            )
        return Found((Sketch(Path(STREAM), Path("stdin.png")),), is_one_file=True)
    search = _Search(selection)
    for source in sources:
        if glob.has_magic(source) and not _exists(source):
            search.add_glob(source)
        else:
            search.add_path(Path(source))
    for source in listed:
        search.add_path(Path(source))
    if sources and not listed and search.missing == len(search.starts):
        raise DataError(f"{sources[0]} does not exist", hint="check the path")
    return search.found(is_one_file=len(sources) == 1 and not listed)


def read_list(file: str) -> tuple[str, ...]:
    """Read the paths of a list: one per line, or separated by NUL bytes if it has any.

    If `file` is `-`, the list is read from the standard input.
    """
    if file == STREAM:
        content = sys.stdin.buffer.read(LARGEST_LIST + 1)
    else:
        path = Path(file)
        if not path.exists():
            raise DataError(f"{file} does not exist", hint="check the path given with --list")
        with path.open("rb") as opened:
            content = opened.read(LARGEST_LIST + 1)
    if len(content) > LARGEST_LIST:
        raise DataError(f"{file} is larger than {LARGEST_LIST >> 20} MB", hint="split the list")
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    names = tuple(os.fsdecode(part) for part in parts if part.strip())
    if not names:
        raise DataError(f"{file} names no files", hint="write one path per line into the list")
    return names


def check_below(path: Path, root: Path) -> None:
    """Check that a path lies below the folder where the tree of inputs begins."""
    if not _absolute(path).is_relative_to(_absolute(root)):
        raise DataError(f"{path} is not below {root}", hint="choose another --root")


class _Search:
    """Collects the files that the arguments name."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.files: dict[Path, Path] = {}  # keyed by absolute path, so that each file counts once
        self.starts: list[Path] = []  # absolute folders that the tree could begin at
        self.folders: list[Path] = []
        self.globs: list[str] = []
        self.links = self.unnamed = self.missing = 0

    def add_path(self, path: Path) -> None:
        """Add the images of a folder, or a file, whether it exists or not."""
        if os.path.isdir(path):  # noqa: PTH112 - see `_exists`
            self.folders.append(path)
            self._add_images(path, self._walk(path))
        else:
            self.missing += not _exists(path)
            self.starts.append(_absolute(path).parent)
            self._add(path)

    def add_glob(self, pattern: str) -> None:
        """Add the images that match a pattern which no shell has expanded."""
        paths = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207
        found = [path for path in paths if path.is_file() and is_picture(path)]
        if not found:
            raise DataError(f"no image matches {pattern}", hint="check the pattern")
        self.globs.append(pattern)
        fixed = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
        self._add_images(Path(*fixed), found)

    def found(self, *, is_one_file: bool) -> Found:
        """Return all files, and where each lies in the tree."""
        chosen = self.selection
        if not self.files:
            is_filtered = chosen.include or chosen.exclude or not chosen.is_recursive
            raise DataError(
                f"no images found in {', '.join([*map(str, self.folders), *self.globs])}",
                hint="check --include, --exclude and --no-recursive"
                if is_filtered
                else "supported formats: PNG, JPEG, WebP, BMP, TIFF, ...",
            )
        root = self._root()
        sketches = tuple(Sketch(path, at.relative_to(root)) for at, path in self.files.items())
        counts = {
            "skipped files without an image extension": self.unnamed,
            "skipped links to folders": self.links,
        }
        notes = tuple(f"{what}: {count}" for what, count in counts.items() if count)
        is_tree = bool(self.folders or self.globs) or chosen.root is not None
        return Found(sketches, tuple(self.folders), is_one_file and not is_tree, notes)

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Yield the files folder by folder, sorted by name, without those in hidden folders."""
        for place, folders, files in os.walk(folder):
            visible = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in visible if Path(place, name).is_symlink()]
            self.links += len(links)
            folders[:] = [n for n in visible if n not in links and self.selection.is_recursive]
            paths = (Path(place, name) for name in sorted(files))
            yield from (path for path in paths if path.is_file())  # no pipes, no broken links

    def _add_images(self, start: Path, paths: Iterable[Path]) -> None:
        """Add the images that the patterns select."""
        self.starts.append(_absolute(start))
        include, exclude = self.selection.include, self.selection.exclude
        for path in paths:
            place = path.relative_to(start).as_posix()
            if not is_picture(path):
                self.unnamed += not path.name.startswith(".")
            elif (not include or _matches(place, include)) and not _matches(place, exclude):
                self._add(path)

    def _add(self, path: Path) -> None:
        if path == Path(STREAM):  # a file named "-", given as ./-
            path = _absolute(path)
        self.files.setdefault(_absolute(path), path)

    def _root(self) -> Path:
        if self.selection.root is None:
            return Path(os.path.commonpath(self.starts))
        for path in self.files.values():
            check_below(path, self.selection.root)
        root = _absolute(self.selection.root)
        if root in self.files:
            raise DataError(f"{root} is a sketch", hint="choose a folder as --root")
        return root


def _matches(place: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches a path, or its name if the pattern has no slash."""
    name = place.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(place if "/" in each else name, each) for each in patterns)


def _exists(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - unlike `Path.exists`, takes names of any length


def _absolute(path: Path) -> Path:
    """Remove dots but follow no links: the outputs' tree mirrors the paths as they are written."""
    return Path(os.path.abspath(path))  # noqa: PTH100
