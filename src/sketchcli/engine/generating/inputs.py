"""The request for `generate`, and the search for its sketches: files, folders, globs and lists."""

import fnmatch
import glob
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from sketchcli import file_kinds, files
from sketchcli.config.domains import Domain, Domains
from sketchcli.errors import DataError, UsageError
from sketchcli.file_kinds import is_picture

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
    domains: Domains = Domains()  # of the models, for messages
    mark: str = ""  # the text that says in a PNG or JPEG that it is generated


STREAM = "-"


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


def find(
    sources: Sequence[str],
    listed: Sequence[str],
    selection: Selection,
    output: Path | None = None,
    *,
    domains: Domains = Domains(),
) -> Found:
    """Find the sketches that the arguments, or the paths of a list, refer to.

    If one of several files does not exist, it stays in the result and becomes a failed file. The
    paths of a list are taken literally. A glob over a tree leaves out the images in `output`.
    """
    if STREAM in sources:
        if len(sources) > 1 or listed:
            raise UsageError(
                "- (standard input) cannot be combined with other inputs",
                hint="give either - or files and folders",
            )
        return Found((Sketch(Path(STREAM), Path("stdin.png")),), is_one_file=True)
    search = _Search(selection, domains.input)
    for source in sources:
        if glob.has_magic(source) and not _exists(source):
            search.add_glob(source, output)
        else:
            search.add_path(Path(source))
    for source in listed:
        search.add_path(Path(source))
    if sources and not listed and search.missing == len(search.starts):
        raise DataError(f"{sources[0]} does not exist", hint="check the path")
    return search.found(is_one_file=len(sources) == 1 and not listed)


def read_list(file: str) -> tuple[str, ...]:
    """Read the paths of a text: one per line, or with a zero byte after each if it has any.

    If `file` is `-`, the list is read from the standard input.
    """
    if file == STREAM:
        content, where = sys.stdin.buffer.read(files.LARGEST_TEXT + 1), "standard input"
    else:
        path, where = Path(file), file
        if not path.exists():
            raise DataError(f"{file} does not exist", hint="check the path given with --list")
        with path.open("rb") as opened:
            content = opened.read(files.LARGEST_TEXT + 1)
    parts = content.removesuffix(b"\0").split(b"\0")
    # The letters of UTF-16 would become paths of one letter, such as `.` and `/`.
    is_wide = content[:2] in files.WIDE or 2 * sum(len(part) < 2 for part in parts) >= len(parts)
    if b"\0" not in content or is_wide:
        parts = files.text_of(content, where).encode().split(b"\n")
    names = tuple(os.fsdecode(part) for part in parts if part.strip())  # in any locale
    # Bytes that are not UTF-8 became surrogates.
    if any(re.search("[\udc80-\udcff]", name) and not _exists(name) for name in names):
        raise DataError(f"{where} is not a text file of paths", hint="save it as text in UTF-8")
    if not names:
        raise DataError(f"{where} names no files", hint="write one path per line into the list")
    return names


def check_below(path: Path, root: Path) -> None:
    """Check that a path lies below the folder where the tree of inputs begins."""
    if not _absolute(path).is_relative_to(_absolute(root)):
        raise DataError(f"{path} is not below {root}", hint="choose another --root")


