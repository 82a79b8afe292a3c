"""What the sketches of a set look like, in a few figures that travel inside the weights.

`generate` compares each sketch with them: it evens paper that none of the training sketches had,
turns white-on-black round, and says so where a sketch is like none of them.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.errors import CheckpointError
from sketchcli.images import Pixels

MOST_LOOKED_AT = 256  # sketches of a set
DARK = 80.0  # median luma of the border, and of the whole, of a sketch on dark paper
INKED = 0.7  # of the paper's level; what is darker is drawn
MARGIN = 0.5  # of the range that training sketches span, which a sketch may lie beyond it


@dataclass(frozen=True)
class Appearance:
    """Measures of one sketch.

    Args:
        paper: How light its paper is, 0-255.
        unevenness: Of the light on it, as a share.
        lightness: Mean luma.
        ink: Share of pixels that are clearly darker than the paper.
        edges: Mean difference of neighbouring pixels, in grey levels.
    """

    paper: float
    unevenness: float
    lightness: float
    ink: float
    edges: float


_LEAST_MARGINS = Appearance(paper=8, unevenness=0.05, lightness=12, ink=0.05, edges=2)
_WORDS = {
    "lightness": ("darker", "lighter"),
    "ink": ("much less drawn", "much more drawn"),
    "edges": ("smoother", "busier"),
}


@dataclass(frozen=True)
class SketchStats:
    """Ranges of the measures over a set's sketches: lowest, median, highest (1st, 99th percentile).

    Args:
        ranges: Measure -> its range.
        is_dark: Whether they are light on dark.
    """

    ranges: dict[str, tuple[float, float, float]]
    is_dark: bool = False

    @property
    def paper(self) -> float:
        """How light the paper is, by the median."""
        return self.ranges["paper"][1]

    def is_usual(self, name: str, value: float) -> bool:
        """Whether a measure lies where the training sketches' do, or near."""
        return self._side(name, value) == 0

    def describe_differences(self, appearance: Appearance) -> str:
        """How a sketch differs from all training sketches, in words; empty where it does not."""
        sides = {name: self._side(name, getattr(appearance, name)) for name in _WORDS}
        return ", ".join(_WORDS[name][side > 0] for name, side in sides.items() if side)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"is_dark": self.is_dark, "ranges": {n: list(r) for n, r in self.ranges.items()}}

    def _side(self, name: str, value: float) -> int:
        low, _, high = self.ranges[name]
        margin = max(MARGIN * (high - low), getattr(_LEAST_MARGINS, name))
        return int(value > high + margin) - int(value < low - margin)


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


def measure(sketch: Pixels, paper: Paper | None = None) -> Appearance:
    """The measures of a sketch `(H, W)` on light paper, which is looked for unless it is known."""
    paper = paper or find_paper(sketch)
    values = sketch.astype(np.float32)
    steps = [np.abs(np.diff(values, axis=axis)) for axis in (0, 1) if sketch.shape[axis] > 1]
    return Appearance(
        paper=paper.level,
        unevenness=paper.unevenness,
        lightness=float(values.mean()),
        ink=float((values < INKED * paper.level).mean()),
        edges=float(np.mean([step.mean() for step in steps])) if steps else 0.0,
    )


def is_on_dark(sketch: Pixels) -> bool:
    """Whether a drawing `(H, W)` is light on dark: its border is dark, and most of it."""
    border = np.concatenate([sketch[0], sketch[-1], sketch[:, 0], sketch[:, -1]])
    return bool(np.median(border) < DARK and np.median(sketch) < DARK)


def spread(rows: Sequence[int]) -> Sequence[int]:
    """At most `MOST_LOOKED_AT` of the rows, from all over them."""
    return rows[:: max(1, math.ceil(len(rows) / MOST_LOOKED_AT))]


def look(sketches: Iterable[Pixels]) -> SketchStats:
    """What sketches `(H, W)` look like, on average and at most."""
    some = list(sketches)
    is_dark = sum(map(is_on_dark, some)) > len(some) / 2
    measured = [asdict(measure(255 - s if is_dark else s)) for s in some]
    ranges = {}
    for name in measured[0]:
        low, middle, high = np.percentile([m[name] for m in measured], (1, 50, 99)).round(4)
        ranges[name] = (float(low), float(middle), float(high))
    return SketchStats(ranges, is_dark)


def from_dict(values: Mapping[str, Any] | None) -> SketchStats | None:
    """What `to_dict` gave; None of weights that do not say.

    Raises:
        CheckpointError: They say something else.
    """
    if values is None:
        return None
    try:
        ranges = {
            str(n): (float(a), float(b), float(c)) for n, (a, b, c) in values["ranges"].items()
        }
        is_whole = ranges.keys() == asdict(_LEAST_MARGINS).keys()
        is_finite = bool(np.isfinite([v for r in ranges.values() for v in r]).all())
        if is_whole and is_finite:
            return SketchStats(ranges, bool(values["is_dark"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise CheckpointError("the weights' description of their sketches is damaged")


# The paper under a drawing: how light it is, and where a lamp or a shadow makes it uneven.
#
# A photo of a sheet is a drawing times the light on it (Retinex: Land and McCann 1971). The light
# changes slowly; it is fitted as a parabola over the lightest parts of the picture, where nothing
# is drawn, and divided out.

BLOCKS = 16  # a side, of which each says how light its lightest parts are
BLOCK = 8  # pixels a side
LIGHTEST = 90  # percentile of a block
ROUNDS = 12  # of fitting at most; by then the surface has settled
DRAWN = 0.02  # weight of a block below the surface: something is drawn there
TOLERANCE = 4.0  # grey levels that a block may lie below the surface and still be paper
DARKEST = 24.0  # no paper is darker: it would be enlarged noise


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
