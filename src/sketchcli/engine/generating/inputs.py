"""Which sketches are meant: files, folders, globs, lists, standard input."""

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sketchcli.errors import DataError, UsageError
from sketchcli.files import is_picture

# All that `generate` can be asked for, as data.


class Existing(StrEnum):
    """What becomes of a photo that is there already."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class When(StrEnum):
    """Whether something is done to a sketch."""

    AUTO = "auto"  # where it is needed
    YES = "yes"
    NO = "no"


class Scale(StrEnum):
    """How large photos are, where no size is given in pixels."""

    MODEL = "model"  # the model's shorter side
    INPUT = "input"  # the sketch's size


@dataclass(frozen=True)
class Selection:
    """Which files of folders and globs are taken, and where their tree begins."""

    is_recursive: bool = True
    include: tuple[str, ...] = ()  # patterns; none: all pictures
    exclude: tuple[str, ...] = ()
    root: Path | None = None  # None: the nearest folder that holds all inputs


@dataclass(frozen=True)
class Naming:
    """What photos are called, and how they are written."""

    format: str = ""  # png | jpg | webp; empty: what the output's name says, else png
    quality: int | None = None  # 1 to 100, of JPEG and WebP
    suffix: str = ""  # behind the name, before the dot
    existing: Existing = Existing.REFUSE


@dataclass(frozen=True)
class Drawing:
    """How a sketch becomes a photo."""

    size: Scale | tuple[int, int] = Scale.MODEL  # or the height and width that it fits into
    is_tiled: bool = False  # drawn at the sketch's own size, in overlapping tiles
    invert: When = When.AUTO
    paper: When = When.AUTO
    is_aligned: bool = False  # by the face's eyes
    is_pasted: bool = False  # back into the sketch, where the face was
    is_compared: bool = False  # sketch and photo side by side
    is_flipped_too: bool = False  # the mean of what is drawn of the sketch and of its mirror image
    variations: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Share:
    """One of several equal shares of the work; numbers count from 1."""

    number: int = 1
    count: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether there is but one share."""
        return self.count == 1


@dataclass(frozen=True)
class Request:
    """Everything that one call of `generate` is asked for.

    Args:
        sources: Files, folders and globs, or `-` for standard input.
        output: A file, a folder, or `-` for standard output.
        listed: Paths out of a list; one that does not exist is a failed file, not an error.
        models: Weights; several are averaged.
        is_raw: Whether the weights as trained are meant, instead of their average.
    """

    sources: tuple[str, ...]
    output: str
    listed: tuple[str, ...] = ()
    models: tuple[Path, ...] = ()
    is_raw: bool = False
    selection: Selection = field(default_factory=Selection)
    naming: Naming = field(default_factory=Naming)
    drawing: Drawing = field(default_factory=Drawing)
    share: Share = field(default_factory=Share)
    manifest: Path | None = None
    grid: Path | None = None


STREAM = "-"
LARGEST_LIST = 2**28  # bytes


@dataclass(frozen=True)
class Sketch:
    """A file to convert.

    Args:
        path: The file, or `-`.
        place: Its path below the folder where the tree of inputs begins.
    """

    path: Path
    place: Path


@dataclass(frozen=True)
class Found:
    """The sketches, and what a person should know about the search.

    Args:
        sketches: In a fixed order, each once.
        folders: Those that were searched.
        is_one_file: Whether one single file was named, whose photo may be named too.
        notes: What was passed over.
    """

    sketches: tuple[Sketch, ...]
    folders: tuple[Path, ...] = ()
    is_one_file: bool = False
    notes: tuple[str, ...] = ()


def find(sources: Sequence[str], listed: Sequence[str], selection: Selection) -> Found:
    """The sketches that the arguments and the paths of a list name.

    Where one of several files does not exist, it is kept: it will be a failed file.

    Raises:
        DataError: Nothing that is named exists, or nothing in it is a picture.
        UsageError: Standard input is named beside something else.
    """
    if STREAM in (*sources, *listed):
        if [*sources, *listed] != [STREAM]:
            raise UsageError("- is standard input: it stands alone", hint="name files, or -")
        return Found((Sketch(Path(STREAM), Path("stdin.png")),), is_one_file=True)
    search = _Search(selection)
    for source in sources:
        search.take(source)
    for source in listed:
        search.take_path(Path(source))
    if sources and not listed and search.missing == len(search.starts):
        raise DataError(f"{sources[0]}: no such file or folder", hint="check the path")
    return search.found(is_one_file=len(sources) == 1 and not listed)


def read_list(file: str, stream: Iterable[bytes] | None = None) -> tuple[str, ...]:
    """The paths of a list: one a line, or, where there are zero bytes, between those.

    Args:
        file: The list, or `-`.
        stream: Standard input, which is read for `-`.

    Raises:
        DataError: There is no such file, it is too large, or it names nothing.
    """
    if file == STREAM and stream is not None:
        content = b"".join(stream)
    else:
        path = Path(file)
        if not path.exists():
            raise DataError(f"{file}: no such file", hint="check the path behind --list")
        with path.open("rb") as opened:
            content = opened.read(LARGEST_LIST + 1)
    if len(content) > LARGEST_LIST:
        raise DataError(f"{file}: a list of more than {LARGEST_LIST >> 20} MB", hint="divide it")
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    names = tuple(os.fsdecode(part) for part in parts if part.strip())
    if not names:
        raise DataError(f"{file}: names no file", hint="one path a line")
    return names


