"""The paper under a drawing: how light it is, and where a lamp or a shadow makes it uneven.

A photo of a sheet is a drawing times the light on it (Retinex: Land and McCann 1971). The light
changes slowly; it is fitted as a parabola over the lightest parts of the picture, where nothing is
drawn, and divided out.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Pixels

BLOCKS = 16  # a side, of which each says how light its lightest parts are
BLOCK = 8  # pixels a side
LIGHTEST = 90  # percentile of a block
ROUNDS = 12  # of fitting at most; by then the surface has settled
DRAWN = 0.02  # weight of a block below the surface: something is drawn there
TOLERANCE = 4.0  # grey levels that a block may lie below the surface and still be paper
DARKEST = 24.0  # no paper is darker: it would be enlarged noise


@dataclass(frozen=True)
class Paper:
    """The light on a sheet: `a + bx + cy + dx^2 + exy + fy^2`, x and y in [-1, 1].

    Args:
        terms: The six coefficients, in grey levels.
        level: Its mean over the sheet, 0-255.
        unevenness: From its darkest to its lightest part, as a share of the mean.
    """

    terms: tuple[float, ...]
    level: float
    unevenness: float

    @classmethod
    def even(cls, level: float) -> "Paper":
        """Paper that is equally light everywhere."""
        return cls((level, 0.0, 0.0, 0.0, 0.0, 0.0), level, 0.0)

    def surface(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """The light at every pixel, `(H, W)`."""
        return _surface(np.asarray(self.terms, np.float32), shape)


def find_paper(grey: Pixels) -> Paper:
    """The paper under a drawing `(H, W)` whose ground is light."""
    lightest, basis = _lightest(grey), _basis()
    weights = np.where(lightest >= np.median(lightest), 1.0, DRAWN)
    terms: NDArray[np.floating[Any]] = np.zeros(6)
    for _ in range(ROUNDS):
        weighted = basis * weights[:, None]
        terms = np.linalg.solve(weighted.T @ basis, weighted.T @ lightest)
        settled = np.where(lightest >= basis @ terms - TOLERANCE, 1.0, DRAWN)
        if np.array_equal(settled, weights):
            break
        weights = settled
    surface = _surface(terms.astype(np.float32), (BLOCKS, BLOCKS))
    level = float(surface.mean())
    return Paper(tuple(map(float, terms)), level, float(np.ptp(surface)) / level)


def on_even_paper(grey: Pixels, paper: Paper, level: float) -> Pixels:
    """A drawing `(H, W)` as if its paper were `level` light everywhere."""
    light = paper.surface((grey.shape[0], grey.shape[1]))
    scaled = grey * (np.float32(level) / light)
    evened: Pixels = np.rint(scaled).clip(0, 255).astype(np.uint8)
    return evened


def _lightest(grey: Pixels) -> NDArray[np.float64]:
    """How light each block's lightest parts are, row by row."""
    side, size = BLOCK * BLOCKS, BLOCK * BLOCK
    small = images.resize(grey, (side, side)).reshape(BLOCKS, BLOCK, BLOCKS, BLOCK)
    blocks = small.swapaxes(1, 2).reshape(-1, size)
    return np.percentile(blocks, LIGHTEST, axis=1)


@functools.cache
def _basis() -> NDArray[np.float64]:
    """Each block's `1, x, y, x^2, xy, y^2`."""
    y, x = (place.ravel() for place in np.mgrid[-1 : 1 : BLOCKS * 1j, -1 : 1 : BLOCKS * 1j])
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _surface(terms: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    a, b, c, d, e, f = terms
    down, along = a + y * (c + y * f), x * (b + x * d)
    light = down[:, None] + along + (e * y)[:, None] * x
    lit: NDArray[np.float32] = np.clip(light, DARKEST, 255.0)
    return lit
