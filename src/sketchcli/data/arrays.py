"""Pictures of one shape in `.npy` files: written one by one, mapped when read, never all in memory.

A long array is cut into shards: `train-photos.npy`, `train-photos-1.npy`, `train-photos-2.npy`.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sketchcli.errors import DataError
from sketchcli.images import Pixels

SHARD_BYTES = 2_000_000_000
_HEADER_BYTES = 128


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


def read(folder: Path, stem: str, *, row_shape: tuple[int, ...], count: int) -> Rows:
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
