"""What is left of the lines that a head is laid out with before it is drawn."""

import numpy as np

from sketchcli.images import Floats
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments

_POINTS = 48
_HEIGHT_TO_WIDTH = 1.35  # of a head


def lay_out(subject: Floats, manner: Manner, rng: np.random.Generator, pixels: float) -> Segments:
    """An egg, its middle line and the line of the eyes, faint and not quite in place.

    The head is taken to be what rises highest of the subject: this needs no detector, and a head
    laid out beside its place is what such lines look like.

    Args:
        subject: How surely a pixel belongs to the subject, `(H, W)` in [0, 1].
        manner: How dark these lines are.
        rng: The hand's chance.
        pixels: Pixels in a unit.
    """
    x, y, width = _head(subject)
    half_width, half_height = width / 2 * rng.uniform(0.8, 1.0), width / 2 * _HEIGHT_TO_WIDTH
    turn = np.linspace(0.3, 0.3 + rng.uniform(5, 7), _POINTS)
    across = np.linspace(-1, 1, _POINTS)
    still = np.zeros(_POINTS)
    lines = [
        (np.cos(turn) * half_width, np.sin(turn) * half_height),
        (still + rng.normal(0, 0.04) * half_width * across, across * half_height * 1.1),
        (across * half_width * 1.1, still + half_height * rng.uniform(0, 0.12)),
    ]
    offset = rng.normal(0, 1.5 * pixels, (3, 1, 2)) + np.array([x, y])
    paths = np.stack([np.stack(line, axis=1) for line in lines]) + offset
    ends = np.stack([paths[:, :-1], paths[:, 1:]], axis=2).reshape(-1, 2, 2)
    pressures = manner.construction * rng.uniform(0.5, 1.0, len(ends))
    widths = np.full(len(ends), 0.8 * manner.width * pixels)
    return Segments(*(a.astype(np.float32) for a in (ends, widths, pressures)))


def _head(subject: Floats) -> tuple[float, float, float]:
    """Centre and width, in pixels, of what rises highest of the subject."""
    height, width = subject.shape
    rows = subject.mean(axis=1)
    top = int(np.argmax(rows > 0.05))
    upper = subject[top : top + max(height // 3, 1)]
    columns = upper.sum(axis=0) + np.float32(1e-6)
    centre = float((columns * np.arange(width)).sum() / columns.sum())
    across = float(np.clip(np.median(upper.sum(axis=1)), 0.25 * width, 0.6 * width))
    return centre, top + across / 2 * _HEIGHT_TO_WIDTH, across
