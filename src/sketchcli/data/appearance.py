"""What the sketches of a set look like, in a few figures that travel inside the weights.

`generate` compares each sketch with them: it evens paper that none of the training sketches had,
turns white-on-black round, and says so where a sketch is like none of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sketchcli.data.paper import Paper, find_paper
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
class Looks:
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


def look(sketches: Iterable[Pixels]) -> Looks:
    """What sketches `(H, W)` look like, on average and at most."""
    some = list(sketches)
    is_dark = sum(map(is_on_dark, some)) > len(some) / 2
    measured = [asdict(measure(255 - s if is_dark else s)) for s in some]
    ranges = {}
    for name in measured[0]:
        low, middle, high = np.percentile([m[name] for m in measured], (1, 50, 99)).round(4)
        ranges[name] = (float(low), float(middle), float(high))
    return Looks(ranges, is_dark)


def from_dict(values: Mapping[str, Any] | None) -> Looks | None:
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
            return Looks(ranges, bool(values["is_dark"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise CheckpointError("the weights' description of their sketches is damaged")
