"""Wrong pairs: sketches whose outlines fit another pair's photo far better than their own.

Each picture becomes a descriptor of its outlines, of which the set's mean is taken away: what
all faces of a set share says nothing about who it is. How well sketch i fits photo j is the
product of their descriptors, in deviations of what a sketch has with a stranger's photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.outlines import Floats, descriptors
from sketchcli.data.audit.portions import PANEL, each_block, panel
from sketchcli.data.audit.terms import (
    MISPAIRED_SET,
    WEAK_PAIR,
    WRONG_PAIR,
    AuditedPair,
    Check,
    Finding,
    Severity,
)

FEWEST = 8  # pairs; among fewer, what a stranger's photo gives cannot be told
MARGIN = 2.0  # deviations by which another photo must fit better
MISPAIRED = 1.5  # a right pairing's median agreement is above: 2.6 to 9, a wrong one's -2 to 1
MANY = 0.25  # share of wrong pairs from which on it is the pairing that is wrong
STRONG = 3.0  # the median from which on a single pair's low agreement says something
WEAK = 1.0
_DEVIATION = 1.4826  # a normal distribution's deviation over its median absolute deviation


@dataclass(frozen=True)
class Matches:
    """How well the sketches of a set fit their photos, in deviations."""

    agreement: Floats  # (N,), of each pair
    margin: Floats  # (N,), by which the best other photo fits better; -inf: not compared
    better: NDArray[np.intp]  # (N,), that photo's row

    @property
    def typical(self) -> float:
        """The median agreement."""
        return float(np.median(self.agreement))

    @property
    def is_mispaired(self) -> bool:
        """Whether the sketches fit strangers' photos as well as their own, or many do."""
        return self.typical < MISPAIRED or float(self.wrong.mean()) > MANY

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """(N,), whether a pair is wrong."""
        return self.margin > MARGIN

    @property
    def weak(self) -> NDArray[np.bool_]:
        """(N,), whether a pair might be a stranger's in a set where that can be told."""
        return (self.agreement < WEAK) & ~self.wrong & (self.typical >= STRONG)


def match(features: NDArray[Any], *, offset: tuple[int, int] = (0, 0), threads: int = 1) -> Matches:
    """Compare every sketch with its photo, and those that fit it least with all photos.

    Pair i is doubted where a j is found such that sketch i fits photo j better than sketch i fits
    photo i, and better than sketch j fits photo j; the margin is the lesser of the two.

    Args:
        features: (N,) of FEATURES, N at least FEWEST.
        offset: By how many small pixels the set's photos lie down and right of their sketches.
        threads: How many look at blocks at once.
    """
    drawn = _Space.of(features["sketch"])
    shot = _Space.of(features["photo"], offset=offset)
    drawn = replace(drawn, scale=1 / _deviation(drawn.panel @ shot.panel.T))

    def agree(part: slice) -> Floats:
        return np.asarray((drawn.place(part) * shot.place(part)).sum(axis=1))

    agreement = np.concatenate([*each_block(len(features), agree, threads=threads)])
    return Matches(agreement, *_search(drawn, shot, agreement, threads))


def _search(
    drawn: "_Space", shot: "_Space", agreement: Floats, threads: int
) -> tuple[Floats, NDArray[np.intp]]:
    """The margin and the better photo of the pairs that agree least, PANEL of them at most."""
    least = np.sort(np.argsort(agreement, kind="stable")[:PANEL])
    sketches = drawn.place(least)
    margin = np.full(len(agreement), -np.inf, np.float32)
    better = np.zeros(len(agreement), np.intp)

    def best_of(part: slice) -> tuple[Floats, NDArray[np.intp]]:
        gain = sketches @ shot.place(part).T
        gain -= np.maximum(agreement[least, None], agreement[None, part])
        gain[least[:, None] == np.arange(part.start, part.stop)] = -np.inf
        best = gain.argmax(axis=1)
        return gain[np.arange(len(least)), best], part.start + best

    for highest, best in each_block(len(agreement), best_of, threads=threads):
        is_higher = highest > margin[least]
        better[least] = np.where(is_higher, best, better[least])
        margin[least] = np.maximum(highest, margin[least])
    return margin, better