class _Search:
    """Collects the files that the arguments name."""

    def __init__(self, selection: Selection, domain: Domain) -> None:
        self.selection, self.domain = selection, domain
        self.files: dict[Path, Path] = {}  # keyed by absolute path, so that each file counts once
        self.starts: list[Path] = []  # absolute folders that the tree could begin at
        self.folders: list[Path] = []
        self.globs: list[str] = []
        self.links: list[Path] = []
        self.others: Counter[str] = Counter()  # files without an image extension, by extension
        self.missing = self.outputs = 0

    def add_path(self, path: Path) -> None:
        """Add the images of a folder, or a file, whether it exists or not."""
        if os.path.isdir(path):  # noqa: PTH112 - see `_exists`
            self.folders.append(path)
            places = self._walk(path, is_recursive=self.selection.is_recursive)
            found = (Path(place, name) for place, names in places for name in sorted(names))
            self._add_images(path, (p for p in found if p.is_file()))  # no pipes, no broken links
            return
        self.missing += not _exists(path)
        self.starts.append(_absolute(path).parent)
        if not _matches(path.as_posix(), self.selection.exclude):
            self._add(path)

    def add_glob(self, pattern: str, output: Path | None) -> None:
        """Add the images that match a pattern which no shell has expanded."""
        found = [path for path in map(Path, sorted(set(self._expand(pattern)))) if path.is_file()]
        if not any(map(is_picture, found)):
            raise DataError(f"no image matches {pattern}", hint="check the pattern")
        self.globs.append(pattern)
        fixed = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
        start = Path(*fixed)
        if output is not None and _absolute(start) in _absolute(output).parents:
            sketches = [p for p in found if not _absolute(p).is_relative_to(_absolute(output))]
            self.outputs += len(found) - len(sketches)
            found = sketches
        self._add_images(start, found)

    def found(self, *, is_one_file: bool) -> Found:
        """Return all files, and where each lies in the tree."""
        chosen = self.selection
        if not self.files:
            fault = f"no images found in {', '.join([*map(str, self.folders), *self.globs])}"
            if chosen.include or chosen.exclude or not chosen.is_recursive:
                raise DataError(fault, hint="check --include, --exclude and --no-recursive")
            raise file_kinds.no_images(fault, self.others, self.links)
        root = self._root()
        sketches = tuple(Sketch(path, at.relative_to(root)) for at, path in self.files.items())
        others = f"{self.others.total()} ({file_kinds.kinds(self.others)})"
        counts = {
            "skipped files without an image extension": self.others and others,
            "skipped links to folders": len(self.links),
            "skipped images in the output folder": self.outputs,
        }
        notes = tuple(f"{what}: {count}" for what, count in counts.items() if count)
        is_tree = bool(self.folders or self.globs) or chosen.root is not None
        return Found(sketches, tuple(self.folders), is_one_file and not is_tree, notes)

    def _walk(self, folder: str | Path, *, is_recursive: bool) -> Iterator[tuple[str, list[str]]]:
        """Yield the folders in and below one with their files; skip hidden ones and links."""
        for place, folders, names in os.walk(folder):
            visible = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in visible if Path(place, name).is_symlink()]
            self.links += (Path(place, name) for name in links)
            folders[:] = [name for name in visible if name not in links and is_recursive]
            yield place, names

    def _expand(self, pattern: str) -> Iterator[str]:
        """Expand a pattern; unlike that of Python, `**` leads through no links to folders."""
        parts = Path(pattern).parts
        if "**" not in parts:
            yield from glob.glob(pattern)  # noqa: PTH207
            return
        at = parts.index("**")
        for start in glob.glob(str(Path(*parts[:at]))):  # noqa: PTH207
            for place, _ in self._walk(start, is_recursive=True):
                within = Path(glob.escape(place), *(parts[at + 1 :] or "*"))
                yield from self._expand(str(within))

    def _add_images(self, start: Path, paths: Iterable[Path]) -> None:
        """Add the images that the patterns select."""
        self.starts.append(_absolute(start))
        include, exclude = self.selection.include, self.selection.exclude
        for path in paths:
            place = path.relative_to(start).as_posix()
            if not is_picture(path):
                if not path.name.startswith("."):
                    self.others[path.suffix.lower()] += 1
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
            raise DataError(f"{root} is {self.domain.a}", hint="choose a folder as --root")
        return root


def _matches(place: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches or is a path, or its name if the pattern has no slash."""
    name = place.rpartition("/")[2]
    tried = ((place if "/" in each else name, each) for each in patterns)
    return any(text == each or fnmatch.fnmatchcase(text, each) for text, each in tried)


def _exists(path: str | Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - unlike `Path.exists`, takes names of any length


def _absolute(path: Path) -> Path:
    """Remove dots but follow no links: the outputs' tree mirrors the paths as they are written."""
    return Path(os.path.abspath(path))  # noqa: PTH100
