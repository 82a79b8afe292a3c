"""A prepared set: `dataset.json` and, for each split, two arrays that are mapped, not loaded.

dataset.json                 what it is, pair by pair, and the command that made it
train-sketches.npy           uint8 (N, H, W)
train-photos.npy             uint8 (N, H, W, 3)
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from sketchcli import files
from sketchcli.data.splits import SPLITS
from sketchcli.errors import DataError
from sketchcli.images import Pixels

SCHEMA = 1
INDEX = "dataset.json"
_HEADER_BYTES = 128


@dataclass(frozen=True)
class Pair:
    """One pair of a prepared set."""

    id: str
    split: str
    sha256: str  # of the prepared pixels, sketch then photo
    sketch: str  # the files that it was made from
    photo: str


@dataclass(frozen=True)
class Description:
    """Everything about a prepared set but its pixels."""

    name: str
    size: tuple[int, int]  # height, width
    licence: str
    citation: str
    command: str
    pairing: str
    pairs: tuple[Pair, ...]
    left_out: dict[str, str]  # file -> why
    repeated: dict[str, str] = field(default_factory=dict)  # kept, but holds another's picture
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
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Split:
    """The pairs of one split: `sketches` uint8 (N, H, W), `photos` uint8 (N, H, W, 3)."""

    sketches: Pixels
    photos: Pixels
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: Sequence[int]) -> "Split":
        """Some of the pairs, in memory."""
        chosen = list(indices)
        ids = tuple(self.ids[i] for i in chosen)
        return Split(self.sketches[chosen], self.photos[chosen], ids)


@dataclass(frozen=True)
class PreparedSet:
    """A prepared set on disk."""

    folder: Path
    description: Description

    def split(self, name: str) -> Split:
        """Map the arrays of a split.

        Raises:
            DataError: The set has no such split, or its arrays are damaged.
        """
        pairs = [pair for pair in self.description.pairs if pair.split == name]
        if not pairs:
            has = ", ".join(self.description.counts)
            raise DataError(f"{self.folder}: no '{name}' split", hint=f"it has: {has}")
        shape = (len(pairs), *self.description.size)
        return Split(
            _map(self.folder / f"{name}-sketches.npy", shape),
            _map(self.folder / f"{name}-photos.npy", (*shape, 3)),
            tuple(pair.id for pair in pairs),
        )


def content_hash(sketch: Pixels, photo: Pixels) -> str:
    """SHA-256 of a pair's prepared pixels."""
    return hashlib.sha256(sketch.tobytes() + photo.tobytes()).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Whether `preprocess` made a folder, in this version or another."""
    try:
        about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
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
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{folder}: not a prepared set, or a damaged one",
            hint="make one: sketch2img preprocess",
        ) from error


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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        with self.file:
            self.file.seek(0)
            np.lib.format.write_array_header_1_0(self.file, header)
            if self.file.tell() != _HEADER_BYTES:
                raise DataError(f"{self.path}: pictures of {self.shape} do not fit the header")
            self.file.flush()
            os.fsync(self.file.fileno())


def write_index(folder: Path, description: Description) -> None:
    """Write `dataset.json`, the last file of a prepared set."""
    data = asdict(description) | {
        "counts": description.counts,
        "fingerprint": description.fingerprint,
    }
    files.write_json(folder / INDEX, data)


def _description(data: dict[str, Any]) -> Description:
    return Description(
        name=data["name"],
        size=(data["size"][0], data["size"][1]),
        licence=data["licence"],
        citation=data["citation"],
        command=data["command"],
        pairing=data["pairing"],
        pairs=tuple(Pair(**pair) for pair in data["pairs"]),
        left_out=data["left_out"],
        repeated=data["repeated"],
    )


def _map(path: Path, shape: tuple[int, ...]) -> Pixels:
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error})", hint="run preprocess again") from error
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise DataError(f"{path}: holds {pixels.shape}, not {shape}", hint="run preprocess again")
    return pixels
