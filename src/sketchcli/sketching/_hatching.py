"""Tone laid down stroke by stroke."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching._flow import smooth_along, tangents
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments

Exact = NDArray[np.float64]

_CANDIDATES = 9000  # strokes that would cover a sheet which is black all over
_POINTS = 6  # of a stroke
_TAPER = np.array([0.6, 0.95, 1.0, 0.9, 0.5], np.float32)  # pressure between them
_SPREAD = 0.07  # radians: no two strokes are parallel
_SCATTER = 1.2  # units off an even place
_LEAST = 0.09  # tone that is left out
# Steps of a sequence that fills a cube evenly (Roberts 2018, "The unreasonable effectiveness of
# quasirandom sequences"): strokes drawn by plain chance clump like rain.
_EVENLY = 1.2207440846057596 ** -np.arange(1, 4)


def directions(light: Floats, masses: Floats, manner: Manner, pixels: float) -> Floats:
    """Which way to hatch: along the hair, elsewhere in the hand's own direction.

    Args:
        light: Luminance `(H, W)`, which has the strands.
        masses: Darkness `(H, W)` of hair and the like, in [0, 1].
        manner: How to draw.
        pixels: Pixels in a unit.

    Returns:
        Unit vectors `(H, W, 2)`, x first. Their sign means nothing, so they are mixed as doubled
        angles.
    """
    x, y, coherence = tangents(light, 3.0 * pixels)
    weight = np.clip(3 * masses, 0, 1) * np.clip(1.6 * coherence, 0, 1)
    angle = 2 * manner.hatch_angle
    cosine = weight * (x * x - y * y) + (1 - weight) * np.float32(np.cos(angle))
    sine = weight * 2 * x * y + (1 - weight) * np.float32(np.sin(angle))
    mixed = np.arctan2(sine, cosine) / 2
    return np.stack([np.cos(mixed), np.sin(mixed)], axis=-1)


def hatch(
    tone: Floats, field: Floats, manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Strokes as dense and as firm as the tone is dark.

    Args:
        tone: Darkness `(H, W)` in [0, 1].
        field: Directions `(H, W, 2)`.
        manner: How to draw.
        rng: The hand's chance.
        pixels: Pixels in a unit.
    """
    height, width = tone.shape
    places = (rng.random(3) + np.arange(_CANDIDATES)[:, None] * _EVENLY) % 1
    starts, limits = places[:, :2] * (width - 1, height - 1), _LEAST + (1 - _LEAST) * places[:, 2]
    starts += rng.normal(0, _SCATTER * pixels, starts.shape)
    turns = rng.normal(0, _SPREAD, _CANDIDATES)
    steps = manner.hatch_length * pixels * rng.uniform(0.6, 1.4, _CANDIDATES) / (_POINTS - 1)
    pressed = rng.uniform(0.55, 1.0, _CANDIDATES)
    kept = _look_up(tone, starts) > limits
    paths = _run(starts[kept], steps[kept], turns[kept], field)
    wanted = _look_up(tone, paths)
    is_on = np.minimum(wanted[:, 1:], wanted[:, :-1]) > 0.55 * limits[kept, None]
    force = (pressed[kept, None] * (0.35 + 0.65 * wanted[:, :-1]) * _TAPER)[is_on]
    return Segments(
        ends=np.stack([paths[:, :-1], paths[:, 1:]], axis=2)[is_on],
        widths=(manner.hatch_width * pixels * (0.6 + 0.8 * force)).astype(np.float32),
        pressures=force.astype(np.float32),
    )


def streaks(field: Floats, rng: np.random.Generator, pixels: float) -> Floats:
    """The streaks that a pencil leaves in a tone even where it is rubbed: `(H, W)`, about 1."""
    along = field[..., 0], field[..., 1]
    grain = sheet.tooth(field.shape[:2], rng)
    for _ in range(2):
        grain = smooth_along(grain, along, 2 * pixels)
    return np.asarray(np.clip(1 + 0.6 * grain, 0.3, 1.5), np.float32)


def _look_up(field: Floats, points: Floats | Exact) -> Floats:
    """The field's values at the pixels nearest to points `(..., 2)`."""
    x = np.clip(np.rint(points[..., 0]), 0, field.shape[1] - 1).astype(np.intp)
    y = np.clip(np.rint(points[..., 1]), 0, field.shape[0] - 1).astype(np.intp)
    return field[y, x]


def _run(starts: Exact, steps: Exact, turns: Exact, field: Floats) -> Floats:
    """Follow the directions from all starts at once: `(N, points, 2)`, the start in the middle.

    Args:
        starts: `(N, 2)`, pixels.
        steps: `(N,)`, pixels from point to point.
        turns: `(N,)`, radians by which each stroke is off the direction.
        field: Directions `(H, W, 2)`.
    """
    cosine, sine = np.cos(turns)[:, None], np.sin(turns)[:, None]
    paths = [starts]
    for sign in (1, -1):
        place, heading = starts, np.zeros_like(starts)
        for _ in range(_POINTS // 2 - (sign < 0)):
            way = _look_up(field, place)
            way = sign * (cosine * way + sine * way[:, ::-1] * (-1, 1))
            heading = np.where((way * heading).sum(axis=1, keepdims=True) < 0, -way, way)
            place = place + steps[:, None] * heading
            paths = [*paths, place] if sign > 0 else [place, *paths]
    return np.stack(paths, axis=1).astype(np.float32)
