"""A prepared dataset: `dataset.json` and two memory-mapped arrays per split.

dataset.json                 the description, all pairs, and the command that made the dataset
train-sketches.npy           the inputs: uint8 (N, H, W) if they are grey, (N, H, W, 3) if RGB
train-photos.npy             the targets, likewise
"""

import hashlib
import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from sketchcli import files, images, limits
from sketchcli.config import SKETCH_TO_PHOTO, Domains, domains_from_dict
from sketchcli.data.splits import SPLITS, TRAIN, VAL, uniform_hash
from sketchcli.errors import DataError
from sketchcli.images import Pixels

SCHEMA = 3
READ = (2, 3)  # schemas that this version reads; 3 added the domains
INDEX = "dataset.json"
LARGE = 2**28  # bytes up to which no bound is looked up
LONGEST_SIDE = 2**16  # pixels of an image's height or width, exclusive
MARK = 16  # hex digits of an image's hash that identify it


@dataclass(frozen=True)
class Pair:
    """One pair of a prepared dataset, with the files that it was made from.

    As in all code, `sketch` is the input and `photo` the target, whatever they show.
    """

    id: str
    split: str
    sha256: str  # `pair_hash` of the prepared images
    sketch: str  # empty if it was drawn from the photo
    photo: str  # empty if it was drawn from the input
    style: str = ""  # style of a drawn sketch

    @property
    def files(self) -> tuple[str, ...]:
        """Sketch and photo, or one file if it holds both or the sketch was drawn from it."""
        return tuple(dict.fromkeys(filter(None, (self.sketch, self.photo))))


@dataclass(frozen=True)
class Description:
    """Everything about a prepared dataset except its pixels."""

    name: str
    size: tuple[int, int]  # height, width
    fit: str  # how images of other shapes were brought to this size
    align: str  # none | face | loose
    licence: str
    notice: str  # terms that had to be accepted, such as research use only
    citation: str
    command: str
    pairing: str
    pairs: tuple[Pair, ...]
    left_out: dict[str, str]  # file -> why
    repeated: dict[str, str] = field(default_factory=dict)  # kept, but identical to another file
    unaligned: dict[str, str] = field(default_factory=dict)  # kept, but e.g. no face was detected
    findings: dict[str, int] = field(default_factory=dict)  # number of audit findings per kind
    domains: Domains = SKETCH_TO_PHOTO  # what its inputs and targets are
    schema: int = SCHEMA

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs in each non-empty split."""
        counts = {split: sum(p.split == split for p in self.pairs) for split in SPLITS}
        return {split: count for split, count in counts.items() if count}

    @property
    def fingerprint(self) -> str:
        """A hash of all pairs' names, pixels and splits, which are all that a run depends on."""
        lines = sorted(f"{p.split} {p.id} {p.sha256}" for p in self.pairs)
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Split:
    """Pairs in memory, or mapped from disk."""

    sketches: Pixels  # uint8 (N, H, W) or (N, H, W, 3)
    photos: Pixels  # likewise
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the images."""
        height, width = self.photos.shape[1:3]
        return height, width

    def take(self, indices: Sequence[int]) -> "Split":
        """Load the pairs at some positions."""
        height, width = self.size
        each = math.prod(self.sketches.shape[1:]) + math.prod(self.photos.shape[1:])
        if (needed := each * len(indices)) > LARGE:
            limits.check_memory(needed, f"{len(indices)} pairs of {width:,}x{height:,} pixels")
        ids = tuple(self.ids[index] for index in indices)
        return Split(self.sketches[indices], self.photos[indices], ids)

    def whole(self) -> "Split":
        """Load all pairs."""
        return self.take(range(len(self)))


@dataclass(frozen=True)
class PreparedSet:
    """A prepared dataset on disk."""

    folder: Path
    description: Description

    def split(self, name: str) -> Split:
        """Map the arrays of a split, which must exist."""
        pairs = [pair for pair in self.description.pairs if pair.split == name]
        if not pairs:
            has = ", ".join(self.description.counts) or "nothing"
            hint = "run preprocess again with smaller --val and --test, and --overwrite"
            if name != TRAIN:
                again = f"run preprocess again with --{name} 0.2 --overwrite"
                hint = f"add --split {next(iter(self.description.counts), TRAIN)}, or {again}"
            raise DataError(f"{self.folder} has no '{name}' split, only: {has}", hint=hint)
        about, count, folder = self.description, len(pairs), self.folder
        sketch, photo = (
            (*about.size, 3) if channels == 3 else about.size for channels in about.domains.channels
        )
        return Split(
            read_array(folder / f"{name}-sketches.npy", row_shape=sketch, count=count),
            read_array(folder / f"{name}-photos.npy", row_shape=photo, count=count),
            tuple(pair.id for pair in pairs),
        )


def picture_hash(pixels: Pixels) -> str:
    """Return the SHA-256 of a prepared image, grey (H, W) or RGB (H, W, 3)."""
    return hashlib.sha256(str(pixels.ndim).encode() + pixels.tobytes()).hexdigest()


def pair_marks(
    sketches: Iterable[Pixels], photos: Iterable[Pixels], domains: Domains
) -> Iterator[str]:
    """Yield MARK hex digits that identify each pair, to record training pairs.

    They are those of the photo's hash as RGB or, if photos may be plain, of both images' hashes.
    """
    for sketch, photo in zip(sketches, photos, strict=True):
        found = picture_hash(images.to_rgb(photo))
        if domains.target.may_be_plain:
            found = pair_hash(picture_hash(sketch), found)
        yield found[:MARK]


def marked(marks: str) -> set[str]:
    """Return the set of marks in a string of joined `pair_marks`.

    >>> sorted(marked("0123456789abcdef" + "f" * 16))
    ['0123456789abcdef', 'ffffffffffffffff']
    """
    return {marks[start : start + MARK] for start in range(0, len(marks), MARK)}


def pair_hash(sketch: str, photo: str) -> str:
    """Return the SHA-256 of a pair, computed from the hashes of its two images."""
    return hashlib.sha256((sketch + photo).encode()).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Return whether any version of `preprocess` made a folder."""
    try:
        about = limits.read_json(folder / INDEX)
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and {"schema", "fingerprint"} <= about.keys()


