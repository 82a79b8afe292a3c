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
from sketchcli.images.opencv import cv2

MOST_LOOKED_AT = 256  # sketches of a dataset that are measured
DARK = 80.0  # luma; an image whose median is darker is dark
LOOKED_AT = 256  # longer side at which the ground and the strokes are told apart, pixels
MIDDLE = 128.0  # luma; the median of a sketch on dark ground is below
COLOURED = 0.25  # colourfulness of coloured images; blackboards and tinted paper have up to 0.2
SMALL = 96  # longer side of images whose strokes cannot be told, pixels
STROKE = 5  # width of the widest strokes, pixels
STROKES = 0.08  # fraction of the light that is in strokes, in drawings; in most photos it is less
GROUND = 10  # percentile of the pixels that counts as the ground
EVEN, MOSTLY, BLURRED = 20, 0.97, 2  # a frame: levels, fraction of a line, its edge in pixels
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

    def surface(self, shape: tuple[int, ...], rows: slice = slice(None)) -> NDArray[np.float32]:
        """Return the light at every pixel of some rows of an image `(H, W)`; by default, all."""
        return _surface(np.asarray(self.terms, np.float32), shape, rows)


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
    """Return whether an image, RGB or grey `(H, W)`, is a drawing in light strokes on dark ground.

    It is judged by what is on the page, without a frame around it. Photographs of dark scenes have
    few strokes, and coloured images are not drawings.
    """
    longer = max(sketch.shape[:2])
    if longer > LOOKED_AT:
        sketch = images.resize(sketch, images.inner_size(sketch.shape, (LOOKED_AT, LOOKED_AT)))
    grey = images.luma(sketch)
    place = _page(grey)
    page, grey = sketch[place], grey[place]
    is_dark = np.median(grey) < MIDDLE
    if not is_dark or (page.ndim == 3 and _colourfulness(page) > COLOURED):
        return False
    if longer < SMALL:  # too coarse to tell strokes
        return bool(np.median(images.luma(sketch)) < DARK)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE, STROKE))
    light, dark = (
        float(cv2.morphologyEx(grey, how, brush).sum(dtype=np.float64))
        for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )
    ground = np.float32(np.percentile(grey, GROUND))
    return light > dark and light > STROKES * float((grey - ground).clip(0).sum())


def _page(grey: Pixels) -> tuple[slice, slice]:
    """Return the part of an image `(H, W)` that is within a frame, an even margin or a scan's edge.

    If all of it is even, or it is small, there is no frame.
    """
    if max(grey.shape) < SMALL:
        return slice(None), slice(None)
    ends = [0, 0, 0, 0]  # the first row and column, and how many to leave out at the other ends
    for number in range(4):
        tall, wide = grey.shape
        part = grey[ends[0] : tall - ends[2], ends[1] : wide - ends[3]]
        lines = (part, part.T, part[::-1], part.T[::-1])[number].astype(np.int16)
        alike = (np.abs(lines - np.median(lines[0])) <= EVEN).mean(axis=1) >= MOSTLY
        edge = 0 if alike.all() else int(np.argmin(alike))
        ends[number] = edge and min(edge + BLURRED, len(lines) - 1)
    return slice(ends[0], grey.shape[0] - ends[2]), slice(ends[1], grey.shape[1] - ends[3])


def _colourfulness(picture: Pixels) -> float:
    """Return which part of the differences from the median colour is differences in colour."""
    small = images.resize(picture, (64, 64)).astype(np.float32)
    away = small - np.median(small.reshape(-1, 3), axis=0)
    return float(np.ptp(away, axis=2).sum() / max(1.0, float(np.abs(away).max(axis=2).sum())))


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

FAINTEST = 8.0  # levels from the paper by which something drawn differs at least
LOUDEST = 12.0  # levels; the spread of a scanner's noise, averaged over 3 by 3 pixels, is less
UNEVEN = 2.0  # levels by which the light on paper varies beside the parabola
NOISE = 0.45  # fraction of its spread that noise keeps in averages over 9 by 9 pixels, not 3 by 3
BLOCKS = 16  # blocks per side
BLOCK = 8  # pixels per side of a block
LIGHTEST = 90  # percentile of a block's pixels that counts as its paper
ROUNDS = 12  # fitting rounds at most; the surface has settled by then
DRAWN = 0.02  # weight of a block that is darker than the surface, as something is drawn there
TOLERANCE = 4.0  # grey levels by which a block of paper may be darker than the surface
ROWS = 64  # rows that are evened at once
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


def is_blank(sketch: Pixels, paper: Paper) -> bool:
    """Return whether a sketch `(H, W)` of at most some 500 pixels has no strokes, only noise.

    Averages over a few pixels lessen noise, and over more pixels lessen it in proportion; of
    strokes, something remains.
    """
    away = sketch - paper.surface(sketch.shape)
    away -= np.median(away)  # noise makes the paper seem lighter than most of it is
    fine, coarse = (cv2.blur(away, (side, side)) for side in (3, 9))
    most, spread = float(np.abs(fine).max()), float(fine.std())
    is_noise = spread < LOUDEST and float(coarse.std()) < max(NOISE * spread, UNEVEN)
    return most < FAINTEST or (most < 6 * spread and is_noise)


def on_even_paper(grey: Pixels, paper: Paper, level: float) -> Pixels:
    """Return a sketch `(H, W)` as if its paper had the given level everywhere."""
    evened = np.empty_like(grey)
    for top in range(0, len(grey), ROWS):  # floats of a large image would take much memory
        rows = slice(top, top + ROWS)
        scaled = grey[rows] * (np.float32(level) / paper.surface(grey.shape, rows))
        evened[rows] = np.rint(scaled, out=scaled).clip(0, 255)
    return evened


def _surface(
    terms: NDArray[np.float32], shape: tuple[int, ...], rows: slice = slice(None)
) -> NDArray[np.float32]:
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    y = y[rows]
    a, b, c, d, e, f = terms
    down, along = a + y * (c + y * f), x * (b + x * d)
    light = down[:, None] + along + (e * y)[:, None] * x
    lit: NDArray[np.float32] = np.clip(light, DARKEST, 255.0)
    return lit
