"""A prepared set: `dataset.json` and, for each split, two arrays that are mapped, not loaded.

dataset.json                 what it is, pair by pair, and the command that made it
train-sketches.npy           uint8 (N, H, W)
train-photos.npy             uint8 (N, H, W, 3); past 2 GB train-photos-1.npy and so on follow
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from sketchcli import files
from sketchcli.data.splits import SPLITS, TRAIN, VAL, uniform_hash
from sketchcli.errors import DataError
from sketchcli.images import Pixels

SCHEMA = 2
INDEX = "dataset.json"
MARK = 16  # hex digits of a picture's hash that tell it from others


@dataclass(frozen=True)
class Pair:
    """One pair of a prepared set."""

    id: str
    split: str
    sha256: str  # `pair_hash` of the prepared pictures
    sketch: str  # the files that it was made from; no sketch where it was drawn
    photo: str
    style: str = ""  # that the sketch was drawn in


@dataclass(frozen=True)
class Description:
    """Everything about a prepared set but its pixels."""

    name: str
    size: tuple[int, int]  # height, width
    fit: str  # how pictures of another shape became one of this size
    align: str  # none | face | loose
    licence: str
    notice: str  # what had to be accepted; the data of a research-only set says so
    citation: str
    command: str
    pairing: str
    pairs: tuple[Pair, ...]
    left_out: dict[str, str]  # file -> why
    repeated: dict[str, str] = field(default_factory=dict)  # kept, but holds another's picture
    unaligned: dict[str, str] = field(default_factory=dict)  # kept, but no face was found
    findings: dict[str, int] = field(default_factory=dict)  # of the pair audit, by kind
    recipe: str = ""  # a hash of how, and from which files, it was made
    schema: int = SCHEMA

    @property
    def counts(self) -> dict[str, int]:
        """Pairs in each split that has any."""
        counts = {split: sum(p.split == split for p in self.pairs) for split in SPLITS}
        return {split: count for split, count in counts.items() if count}

    @property
    def fingerprint(self) -> str:
        """A hash of all pairs' names, pixels and splits: all that a training run depends on."""
        lines = sorted(f"{p.split} {p.id} {p.sha256}" for p in self.pairs)
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Split:
    """Pairs in memory: `sketches` uint8 (N, H, W), `photos` uint8 (N, H, W, 3)."""

    sketches: Pixels
    photos: Pixels
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


