"""A prepared set: `dataset.json` and, for each split, two arrays that are mapped, not loaded.

dataset.json                 what it is, pair by pair, and the command that made it
train-sketches.npy           uint8 (N, H, W)
train-photos.npy             uint8 (N, H, W, 3); past 2 GB train-photos-1.npy and so on follow
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sketchcli import files
from sketchcli.data import arrays
from sketchcli.data.arrays import Rows
from sketchcli.data.splits import SPLITS
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
            arrays.read(folder, f"{name}-sketches", row_shape=(height, width), count=count),
            arrays.read(folder, f"{name}-photos", row_shape=(height, width, 3), count=count),
            tuple(pair.id for pair in pairs),
        )


def picture_hash(pixels: Pixels) -> str:
    """SHA-256 of a prepared picture, sketch (H, W) or photo (H, W, 3)."""
    return hashlib.sha256(str(pixels.ndim).encode() + pixels.tobytes()).hexdigest()


def marks_of(photos: Iterable[Pixels]) -> str:
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
