"""Find wrong pairs, whose sketch fits another pair's photo far better than its own.

Each image becomes a descriptor of its outlines minus the dataset's mean, since what all faces of a
dataset share does not identify anybody. The agreement of sketch i with photo j is the product of
their descriptors, in standard deviations of the agreement of a sketch with unrelated photos.
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

FEWEST = 8  # pairs needed to estimate the agreement with unrelated photos
MARGIN = 2.0  # deviations by which another photo must fit better than the sketch's own
MISPAIRED = 1.5  # least median agreement of a correct pairing: 2.6 to 9; a wrong one has -2 to 1
MANY = 0.25  # fraction of wrong pairs above which the whole dataset counts as mis-paired
STRONG = 3.0  # least median agreement at which low agreement makes a single pair doubtful
WEAK = 1.0  # agreement below which a pair is doubtful
_DEVIATION = 1.4826  # standard deviation per median absolute deviation if values are normal


@dataclass(frozen=True)
class Matches:
    """How well the sketches of a dataset fit their photos, in deviations."""

    agreement: Floats  # (N,)
    margin: Floats  # (N,), by how much the best other photo fits better; -inf: not compared
    better: NDArray[np.intp]  # (N,), row of the best other photo

    @property
    def typical(self) -> float:
        """The median agreement."""
        return float(np.median(self.agreement))

    @property
    def is_mispaired(self) -> bool:
        """Whether the sketches, or many of them, fit unrelated photos as well as their own."""
        return self.typical < MISPAIRED or float(self.wrong.mean()) > MANY

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each pair is wrong, (N,)."""
        return self.margin > MARGIN

    @property
    def weak(self) -> NDArray[np.bool_]:
        """Whether each pair is doubtful, (N,), in a dataset whose median allows this verdict."""
        return (self.agreement < WEAK) & ~self.wrong & (self.typical >= STRONG)


def match(features: NDArray[Any], *, offset: tuple[int, int] = (0, 0), threads: int = 1) -> Matches:
    """Compare every sketch with its photo, and the least fitting sketches with all photos.

    Photo j is better for sketch i if it fits better than photo i does, and better than it fits its
    own sketch j; the margin is the lesser of the two gains.

    Of (N,) FEATURES, N must be at least FEWEST. `offset` is the typical shift of the photos, down
    and right, in small pixels.
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
    """Return margin and better photo, (N,) each, for the at most PANEL pairs that agree least."""
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
    """The normalised space of the descriptors of a dataset's sketches, or of its photos."""

    pictures: NDArray[Any]  # (N, SIDE, SIDE)
    offset: tuple[int, int]
    mean: Floats
    spread: Floats
    centre: Floats
    panel: Floats  # (at most PANEL, D), the places of the panel's images
    scale: float = 1.0

    @classmethod
    def of(cls, pictures: NDArray[Any], *, offset: tuple[int, int] = (0, 0)) -> "_Space":
        found = descriptors(_put_back(pictures[panel(len(pictures))], offset))
        mean, spread = found.mean(axis=0), found.std(axis=0) + np.float32(1e-6)
        unit = _unit((found - mean) / spread)
        centre = unit.mean(axis=0)
        return cls(pictures, offset, mean, spread, centre, unit - centre)

    def place(self, rows: slice | NDArray[np.intp]) -> Floats:
        """Return the places of some of the images, (N, D)."""
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
    """Return the robust deviation of how well sketches (rows) fit unrelated photos (columns)."""
    values = fits[~np.eye(len(fits), dtype=bool)]
    return float(_DEVIATION * np.median(np.abs(values - np.median(values)))) + 1e-9


def findings(
    matches: Matches, names: Sequence[AuditedPair], *, shifted: NDArray[np.bool_]
) -> list[Finding]:
    """Return the findings of wrong and doubtful pairs, and of a mis-paired dataset.

    Pairs in `shifted`, (N,), are misaligned, which explains low agreement: they are not doubtful.
    """
    wrong, weak = np.flatnonzero(matches.wrong), np.flatnonzero(matches.weak & ~shifted)
    found = [_whole_set(matches)] if matches.is_mispaired else []
    found += [_wrong(matches, names, row) for row in wrong.tolist()]
    return found + [_weak(matches, names, row) for row in weak.tolist()]