class Rows:
    """Pictures `(N, ...)` uint8 in one or more mapped arrays, read by their position."""

    def __init__(self, shards: Sequence[Pixels]) -> None:
        self.shards = tuple(shards)
        self._ends = np.cumsum([len(shard) for shard in shards])
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *shards[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> Pixels:
        """One picture, mapped."""
        position = range(len(self))[index]
        shard = int(np.searchsorted(self._ends, position, side="right"))
        picture: Pixels = self.shards[shard][position - self._ends[shard]]
        return picture

    def __iter__(self) -> Iterator[Pixels]:
        for shard in self.shards:
            yield from shard

    def take(self, indices: Sequence[int]) -> Pixels:
        """Some of the pictures, `(len(indices), ...)`, in memory."""
        taken = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for row, index in enumerate(indices):
            taken[row] = self[index]
        return taken


@dataclass(frozen=True)
class StoredSplit:
    """The pairs of one split on disk: rows of (H, W) and of (H, W, 3)."""

    sketches: Rows
    photos: Rows
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        height, width = self.photos.shape[1:3]
        return height, width

    def take(self, indices: Sequence[int]) -> Split:
        """Some of the pairs, in memory."""
        ids = tuple(self.ids[index] for index in indices)
        return Split(self.sketches.take(indices), self.photos.take(indices), ids)

    def whole(self) -> Split:
        """All pairs, in memory."""
        return self.take(range(len(self)))

    @classmethod
    def of(cls, split: Split) -> "StoredSplit":
        """Pairs in memory, as if they were on disk."""
        return cls(Rows([split.sketches]), Rows([split.photos]), split.ids)


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set on disk."""

    folder: Path
    description: Description

    def split(self, name: str) -> StoredSplit:
        """Map the arrays of a split.

        Raises:
            DataError: The set has no such split, or its arrays are damaged.
        """
        pairs = [pair for pair in self.description.pairs if pair.split == name]
        if not pairs:
            has = ", ".join(self.description.counts)
            raise DataError(f"{self.folder}: no '{name}' split", hint=f"it has: {has}")
        height, width = self.description.size
        count, folder = len(pairs), self.folder
        return StoredSplit(
            read_array(folder, f"{name}-sketches", row_shape=(height, width), count=count),
            read_array(folder, f"{name}-photos", row_shape=(height, width, 3), count=count),
            tuple(pair.id for pair in pairs),
        )


def picture_hash(pixels: Pixels) -> str:
    """SHA-256 of a prepared picture, sketch (H, W) or photo (H, W, 3)."""
    return hashlib.sha256(str(pixels.ndim).encode() + pixels.tobytes()).hexdigest()


def photo_hashes(photos: Iterable[Pixels]) -> str:
    """The first 16 hex digits of each photo's hash, in one string: who was trained on what."""
    return "".join(picture_hash(photo)[:MARK] for photo in photos)


def marked(marks: str) -> set[str]:
    """The marks of a string of them.

    >>> sorted(marked("0123456789abcdef" + "f" * 16))
    ['0123456789abcdef', 'ffffffffffffffff']
    """
    return {marks[start : start + MARK] for start in range(0, len(marks), MARK)}


def pair_hash(sketch: str, photo: str) -> str:
    """SHA-256 of a pair, from the hashes of its two pictures."""
    return hashlib.sha256((sketch + photo).encode()).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Whether `preprocess` made a folder, in this version or another."""
    try:
        about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(about, dict) and {"schema", "fingerprint"} <= about.keys()


def read(folder: Path) -> PreparedSet:
    """Open a prepared set.

    Raises:
        DataError: The folder holds none, or one of another version.
    """
    try:
        data = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        schema = data["schema"]
        if schema != SCHEMA:
            raise DataError(
                f"{folder}: made by another version (schema {schema}, this one reads {SCHEMA})",
                hint="run preprocess again",
            )
        return PreparedSet(folder, _description(data))
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(
            f"{folder}: not a prepared set, or a damaged one",
            hint="make one: sketch2img preprocess",
        ) from error


def write_index(folder: Path, description: Description) -> None:
    """Write `dataset.json`, the last file of a prepared set."""
    data = asdict(description) | {
        "counts": description.counts,
        "fingerprint": description.fingerprint,
    }
    files.write_json(folder / INDEX, data)


def _description(data: dict[str, Any]) -> Description:
    names = {f.name for f in fields(Description)}
    about = {name: value for name, value in data.items() if name in names}
    pairs = tuple(Pair(**pair) for pair in data["pairs"])
    height, width = data["size"]
    return Description(**about | {"size": (height, width), "pairs": pairs})


# Pictures of one shape in `.npy` files: written one by one, mapped when read, never all in memory.
#
# A long array is cut into shards: `train-photos.npy`, `train-photos-1.npy`, `train-photos-2.npy`.

SHARD_BYTES = 2_000_000_000
_HEADER_BYTES = 128


def read_array(folder: Path, stem: str, *, row_shape: tuple[int, ...], count: int) -> Rows:
    """Map all shards of an array.

    Args:
        folder: Where they are.
        stem: The array's name, without number and suffix.
        row_shape: Shape of one picture.
        count: How many there must be.

    Raises:
        DataError: A shard is missing, damaged, or of another shape.
    """
    shards: list[Pixels] = []
    while not shards or sum(map(len, shards)) < count:
        shards.append(_map(_shard(folder, stem, len(shards)), row_shape))
    rows = Rows(shards)
    if len(rows) != count:
        path = _shard(folder, stem, len(shards) - 1)
        fault = f"{path}: {stem} holds {len(rows)} pictures, not {count}"
        raise DataError(fault, hint="run preprocess again")
    return rows


def _shard(folder: Path, stem: str, number: int) -> Path:
    return folder / (f"{stem}-{number}.npy" if number else f"{stem}.npy")


def _map(path: Path, row_shape: tuple[int, ...]) -> Pixels:
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error})", hint="run preprocess again") from error
    if pixels.shape[1:] != row_shape or pixels.dtype != np.uint8 or not len(pixels):
        fault = f"{path}: holds {pixels.dtype} {pixels.shape}, not pictures of {row_shape}"
        raise DataError(fault, hint="run preprocess again")
    return pixels


class ArrayWriter:
    """Append pictures of one shape to a .npy file whose length is known only at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.shape: tuple[int, ...] = ()
        self.file = path.open("wb")
        self.file.write(b" " * _HEADER_BYTES)

    def append(self, pixels: Pixels) -> None:
        """Write one picture.

        Raises:
            DataError: It is not uint8, or not of the first one's shape.
        """
        self.shape = self.shape or pixels.shape
        if pixels.shape != self.shape or pixels.dtype != np.uint8:
            raise DataError(f"{self.path}: {pixels.dtype} {pixels.shape}, not uint8 {self.shape}")
        self.file.write(np.ascontiguousarray(pixels).data)
        self.count += 1

    def close(self) -> None:
        """Write the header, now that the length is known, and sync."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        with self.file:
            self.file.seek(0)
            np.lib.format.write_array_header_1_0(self.file, header)
            if self.file.tell() != _HEADER_BYTES:
                raise DataError(f"{self.path}: pictures of {self.shape} do not fit the header")
            self.file.flush()
            os.fsync(self.file.fileno())


class ShardedWriter:
    """Append pictures of one shape to an array; a new shard begins where one would be too long.

    Args:
        folder: Where the shards go.
        stem: The array's name, without number and suffix.
        shard_bytes: No shard is longer, but for one that holds a single picture.
    """

    def __init__(self, folder: Path, stem: str, *, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.stem, self.shard_bytes = folder, stem, shard_bytes
        self.shards = 0
        self.writer: ArrayWriter | None = None

    def append(self, pixels: Pixels) -> None:
        """Write one picture.

        Raises:
            DataError: It is not uint8, or not of the first one's shape.
        """
        if self.writer and (self.writer.count + 1) * pixels.nbytes > self.shard_bytes:
            self.writer.close()
            self.writer = None
        if self.writer is None:
            self.writer = ArrayWriter(_shard(self.folder, self.stem, self.shards))
            self.shards += 1
        self.writer.append(pixels)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writer:
            self.writer.close()


# Which pairs are trained on, and which are only looked at.

MOST = 32  # pairs that are looked at
FEWEST = 4  # where none can be held out


@dataclass(frozen=True)
class Division:
    """The pairs of `train` to train on, and a few to look at."""

    trained: list[int]  # positions in the `train` split
    looked_at: Split
    is_held_out: bool  # whether those are never trained on


def hold_out(dataset: PreparedSet, count: int, *, seed: int) -> Division:
    """Divide a prepared set for a training run.

    A set's own `val` split is looked at. One without it lends pairs of its `train` split: the first
    by seeded hash, at most a quarter of it. With none to spare, training pairs are looked at.

    Args:
        dataset: The prepared set.
        count: Pairs to hold out where there is no `val` split.
        seed: Another seed holds out others.

    Raises:
        DataError: The set has no `train` split.
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
