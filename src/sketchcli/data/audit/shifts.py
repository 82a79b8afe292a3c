"""Misalignment: by how much a photo lies beside its sketch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.features import SIDE
from sketchcli.data.audit.outlines import FIELD, Floats, fields
from sketchcli.data.audit.portions import each_block, panel
from sketchcli.data.audit.terms import MISALIGNED, AuditedPair, Check, Finding, Severity

FAR = 0.03  # of the picture's side
SURE = 3.0  # deviations by which the shifted place must fit better than the usual one
FEWEST = 8  # pairs from which a set's usual shift can be told
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
    if len(features) >= FEWEST:
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


def findings(
    shifts: Shifts, names: Sequence[AuditedPair], sizes: NDArray[Any], *, skip: NDArray[np.bool_]
) -> list[Finding]:
    """Pairs that lie elsewhere than the others, and a set that lies beside as a whole.

    Args:
        shifts: As measured.
        names: The pairs.
        sizes: (N, 2), height and width as stored.
        skip: (N,), pairs that do not belong together, so that there is nothing to align.
    """
    found = [_whole_set(shifts, sizes)] if shifts.is_set_shifted else []
    for row in np.flatnonzero(shifts.far & ~skip).tolist():
        x, y = _pixels(shifts.places[row], sizes[row])
        message = (
            f"{names[row].id}: the photo is shifted against its sketch by {_in_words(x, y)} "
            f"(typical of the set: {_in_words(*_pixels(shifts.typical, sizes[row]))})"
        )
        score = float(shifts.distance[row] / FAR)
        found.append(Finding(MISALIGNED, Severity.WARNING, names[row].files, message, score, row))
    return found


def check(shifts: Shifts, sizes: NDArray[Any]) -> Check:
    """What was measured, and how."""
    note = f"typical shift of a photo: {_in_words(*_pixels(shifts.typical, sizes[0]))}"
    return Check((MISALIGNED,), len(shifts.places), HOW, note)


HOW = (
    "correlation of the outlines of sketch and photo: misaligned where they fit better, by "
    f"{SURE:g} deviations, more than {FAR:.0%} of the side away from where the others do"
)


def not_judged(count: int, why: str) -> Check:
    """The check's entry where it has no say."""
    return Check((MISALIGNED,), 0, HOW, f"{count} pairs not judged: {why}")


def _whole_set(shifts: Shifts, sizes: NDArray[Any]) -> Finding:
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
