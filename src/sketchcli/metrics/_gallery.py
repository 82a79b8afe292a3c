"""Faces against a gallery: every generated picture beside every real photo of the split.

The pair (i, i) is genuine: the generated picture should show the person of its own photo. The pairs
(i, j) are impostors. A person who is in the split under two names counts as two people.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats

Values = NDArray[np.float64]
BLOCK = 4_000_000  # similarities at a time


@dataclass(frozen=True, eq=False)
class Roc:
    """How often two kinds of error are made, from the lowest threshold to the highest.

    Args:
        false_accepts: `(P,)`: share of the impostors at or above the threshold; falls from 1 to 0.
        false_rejects: `(P,)`: share of the genuine pairs below it; rises from 0 to 1.
        thresholds: `(P,)`: cosines; a threshold stands twice, just at and just above a genuine
            pair's cosine. Between two points the curve is a straight line.
    """

    false_accepts: Values
    false_rejects: Values
    thresholds: Values

    @property
    def equal_error_rate(self) -> float:
        """Where the curve has as many false accepts as false rejects; NaN without a curve."""
        if not len(self.thresholds):
            return float("nan")
        excess = self.false_rejects - self.false_accepts
        after = int(np.argmax(excess >= 0))  # the curve begins at -1 and ends at 1
        before = after - 1
        weight = -excess[before] / (excess[after] - excess[before])
        rates = self.false_rejects[[before, after]]
        return float(rates[0] + weight * (rates[1] - rates[0]))


def usable(generated: Floats, real: Floats) -> NDArray[np.bool_]:
    """Which of the pairs `(N,)` have numbers on both sides: `(N, D)` and `(N, D)`."""
    return np.isfinite(cosines(generated, real))


def cosines(generated: Floats, real: Floats) -> Values:
    """Cosine of each pair, `(N,)`; NaN where a side has no features."""
    return _rounded(np.einsum("nd,nd->n", _unit(generated), _unit(real)))


def rank(generated: Floats, real: Floats, *, among: int) -> Values:
    """Whether a picture's own photo is among the most similar of the gallery: `(N,)`, 1 or 0.

    Photos that are exactly as similar as its own one share the places that are left, so that a
    network that sees no difference scores what guessing does, and not everything or nothing.
    NaN where a side has no features; such photos are not in the gallery.

    Args:
        generated: Features `(N, D)`.
        real: Features `(N, D)`; the gallery.
        among: How many of the most similar photos are looked at.
    """
    scores = np.full(len(real), np.nan)
    kept = usable(generated, real)
    found = []
    for rows, block in _similarities(generated[kept], real[kept]):
        mine = block[np.arange(len(block)), np.arange(rows.start, rows.stop)][:, None]
        ahead, level = (block > mine).sum(axis=1), (block == mine).sum(axis=1)
        found.append(np.clip((among - ahead) / level, 0, 1))
    if found:
        scores[kept] = np.concatenate(found)
    return scores


def roc(generated: Floats, real: Floats) -> Roc:
    """The errors of telling genuine pairs from impostors by their cosine.

    Exact, from all N (N - 1) impostors, in blocks. Without an impostor the curve has no points.

    Args:
        generated: Features `(N, D)`; rows with NaN, on either side, are left out.
        real: Features `(N, D)`.
    """
    kept = usable(generated, real)
    generated, real = generated[kept], real[kept]
    if len(real) < 2:
        return Roc(np.empty(0), np.empty(0), np.empty(0))
    genuine = cosines(generated, real)
    levels, counts = np.unique(genuine, return_counts=True)
    at, above = _impostors(generated, real, levels)
    below = np.concatenate([[0], np.cumsum(counts)]) / len(genuine)
    # A false accept is counted at each level, then just above it.
    return Roc(
        np.concatenate([[1], np.stack([at, above], axis=1).ravel(), [0]]),
        np.concatenate([[0], np.stack([below[:-1], below[1:]], axis=1).ravel(), [1]]),
        np.concatenate([[-1], levels.repeat(2), [1]]),
    )


def _impostors(generated: Floats, real: Floats, levels: Values) -> tuple[Values, Values]:
    """Shares `(L,)` of the impostors at or above each level, and above it."""
    at, above = (np.zeros(len(levels) + 1, np.int64) for _ in range(2))
    for rows, block in _similarities(generated, real):
        is_other = np.arange(len(real)) != np.arange(rows.start, rows.stop)[:, None]
        impostors = np.sort(block[is_other])  # in order, they are looked up several times faster
        at += _passed(np.searchsorted(levels, impostors, side="right"), len(levels))
        above += _passed(np.searchsorted(levels, impostors, side="left"), len(levels))
    impostor_count = len(real) * (len(real) - 1)
    return at[1:] / impostor_count, above[1:] / impostor_count


def _passed(levels: NDArray[np.intp], most: int) -> NDArray[np.int64]:
    """How many pass at least 0, 1, ... `most` levels, from how many each of them passes."""
    return np.cumsum(np.bincount(levels, minlength=most + 1)[::-1])[::-1]


def _similarities(generated: Floats, real: Floats) -> Iterator[tuple[slice, Values]]:
    """Cosines of some generated pictures with every real photo, `(rows, N)`."""
    ours, gallery = _unit(generated), _unit(real).T
    step = max(1, BLOCK // max(1, len(real)))
    for start in range(0, len(ours), step):
        rows = slice(start, min(start + step, len(ours)))
        yield rows, _rounded(ours[rows] @ gallery)


def _unit(features: Floats) -> Values:
    """Rows of length 1; NaN where there is no direction."""
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Values = np.divide(rows, lengths, out=np.full_like(rows, np.nan), where=lengths > 0)
    return unit


def _rounded(values: Values) -> Values:
    """To float32's precision: equal faces must be equally similar, in whatever block they are."""
    return values.astype(np.float32).astype(np.float64)
