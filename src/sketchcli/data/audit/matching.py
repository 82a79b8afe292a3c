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

from sketchcli.data.audit.records import FIELD, SIDE, Floats, descriptors, fields
from sketchcli.data.audit.terms import (
    MISALIGNED,
    MISPAIRED_SET,
    PANEL,
    WEAK_PAIR,
    WRONG_PAIR,
    AuditedPair,
    Check,
    Finding,
    Severity,
    each_block,
    panel,
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


# Misalignment: by how much a photo lies beside its sketch.

FAR = 0.03  # of the picture's side
SURE = 3.0  # deviations by which the shifted place must fit better than the usual one
FEWEST_SHIFTED = 8  # pairs from which a set's usual shift can be told
_REACH = SIDE // 4  # the farthest shift that is looked for, in small pixels
_WHITENING = 0.5  # 0: plain correlation, sure but blunt; 1: phase correlation, sharp but noisy
_WINDOW = np.hanning(FIELD + 2)[1:-1].astype(np.float32)


@dataclass(frozen=True)
class Shifts:
    """Where the photos of a set lie, as shares of the picture's width and height."""

    places: Floats  # (N, 2): to the right, down
    gain: Floats  # (N,), how much better they fit there, in deviations
    typical: Floats  # (2,), the set's median

    @property
    def distance(self) -> Floats:
        """(N,), how far each is from the usual place."""
        away: Floats = np.hypot(*(self.places - self.typical).T)
        return away

    @property
    def is_set_shifted(self) -> bool:
        """Whether the usual place itself is beside the sketch."""
        return bool(np.hypot(*self.typical) > FAR)

    @property
    def offset(self) -> tuple[int, int]:
        """The usual place, down and right, in small pixels; none where it is near enough."""
        right, down = np.rint(self.typical * SIDE).tolist()
        return (int(down), int(right)) if self.is_set_shifted else (0, 0)

    @property
    def far(self) -> NDArray[np.bool_]:
        """(N,), whether a photo surely lies elsewhere than the others do."""
        return (self.distance > FAR) & (self.gain > SURE)


def measure(features: NDArray[Any], *, threads: int = 1) -> Shifts:
    """Find where each photo fits its sketch best.

    The outline fields of both are correlated; the spectrum is divided by the root of its
    magnitude, half-way to phase correlation (Kuglin and Hines 1975), and the peak is refined by a
    parabola through its neighbours.

    Args:
        features: (N,) of FEATURES.
        threads: How many look at blocks at once.
    """
    rows = panel(len(features))
    surfaces = [
        *each_block(len(rows), lambda part: _surfaces(features[rows[part]]), threads=threads)
    ]
    typical = np.zeros(2, np.float32)
    if len(features) >= FEWEST_SHIFTED:
        typical = np.median(np.concatenate([_peaks(each)[0] for each in surfaces]), axis=0)

    def look(surfaces: Floats) -> tuple[Floats, Floats]:
        places, highest = _peaks(surfaces)
        above = highest - _near(surfaces, typical)
        return places, above / (surfaces.std(axis=(1, 2)) + np.float32(1e-9))

    if len(rows) == len(features):
        found = [look(each) for each in surfaces]
    else:
        found = [
            *each_block(
                len(features), lambda part: look(_surfaces(features[part])), threads=threads
            )
        ]
    places, gain = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Shifts(places / SIDE, gain, typical / SIDE)


def _surfaces(features: NDArray[Any]) -> Floats:
    """(N, 2 REACH + 1, 2 REACH + 1): how well each photo fits, by its place down and right."""
    sketch, photo = (_spectrum(features[kind]) for kind in ("sketch", "photo"))
    cross = photo * np.conj(sketch)
    cross = cross / (np.abs(cross) ** _WHITENING + 1e-9)
    surface = np.fft.irfft2(cross.sum(axis=1), s=(SIDE, SIDE))
    surface = np.fft.fftshift(surface, axes=(1, 2)).astype(np.float32, copy=False)
    near = slice(SIDE // 2 - _REACH, SIDE // 2 + _REACH + 1)
    return surface[:, near, near]


def _spectrum(pictures: NDArray[Any]) -> NDArray[np.complexfloating]:
    found = fields(pictures)
    found -= found.mean(axis=(2, 3), keepdims=True)
    spectrum: NDArray[np.complexfloating] = np.fft.rfft2(
        found * _WINDOW[:, None] * _WINDOW, s=(SIDE, SIDE)
    )
    return spectrum


def _peaks(surfaces: Floats) -> tuple[Floats, Floats]:
    """Where each surface is highest, (N, 2) right and down in small pixels, and how high, (N,)."""
    rows, side = np.arange(len(surfaces)), surfaces.shape[1]
    down, right = np.divmod(surfaces.reshape(len(surfaces), -1).argmax(axis=1), side)
    y, x = np.clip(down, 1, side - 2), np.clip(right, 1, side - 2)
    highest = surfaces[rows, down, right]
    fine_x = _vertex(surfaces[rows, y, x - 1], surfaces[rows, y, x], surfaces[rows, y, x + 1])
    fine_y = _vertex(surfaces[rows, y - 1, x], surfaces[rows, y, x], surfaces[rows, y + 1, x])
    return np.stack([x + fine_x, y + fine_y], axis=1) - np.float32(_REACH), highest


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """The highest place of the parabola through three neighbours, at most one step away."""
    bend = before - 2 * at + after
    offset = (before - after) / np.where(bend < 0, 2 * bend, -1)
    return np.clip(np.where(bend < 0, offset, 0), -1, 1)


def _near(surfaces: Floats, place: Floats) -> Floats:
    """How high each surface is around a place, (N,)."""
    x, y = (int(v) for v in np.clip(np.rint(place) + _REACH, 1, 2 * _REACH - 1))
    around: Floats = surfaces[:, y - 1 : y + 2, x - 1 : x + 2].max(axis=(1, 2))
    return around


def shift_findings(
    shifts: Shifts, names: Sequence[AuditedPair], sizes: NDArray[Any], *, skip: NDArray[np.bool_]
) -> list[Finding]:
    """Pairs that lie elsewhere than the others, and a set that lies beside as a whole.

    Args:
        shifts: As measured.
        names: The pairs.
        sizes: (N, 2), height and width as stored.
        skip: (N,), pairs that do not belong together, so that there is nothing to align.
    """
    found = [_whole_set_shift(shifts, sizes)] if shifts.is_set_shifted else []
    for row in np.flatnonzero(shifts.far & ~skip).tolist():
        x, y = _pixels(shifts.places[row], sizes[row])
        message = (
            f"{names[row].id}: the photo is shifted against its sketch by {_in_words(x, y)} "
            f"(typical of the set: {_in_words(*_pixels(shifts.typical, sizes[row]))})"
        )
        score = float(shifts.distance[row] / FAR)
        found.append(Finding(MISALIGNED, Severity.WARNING, names[row].files, message, score, row))
    return found


def shift_check(shifts: Shifts, sizes: NDArray[Any]) -> Check:
    """What was measured, and how."""
    note = f"typical shift of a photo: {_in_words(*_pixels(shifts.typical, sizes[0]))}"
    return Check((MISALIGNED,), len(shifts.places), HOW_SHIFTS, note)


HOW_SHIFTS = (
    "correlation of the outlines of sketch and photo: misaligned where they fit better, by "
    f"{SURE:g} deviations, more than {FAR:.0%} of the side away from where the others do"
)


def shifts_not_judged(count: int, why: str) -> Check:
    """The check's entry where it has no say."""
    return Check((MISALIGNED,), 0, HOW_SHIFTS, f"{count} pairs not judged: {why}")


def _whole_set_shift(shifts: Shifts, sizes: NDArray[Any]) -> Finding:
    place = _in_words(*_pixels(shifts.typical, sizes[0]))
    message = f"all pairs: the photos are typically shifted against their sketches by {place}"
    return Finding(
        MISALIGNED, Severity.WARNING, (), message, float(np.hypot(*shifts.typical)) / FAR
    )


def _pixels(place: Floats, size: NDArray[Any]) -> tuple[float, float]:
    return float(place[0]) * int(size[1]), float(place[1]) * int(size[0])


def _in_words(x: float, y: float) -> str:
    """A shift in pixels: `8.0 px right, 0.2 px up`."""
    across = f"{abs(x):.1f} px {'right' if x > 0 else 'left'}"
    return f"{across}, {abs(y):.1f} px {'down' if y > 0 else 'up'}"
