"""Large sketches in overlapping tiles, blended so that no seam is left."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels

OVERLAP = 0.5  # of a tile: every place lies well inside one tile at least


@dataclass(frozen=True)
class Tiled:
    """A sketch at its own size, in tiles of the model's size.

    Each tile's photo counts by a weight that falls off as a raised cosine from its middle to its
    edges, where another tile's middle is.

    Args:
        size: The model's height and width.
        shape: The sketch's height and width.
    """

    size: tuple[int, int]
    shape: tuple[int, int]

    def cut(self, sketch: Pixels) -> Pixels:
        """The tiles; a sketch smaller than one lies on white."""
        height, width = self.size
        sheet = np.full(self._sheet, 255, np.uint8)
        sheet[: self.shape[0], : self.shape[1]] = sketch
        return np.stack([sheet[y : y + height, x : x + width] for y, x in self._corners()])

    def join(self, photos: Pixels) -> Pixels:
        """The photos of the tiles, blended."""
        height, width = self.size
        weight = np.outer(_hill(height), _hill(width))[:, :, None]
        total = np.zeros((*self._sheet, 1), np.float32)
        blend = np.zeros((*self._sheet, 3), np.float32)
        for photo, (y, x) in zip(photos, self._corners(), strict=True):
            place = (slice(y, y + height), slice(x, x + width))
            blend[place] += photo * weight
            total[place] += weight
        blend /= total  # in place: a large sketch's photo is large
        joined: Pixels = np.rint(blend, out=blend).astype(np.uint8)
        return np.ascontiguousarray(joined[: self.shape[0], : self.shape[1]])

    @property
    def _sheet(self) -> tuple[int, int]:
        return max(self.size[0], self.shape[0]), max(self.size[1], self.shape[1])

    def _corners(self) -> list[tuple[int, int]]:
        tall, wide = self._sheet
        return list(itertools.product(_starts(tall, self.size[0]), _starts(wide, self.size[1])))


def _starts(side: int, tile: int) -> list[int]:
    """Where tiles begin along a side: evenly, from its beginning to its end.

    >>> _starts(128, 128), _starts(300, 128)
    ([0], [0, 57, 115, 172])
    """
    count = 1 + int(np.ceil((side - tile) / (tile * (1 - OVERLAP))))
    return [round(start) for start in np.linspace(0, side - tile, count).tolist()]


def _hill(length: int) -> NDArray[np.float32]:
    """A raised cosine over a side, nowhere zero."""
    place = (np.arange(length) + 0.5) / length
    return (0.5 - 0.5 * np.cos(2 * np.pi * place) + 1e-4).astype(np.float32)