def read(folder: Path) -> PreparedSet:
    """Open a prepared dataset of this version's schema."""
    try:
        data = limits.read_json(folder / INDEX)
        schema = data["schema"]
        if schema not in READ:
            raise DataError(
                f"{folder} has schema {schema}, but this version of sketch2img reads 2 and 3",
                hint="run preprocess again",
            )
        about = {f.name: data[f.name] for f in fields(Description) if f.name in data}
        height, width = data["size"]
        about |= {"size": (height, width), "pairs": tuple(Pair(**pair) for pair in data["pairs"])}
        about["domains"] = domains_from_dict(data.get("domains"))
        description = Description(**about)
        _check(description)
        return PreparedSet(folder, description)
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"{folder} is not a prepared dataset, or is damaged ({INDEX}: {reason})",
            hint="prepare a dataset with: sketch2img preprocess",
        ) from error


def _check(about: Description) -> None:
    """Raise a ValueError if a value is not of its field's type, or is out of range."""
    for item in fields(about):
        is_checked_below = item.name in {"pairs", "size", "domains"}
        if not is_checked_below and not limits.fits(getattr(about, item.name), item.type):
            raise ValueError(f"'{item.name}' has a value of another type")
    if not all(type(text) is str for pair in about.pairs for text in vars(pair).values()):
        raise ValueError("'pairs' has a value of another type")
    if not all(type(side) is int and 0 < side < LONGEST_SIDE for side in about.size):
        raise ValueError("'size' is out of range")
    "".join(pair.id for pair in about.pairs).encode(errors="surrogateescape")  # a file's name


def write_index(folder: Path, description: Description) -> None:
    """Write `dataset.json`, the last file of a prepared dataset."""
    more = {"counts": description.counts, "fingerprint": description.fingerprint}
    files.write_json(folder / INDEX, asdict(description) | more)


# This section stores images of one shape in an array, which is written image by image and mapped
# when it is read.

_HEADER_BYTES = 128


def read_array(path: Path, *, row_shape: tuple[int, ...], count: int) -> Pixels:
    """Map an array, which must hold `count` images of shape `row_shape`."""
    try:
        array = _mapped(path, row_shape)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} is damaged ({reason})", hint="run preprocess again") from error
    if len(array) != count:
        fault = f"{path} holds {len(array)} images instead of {count}"
        hint = (
            "run preprocess again; pieces of a large split, as earlier versions made, are not read"
        )
        raise DataError(fault, hint=hint)
    return array


def _mapped(path: Path, row_shape: tuple[int, ...]) -> Pixels:
    """Map a file; its length says how many images it must have been written with."""
    with files.open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size - _HEADER_BYTES
        count, rest = divmod(size, math.prod(row_shape))
        if count <= 0 or rest or file.read(_HEADER_BYTES) != _header((count, *row_shape)):
            raise ValueError(f"its header and its length are not those of uint8 images {row_shape}")
        return np.memmap(file, np.uint8, "r", _HEADER_BYTES, (count, *row_shape))


def _header(shape: tuple[int, ...]) -> bytes:
    """Return what NumPy writes before a uint8 array of this shape."""
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


class ArrayWriter:
    """A writer of an array of images; its length, and so its header, is known at its end."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path.open("wb")
        self.shape: tuple[int, ...] = ()
        self.count = 0
        self.file.write(b" " * _HEADER_BYTES)

    def append(self, pixels: Pixels) -> None:
        """Append an image, which must be uint8 and have the first one's shape."""
        self.shape = self.shape or pixels.shape
        if pixels.shape != self.shape or pixels.dtype != np.uint8:
            raise DataError(f"{self.path}: {pixels.dtype} {pixels.shape}, not uint8 {self.shape}")
        self.file.write(np.ascontiguousarray(pixels).data)
        self.count += 1

    def close(self) -> None:
        """Write the header and sync."""
        with self.file as file:
            file.seek(0)
            file.write(_header((self.count, *self.shape)))
            file.flush()
            os.fsync(file.fileno())


# This section divides the pairs into those to train on and those to validate on.

MOST = 32  # pairs to validate on, at most
FEWEST = 4  # training pairs to validate on if none can be held out


@dataclass(frozen=True)
class Division:
    """The pairs to train on, and a few to validate on."""

    trained: list[int]  # positions in the `train` split
    looked_at: Split
    is_held_out: bool  # whether `looked_at` is never trained on


def hold_out(dataset: PreparedSet, count: int, *, seed: int) -> Division:
    """Divide a prepared dataset for a run.

    The run validates on the `val` split. If there is none, `count` pairs of the `train` split are
    held out, at most a quarter: the first by seeded hash. If the split is too small to spare any,
    the run validates on training pairs. A dataset without a `train` split raises a DataError.
    """
    training = dataset.split(TRAIN)
    everything = list(range(len(training)))
    if VAL in dataset.description.counts:
        validation = dataset.split(VAL)
        few = validation.take(range(min(len(validation), MOST)))
        return Division(everything, few, is_held_out=True)
    count = min(count, len(training) // 4)
    order = sorted(everything, key=lambda index: uniform_hash(training.ids[index], seed))
    looked_at = training.take(order[: min(count, MOST) or FEWEST])
    return Division(sorted(order[count:]), looked_at, is_held_out=count > 0)