def check_below(path: Path, root: Path) -> None:
    """Make sure that a path has its place in the tree that begins at a folder.

    Raises:
        DataError: It lies elsewhere.
    """
    if not _absolute(path).is_relative_to(_absolute(root)):
        raise DataError(f"{path}: not below {root}", hint="name another --root")


class _Search:
    """Collects what the arguments name."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.files: dict[Path, Path] = {}  # by absolute path: each once
        self.starts: list[Path] = []  # absolute folders that the tree could begin at
        self.folders: list[Path] = []
        self.globs: list[str] = []
        self.links = self.strangers = self.missing = 0

    def take(self, source: str) -> None:
        """Add one argument."""
        if glob.has_magic(source) and not _exists(source):
            self._take_glob(source)
        else:
            self.take_path(Path(source))

    def take_path(self, path: Path) -> None:
        """Add a folder's pictures, or a file, whether it exists or not."""
        if os.path.isdir(path):  # noqa: PTH112 - see `_exists`
            self._take_folder(path)
        else:
            self.missing += not _exists(path)
            self._add(path)
            self.starts.append(_absolute(path).parent)

    def found(self, *, is_one_file: bool) -> Found:
        """Everything, with its place in the tree."""
        if not self.files:
            where = ", ".join([*map(str, self.folders), *self.globs])
            raise DataError(f"{where}: no pictures in it", hint=self._hint())
        root = self._root()
        sketches = [Sketch(path, at.relative_to(root)) for at, path in self.files.items()]
        is_tree = bool(self.folders or self.globs) or self.selection.root is not None
        is_one = is_one_file and not is_tree
        return Found(tuple(sketches), tuple(self.folders), is_one, tuple(self._notes()))

    def _take_folder(self, folder: Path) -> None:
        self.folders.append(folder)
        self.starts.append(_absolute(folder))
        for path in self._walk(folder):
            if not is_picture(path):
                self.strangers += not path.name.startswith(".")
            elif self._is_wanted(path, path.relative_to(folder).as_posix()):
                self._add(path)

    def _take_glob(self, pattern: str) -> None:
        self.globs.append(pattern)
        start = _fixed_part(pattern)
        matches = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        pictures = sorted(path for path in matches if path.is_file() and is_picture(path))
        if not pictures:
            raise DataError(f"{pattern}: no picture has such a name", hint="check the pattern")
        self.starts.append(_absolute(start))
        for path in pictures:
            if self._is_wanted(path, path.relative_to(start).as_posix()):
                self._add(path)

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Files, folder by folder, in the order of their names; hidden folders are passed over."""
        for place, folders, files in os.walk(folder):
            visible = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in visible if Path(place, name).is_symlink()]
            self.links += len(links)
            folders[:] = [n for n in visible if n not in links and self.selection.is_recursive]
            paths = (Path(place, name) for name in sorted(files))
            yield from (path for path in paths if path.is_file())  # no pipes, no dead links

    def _is_wanted(self, path: Path, place: str) -> bool:
        """Whether the patterns let a file pass; one with a slash is for its path, not its name."""

        def matches(pattern: str) -> bool:
            return fnmatch.fnmatchcase(place if "/" in pattern else path.name, pattern)

        include, exclude = self.selection.include, self.selection.exclude
        return (not include or any(map(matches, include))) and not any(map(matches, exclude))

    def _add(self, path: Path) -> None:
        if path == Path(STREAM):  # a file may be called so, and be written ./-
            path = _absolute(path)
        self.files.setdefault(_absolute(path), path)

    def _root(self) -> Path:
        if self.selection.root is None:
            return Path(os.path.commonpath(self.starts))
        for path in self.files.values():
            check_below(path, self.selection.root)
        root = _absolute(self.selection.root)
        if root in self.files:
            raise DataError(f"{root}: a sketch", hint="--root is a folder that the sketches are in")
        return root

    def _hint(self) -> str:
        is_filtered = self.selection.include or self.selection.exclude
        if is_filtered or not self.selection.is_recursive:
            return "look at --include, --exclude and --no-recursive"
        return "PNG, JPEG, WebP, BMP, TIFF, ..."

    def _notes(self) -> Iterator[str]:
        if self.strangers:
            yield f"passed over, not named as pictures are: {self.strangers}"
        if self.links:
            yield f"passed over, links to folders: {self.links}"


def _exists(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - unlike `Path.exists`, of a name of any length


def _absolute(path: Path) -> Path:
    """Without dots, and without following links: the tree is mirrored as it is written."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _fixed_part(pattern: str) -> Path:
    """The folder that a glob begins at.

    >>> str(_fixed_part("a/b/**/c*.png")), str(_fixed_part("*.png"))
    ('a/b', '.')
    """
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])
