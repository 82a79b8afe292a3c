"""A prepared dataset: `dataset.json` and two memory-mapped arrays per split.

dataset.json                 the description, all pairs, and the command that made the dataset
train-sketches.npy           the inputs: uint8 (N, H, W) if they are grey, (N, H, W, 3) if RGB
train-photos.npy             the targets, likewise; above 2 GB, train-photos-1.npy and so on follow
"""

import hashlib
import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import BinaryIO

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
    """Pairs in memory: uint8 `sketches` and `photos`, each (N, H, W) or (N, H, W, 3)."""

    sketches: Pixels
    photos: Pixels
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Rows:
    """A sequence of uint8 images `(N, ...)` in one or more memory-mapped arrays."""

    def __init__(self, shards: Sequence[Pixels]) -> None:
        self.shards = tuple(shards)
        self._ends = np.cumsum([len(shard) for shard in shards])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *shards[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> Pixels:
        position = range(len(self))[index]
        shard = int(np.searchsorted(self._ends, position, side="right"))
        picture: Pixels = self.shards[shard][position - self._ends[shard]]
        return picture

    def __iter__(self) -> Iterator[Pixels]:
        for shard in self.shards:
            yield from shard

    def take(self, indices: Sequence[int]) -> Pixels:
        """Load the images at some positions, `(len(indices), ...)`."""
        taken = np.array([self[index] for index in indices], np.uint8)
        return taken.reshape(len(indices), *self.shape[1:])


@dataclass(frozen=True)
class StoredSplit:
    """The pairs of one split on disk, with grey (H, W) or RGB (H, W, 3) images."""

    sketches: Rows
    photos: Rows
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> tuple[int, int]:
        """The height and width of the images."""
        height, width = self.photos.shape[1:3]
        return height, width

    def take(self, indices: Sequence[int]) -> Split:
        """Load the pairs at some positions."""
        height, width = self.size
        each = math.prod(self.sketches.shape[1:]) + math.prod(self.photos.shape[1:])
        if (needed := each * len(indices)) > LARGE:
            limits.check_memory(needed, f"{len(indices)} pairs of {width:,}x{height:,} pixels")
        ids = tuple(self.ids[index] for index in indices)
        return Split(self.sketches.take(indices), self.photos.take(indices), ids)

    def whole(self) -> Split:
        """Load all pairs."""
        return self.take(range(len(self)))

    @classmethod
    def of(cls, split: Split) -> "StoredSplit":
        """Wrap pairs in memory, so that they can be used like stored ones."""
        return cls(Rows([split.sketches]), Rows([split.photos]), split.ids)


@dataclass(frozen=True)
class PreparedSet:
    """A prepared dataset on disk."""

    folder: Path
    description: Description

    def split(self, name: str) -> StoredSplit:
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
        return StoredSplit(
            read_array(folder, f"{name}-sketches", row_shape=sketch, count=count),
            read_array(folder, f"{name}-photos", row_shape=photo, count=count),
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


# This section stores images of one shape in `.npy` shards, which are written image by image and
# mapped when read: `train-photos.npy`, `train-photos-1.npy`, `train-photos-2.npy`.

SHARD_BYTES = 2_000_000_000
_HEADER_BYTES = 128


def read_array(folder: Path, stem: str, *, row_shape: tuple[int, ...], count: int) -> Rows:
    """Map all shards of the array `stem`, which must hold `count` images of shape `row_shape`."""
    shards: list[Pixels] = []
    while not shards or sum(map(len, shards)) < count:
        path = _shard(folder, stem, len(shards))
        try:
            shards.append(_mapped(path, row_shape))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(f"{path} is damaged ({reason})", hint="run preprocess again") from error
    rows = Rows(shards)
    if len(rows) != count:
        fault = f"{path}: {stem} holds {len(rows)} images instead of {count}"
        raise DataError(fault, hint="run preprocess again")
    return rows


def _mapped(path: Path, row_shape: tuple[int, ...]) -> Pixels:
    """Map a shard; its length says how many images it must have been written with."""
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


def _shard(folder: Path, stem: str, number: int) -> Path:
    return folder / (f"{stem}-{number}.npy" if number else f"{stem}.npy")


class ShardedWriter:
    """A writer of images of one shape to the shards of an array `stem`.

    No shard exceeds `shard_bytes`, unless it holds a single image. A shard's length is known only
    at its end, so that its header is written last.
    """

    def __init__(self, folder: Path, stem: str, *, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.stem, self.shard_bytes = folder, stem, shard_bytes
        self.shards = 0
        self.shape: tuple[int, ...] = ()
        self._count = 0  # images in the current shard
        self._file: BinaryIO | None = None

    def append(self, pixels: Pixels) -> None:
        """Append an image, which must be uint8 and have the first one's shape."""
        self.shape = self.shape or pixels.shape
        if pixels.shape != self.shape or pixels.dtype != np.uint8:
            wrong = f"{pixels.dtype} {pixels.shape}"
            raise DataError(f"{self.folder / self.stem}: {wrong}, not uint8 {self.shape}")
        if (self._count + 1) * pixels.nbytes > self.shard_bytes:
            self.close()
        if self._file is None:
            self._file = _shard(self.folder, self.stem, self.shards).open("wb")
            self._file.write(b" " * _HEADER_BYTES)
            self.shards += 1
        self._file.write(np.ascontiguousarray(pixels).data)
        self._count += 1

    def close(self) -> None:
        """Write the header of the current shard, now that its length is known, and sync."""
        file, self._file = self._file, None
        if file is None:
            return
        header, self._count = _header((self._count, *self.shape)), 0
        with file:
            file.seek(0)
            file.write(header)
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