def check(matches: Matches) -> Check:
    """Return the check that describes the comparison."""
    count, compared = len(matches.agreement), int(np.isfinite(matches.margin).sum())
    note = f"Median agreement: {matches.typical:.1f}"
    if compared < count:
        note += f"; the {compared} pairs that agree least were compared with all {count} photos"
    return Check((MISPAIRED_SET, WRONG_PAIR, WEAK_PAIR), count, HOW, note)


HOW = (
    "The outlines of sketch and photo are compared, in deviations of the agreement of unrelated "
    f"images. A pair is wrong if another photo fits better by {MARGIN:g}, and doubtful below "
    f"{WEAK:g} if the median is {STRONG:g} or more. The dataset is mis-paired if the median is "
    f"below {MISPAIRED:g} or more than {MANY:.0%} of the pairs are wrong."
)


def not_judged(count: int, why: str) -> Check:
    """Return the check if the pairs cannot be checked."""
    return Check(
        (MISPAIRED_SET, WRONG_PAIR, WEAK_PAIR), 0, HOW, f"{count} pairs not checked: {why}"
    )


def _whole_set(matches: Matches) -> Finding:
    compared = int(np.isfinite(matches.margin).sum())
    message = (
        f"the dataset looks mis-paired: {int(matches.wrong.sum())} of {compared} sketches fit "
        f"another pair's photo better (median agreement {matches.typical:.1f}; it is 0 for "
        "unrelated images and 3 to 6 for a correct pairing)"
    )
    score = 2 + MISPAIRED - matches.typical
    return Finding(MISPAIRED_SET, Severity.ERROR, (), message, score)


def _wrong(matches: Matches, names: Sequence[AuditedPair], row: int) -> Finding:
    other, margin = int(matches.better[row]), float(matches.margin[row])
    message = (
        f"{names[row].id}: the sketch fits the photo of {names[other].id} better by {margin:.1f} "
        f"deviations (agreement with its own photo: {matches.agreement[row]:.1f}, "
        f"median of the dataset: {matches.typical:.1f})"
    )
    files = names[row].files
    return Finding(WRONG_PAIR, Severity.ERROR, files, message, margin / MARGIN, row, other)


def _weak(matches: Matches, names: Sequence[AuditedPair], row: int) -> Finding:
    agreement = float(matches.agreement[row])
    message = (
        f"{names[row].id}: the sketch fits its photo no better than an unrelated photo "
        f"(agreement: {agreement:.1f} deviations, median of the dataset: {matches.typical:.1f})"
    )
    score = 1 + WEAK - agreement
    return Finding(WEAK_PAIR, Severity.WARNING, names[row].files, message, score, row)


# This section finds misaligned pairs, whose photo is shifted against its sketch.

FAR = 0.03  # shift from which a pair is misaligned, as a fraction of the image's side
SURE = 3.0  # deviations by which the shifted place must fit better than the typical one
FEWEST_SHIFTED = 8  # pairs needed to estimate a dataset's typical shift
_REACH = SIDE // 4  # largest shift that is searched, in small pixels
_WHITENING = 0.5  # 0: plain correlation (robust, blunt); 1: phase correlation (sharp, noisy)
_WINDOW = np.hanning(FIELD + 2)[1:-1].astype(np.float32)


@dataclass(frozen=True)
class Shifts:
    """The shifts of a dataset's photos, as fractions of the image's width and height."""

    places: Floats  # (N, 2): to the right, down
    gain: Floats  # (N,), deviations by which a photo fits better there than at `typical`
    typical: Floats  # (2,), the median over the dataset

    @property
    def distance(self) -> Floats:
        """The distance of each photo from the typical place, (N,)."""
        away: Floats = np.hypot(*(self.places - self.typical).T)
        return away

    @property
    def is_set_shifted(self) -> bool:
        """Whether the typical place itself is off the sketch."""
        return bool(np.hypot(*self.typical) > FAR)

    @property
    def offset(self) -> tuple[int, int]:
        """The typical place, down and right, in small pixels; (0, 0) if it is near enough."""
        right, down = np.rint(self.typical * SIDE).tolist()
        return (int(down), int(right)) if self.is_set_shifted else (0, 0)

    @property
    def far(self) -> NDArray[np.bool_]:
        """Whether each photo is certainly off the typical place, (N,)."""
        return (self.distance > FAR) & (self.gain > SURE)