@dataclass(frozen=True)
class _Space:
    """Where the descriptors of a set's sketches, or photos, lie among each other."""

    pictures: NDArray[Any]  # (N, SIDE, SIDE)
    offset: tuple[int, int]
    mean: Floats
    spread: Floats
    centre: Floats
    panel: Floats  # (at most PANEL, D), where the pictures of the panel lie
    scale: float = 1.0

    @classmethod
    def of(cls, pictures: NDArray[Any], *, offset: tuple[int, int] = (0, 0)) -> "_Space":
        found = descriptors(_put_back(pictures[panel(len(pictures))], offset))
        mean, spread = found.mean(axis=0), found.std(axis=0) + np.float32(1e-6)
        unit = _unit((found - mean) / spread)
        centre = unit.mean(axis=0)
        return cls(pictures, offset, mean, spread, centre, unit - centre)

    def place(self, rows: slice | NDArray[np.intp]) -> Floats:
        """(N, D) of some of the pictures."""
        scale = np.float32(self.scale)
        if len(self.panel) == len(self.pictures):
            return self.panel[rows] * scale
        found = descriptors(_put_back(self.pictures[rows], self.offset))
        return (_unit((found - self.mean) / self.spread) - self.centre) * scale


def _put_back(pictures: NDArray[Any], offset: tuple[int, int]) -> NDArray[Any]:
    return np.roll(pictures, (-offset[0], -offset[1]), axis=(1, 2)) if any(offset) else pictures


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-9))
    return unit


def _deviation(fits: Floats) -> float:
    """Robust deviation of what the sketches (rows) have with strangers' photos (columns)."""
    values = fits[~np.eye(len(fits), dtype=bool)]
    return float(_DEVIATION * np.median(np.abs(values - np.median(values)))) + 1e-9


def findings(
    matches: Matches, names: Sequence[AuditedPair], *, shifted: NDArray[np.bool_]
) -> list[Finding]:
    """Wrong pairs, doubtful pairs, and a set that is mis-paired as a whole.

    Args:
        matches: As measured.
        names: The pairs.
        shifted: (N,), pairs that are misaligned: no wonder that they agree little.
    """
    wrong, weak = np.flatnonzero(matches.wrong), np.flatnonzero(matches.weak & ~shifted)
    found = [_whole_set(matches)] if matches.is_mispaired else []
    found += [_wrong(matches, names, row) for row in wrong.tolist()]
    return found + [_weak(matches, names, row) for row in weak.tolist()]


def check(matches: Matches) -> Check:
    """What was compared, and how."""
    count, compared = len(matches.agreement), int(np.isfinite(matches.margin).sum())
    note = f"median agreement {matches.typical:.1f}"
    if compared < count:
        note += f"; the {compared} pairs that agree least were compared with all {count} photos"
    return Check((MISPAIRED_SET, WRONG_PAIR, WEAK_PAIR), count, HOW, note)


HOW = (
    "outlines of sketch and photo compared, in deviations of what strangers have in common: "
    f"wrong where another photo fits better by {MARGIN:g}, doubtful below {WEAK:g} where the "
    f"median is {STRONG:g} or more; the set is mis-paired where the median is below {MISPAIRED:g} "
    f"or more than {MANY:.0%} are wrong"
)


def not_judged(count: int, why: str) -> Check:
    """The check's entry where it has no say."""
    return Check((MISPAIRED_SET, WRONG_PAIR, WEAK_PAIR), 0, HOW, f"{count} pairs not judged: {why}")


def _whole_set(matches: Matches) -> Finding:
    compared = int(np.isfinite(matches.margin).sum())
    message = (
        f"the set looks mis-paired: {int(matches.wrong.sum())} of {compared} sketches fit another "
        f"pair's photo better (median agreement {matches.typical:.1f}; strangers have 0, a right "
        "pairing reaches 3 to 6)"
    )
    score = 2 + MISPAIRED - matches.typical
    return Finding(MISPAIRED_SET, Severity.ERROR, (), message, score)


def _wrong(matches: Matches, names: Sequence[AuditedPair], row: int) -> Finding:
    other, margin = int(matches.better[row]), float(matches.margin[row])
    message = (
        f"{names[row].id}: the sketch fits the photo of {names[other].id} better, by {margin:.1f} "
        f"deviations (with its own photo it has {matches.agreement[row]:.1f}, "
        f"the set's median is {matches.typical:.1f})"
    )
    files = names[row].files
    return Finding(WRONG_PAIR, Severity.ERROR, files, message, margin / MARGIN, row, other)


def _weak(matches: Matches, names: Sequence[AuditedPair], row: int) -> Finding:
    agreement = float(matches.agreement[row])
    message = (
        f"{names[row].id}: the sketch has no more in common with its photo than with a stranger's "
        f"({agreement:.1f} deviations, the set's median is {matches.typical:.1f})"
    )
    score = 1 + WEAK - agreement
    return Finding(WEAK_PAIR, Severity.WARNING, names[row].files, message, score, row)
