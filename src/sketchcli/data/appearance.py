"""Statistics of the appearance of training sketches, which are stored in the weights.

`generate` compares each sketch with them: it evens out unusual paper, inverts white-on-black
sketches, and warns if a sketch is unlike all training sketches.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.errors import CheckpointError
from sketchcli.images import Pixels

MOST_LOOKED_AT = 256  # sketches of a dataset that are measured
DARK = 80.0  # luma; a sketch is on dark paper if the medians of border and whole are below
INKED = 0.7  # fraction of the paper's level; darker pixels count as drawn
MARGIN = 0.5  # tolerance beyond the range of the training sketches, as a fraction of that range


Measures = dict[str, float]  # by the keys of _LEAST_MARGINS
_LEAST_MARGINS = {
    "paper": 8.0,  # mean level of the paper, 0-255
    "unevenness": 0.05,  # range of the light on the paper, as a fraction of its mean level
    "lightness": 12.0,  # mean luma, 0-255
    "ink": 0.05,  # fraction of pixels that are clearly darker than the paper
    "edges": 2.0,  # mean difference of neighbouring pixels, in grey levels
}
_WORDS = {
    "lightness": ("darker", "lighter"),
    "ink": ("much less densely drawn", "much more densely drawn"),
    "edges": ("smoother", "busier"),
}


@dataclass(frozen=True)
class SketchStats:
    """Ranges of the measures over a dataset's sketches."""

    ranges: dict[str, tuple[float, float, float]]  # measure -> 1st percentile, median, 99th
    is_dark: bool = False  # whether the sketches are light on dark

    @property
    def paper(self) -> float:
        """The median level of the paper."""
        return self.ranges["paper"][1]

    def is_usual(self, name: str, value: float) -> bool:
        """Return whether a measure lies in or near the range of the training sketches."""
        return self._side(name, value) == 0

    def describe_differences(self, measures: Measures) -> str:
        """Describe how a sketch differs from all training sketches; empty if it does not."""
        sides = {name: self._side(name, measures[name]) for name in _WORDS}
        return ", ".join(_WORDS[name][side > 0] for name, side in sides.items() if side)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"is_dark": self.is_dark, "ranges": {n: list(r) for n, r in self.ranges.items()}}

    def _side(self, name: str, value: float) -> int:
        low, _, high = self.ranges[name]
        margin = max(MARGIN * (high - low), _LEAST_MARGINS[name])
        return int(value > high + margin) - int(value < low - margin)


@dataclass(frozen=True)
class Paper:
    """The light on a sheet, `a + bx + cy + dx^2 + exy + fy^2` with x and y in [-1, 1]."""

    terms: tuple[float, ...]  # the six coefficients, in grey levels
    level: float  # mean over the sheet, 0-255
    unevenness: float  # range from darkest to lightest part, as a fraction of the mean

    @classmethod
    def even(cls, level: float) -> "Paper":
        """Return paper that is equally light everywhere."""
        return cls((level, 0.0, 0.0, 0.0, 0.0, 0.0), level, 0.0)

    def surface(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the light at every pixel, `(H, W)`."""
        return _surface(np.asarray(self.terms, np.float32), shape)


def measure(sketch: Pixels, paper: Paper | None = None) -> Measures:
    """Return the measures of a sketch `(H, W)` on light paper, which is estimated if not given."""
    paper = paper or find_paper(sketch)
    values = sketch.astype(np.float32)
    steps = [np.abs(np.diff(values, axis=axis)) for axis in (0, 1) if sketch.shape[axis] > 1]
    return {
        "paper": paper.level,
        "unevenness": paper.unevenness,
        "lightness": float(values.mean()),
        "ink": float((values < INKED * paper.level).mean()),
        "edges": float(np.mean([step.mean() for step in steps])) if steps else 0.0,
    }


def is_on_dark(sketch: Pixels) -> bool:
    """Return whether a sketch `(H, W)` is light on dark: most of it and of its border are dark."""
    border = np.concatenate([sketch[0], sketch[-1], sketch[:, 0], sketch[:, -1]])
    return bool(np.median(border) < DARK and np.median(sketch) < DARK)


def spread(rows: Sequence[int]) -> Sequence[int]:
    """Return at most `MOST_LOOKED_AT` of the rows, evenly spaced."""
    return rows[:: max(1, math.ceil(len(rows) / MOST_LOOKED_AT))]


def look(sketches: Iterable[Pixels]) -> SketchStats:
    """Return the statistics of sketches `(H, W)`."""
    some = list(sketches)
    is_dark = sum(map(is_on_dark, some)) > len(some) / 2
    measured = [measure(255 - s if is_dark else s) for s in some]
    ranges = {}
    for name in _LEAST_MARGINS:
        low, middle, high = np.percentile([m[name] for m in measured], (1, 50, 99)).round(4)
        ranges[name] = (float(low), float(middle), float(high))
    return SketchStats(ranges, is_dark)


def from_dict(values: Mapping[str, Any] | None) -> SketchStats | None:
    """Restore what `to_dict` returned; None if the weights do not contain it."""
    if values is None:
        return None
    try:
        ranges = {
            str(n): (float(a), float(b), float(c)) for n, (a, b, c) in values["ranges"].items()
        }
        if ranges.keys() == _LEAST_MARGINS.keys() and np.isfinite([*ranges.values()]).all():
            return SketchStats(ranges, bool(values["is_dark"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise CheckpointError("the description of the training sketches in the weights is damaged")


# This section estimates the level of the paper under a sketch, and evens out lamps and shadows.
# A photo of a sheet is a sketch times the light on it (Retinex: Land and McCann 1971). The light
# changes slowly; it is fitted as a parabola over the lightest parts of the image, where nothing is
# drawn, and divided out.

BLOCKS = 16  # blocks per side
BLOCK = 8  # pixels per side of a block
LIGHTEST = 90  # percentile of a block's pixels that counts as its paper
ROUNDS = 12  # fitting rounds at most; the surface has settled by then
DRAWN = 0.02  # weight of a block that is darker than the surface, as something is drawn there
TOLERANCE = 4.0  # grey levels by which a block of paper may be darker than the surface
DARKEST = 24.0  # grey level of the darkest paper; below, noise would be amplified


def find_paper(grey: Pixels) -> Paper:
    """Estimate the paper under a sketch `(H, W)` whose ground is light."""
    side, size = BLOCK * BLOCKS, BLOCK * BLOCK
    small = images.resize(grey, (side, side)).reshape(BLOCKS, BLOCK, BLOCKS, BLOCK)
    blocks = small.swapaxes(1, 2).reshape(-1, size)
    lightest = np.percentile(blocks, LIGHTEST, axis=1)  # of each block, row by row
    y, x = (place.ravel() for place in np.mgrid[-1 : 1 : BLOCKS * 1j, -1 : 1 : BLOCKS * 1j])
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)  # as in `Paper`
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
    """Return a sketch `(H, W)` as if its paper had the given level everywhere."""
    scaled = grey * (np.float32(level) / paper.surface(grey.shape))
    evened: Pixels = np.rint(scaled).clip(0, 255).astype(np.uint8)
    return evened


def _surface(terms: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    a, b, c, d, e, f = terms
    down, along = a + y * (c + y * f), x * (b + x * d)
    light = down[:, None] + along + (e * y)[:, None] * x
    lit: NDArray[np.float32] = np.clip(light, DARKEST, 255.0)
    return lit