def measure(features: NDArray[Any], *, threads: int = 1) -> Shifts:
    """Find where each photo of (N,) FEATURES fits its sketch best.

    The outline fields of both are correlated. The spectrum is divided by the root of its magnitude,
    half-way to phase correlation (Kuglin and Hines 1975), and the peak is refined by a parabola
    through its neighbours.
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
    """Return how well each photo fits by its place, (N, down 2 REACH + 1, right 2 REACH + 1)."""
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
    """Return each surface's peak, (N, 2) right and down in small pixels, and its height, (N,)."""
    rows, side = np.arange(len(surfaces)), surfaces.shape[1]
    down, right = np.divmod(surfaces.reshape(len(surfaces), -1).argmax(axis=1), side)
    y, x = np.clip(down, 1, side - 2), np.clip(right, 1, side - 2)
    highest = surfaces[rows, down, right]
    fine_x = _vertex(surfaces[rows, y, x - 1], surfaces[rows, y, x], surfaces[rows, y, x + 1])
    fine_y = _vertex(surfaces[rows, y - 1, x], surfaces[rows, y, x], surfaces[rows, y + 1, x])
    return np.stack([x + fine_x, y + fine_y], axis=1) - np.float32(_REACH), highest


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Return the offset of the peak of the parabola through three neighbours, in [-1, 1]."""
    bend = before - 2 * at + after
    offset = (before - after) / np.where(bend < 0, 2 * bend, -1)
    return np.clip(np.where(bend < 0, offset, 0), -1, 1)


def _near(surfaces: Floats, place: Floats) -> Floats:
    x, y = (int(v) for v in np.clip(np.rint(place) + _REACH, 1, 2 * _REACH - 1))
    around: Floats = surfaces[:, y - 1 : y + 2, x - 1 : x + 2].max(axis=(1, 2))
    return around


def shift_findings(
    shifts: Shifts, names: Sequence[AuditedPair], sizes: NDArray[Any], *, skip: NDArray[np.bool_]
) -> list[Finding]:
    """Return the findings of misaligned pairs, and of a dataset that is shifted as a whole.

    `sizes`, (N, 2), are the stored heights and widths. Pairs in `skip`, (N,), do not belong
    together, so that there is nothing to align.
    """
    found = [_whole_set_shift(shifts, sizes)] if shifts.is_set_shifted else []
    for row in np.flatnonzero(shifts.far & ~skip).tolist():
        x, y = _pixels(shifts.places[row], sizes[row])
        message = (
            f"{names[row].id}: the photo is shifted against its sketch by {_in_words(x, y)} "
            f"(typical of the dataset: {_in_words(*_pixels(shifts.typical, sizes[row]))})"
        )
        score = float(shifts.distance[row] / FAR)
        found.append(Finding(MISALIGNED, Severity.WARNING, names[row].files, message, score, row))
    return found


def shift_check(shifts: Shifts, sizes: NDArray[Any]) -> Check:
    """Return the check that describes the measurement."""
    note = f"Typical shift of a photo: {_in_words(*_pixels(shifts.typical, sizes[0]))}"
    return Check((MISALIGNED,), len(shifts.places), HOW_SHIFTS, note)


HOW_SHIFTS = (
    "The outlines of sketch and photo are correlated. A pair is misaligned if it fits better by "
    f"{SURE:g} deviations at a place more than {FAR:.0%} of the side away from the typical place."
)


def shifts_not_judged(count: int, why: str) -> Check:
    """Return the check if the pairs cannot be checked."""
    return Check((MISALIGNED,), 0, HOW_SHIFTS, f"{count} pairs not checked: {why}")


def _whole_set_shift(shifts: Shifts, sizes: NDArray[Any]) -> Finding:
    place = _in_words(*_pixels(shifts.typical, sizes[0]))
    message = f"all pairs: the photos are typically shifted against their sketches by {place}"
    return Finding(
        MISALIGNED, Severity.WARNING, (), message, float(np.hypot(*shifts.typical)) / FAR
    )


def _pixels(place: Floats, size: NDArray[Any]) -> tuple[float, float]:
    return float(place[0]) * int(size[1]), float(place[1]) * int(size[0])


def _in_words(x: float, y: float) -> str:
    """Return a shift in pixels in words, such as `8.0 px right, 0.2 px up`."""
    across = f"{abs(x):.1f} px {'right' if x > 0 else 'left'}"
    return f"{across}, {abs(y):.1f} px {'down' if y > 0 else 'up'}"
