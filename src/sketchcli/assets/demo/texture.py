"""Noise that looks the same at every size: grain, hair strands, pencil strokes."""

import numpy as np

from sketchcli.assets.demo.shapes import Field, ramp, turn


def noise(rng: np.random.Generator, cells: int, size: int) -> Field:
    """Smooth noise of about unit deviation, `(size, size)`, on a lattice of `cells` a side."""
    lattice = rng.standard_normal((cells, cells))
    return _stretch(_stretch(lattice, size).T, size).T


def _stretch(lattice: Field, size: int) -> Field:
    """Interpolate a lattice to `size` rows."""
    cells = len(lattice)
    place = (np.arange(size) + 0.5) * (cells / size) - 0.5
    first = np.clip(np.floor(place), 0, cells - 2).astype(np.intp)
    blend = ramp(place - first, 0, 1)[:, None]
    rows: Field = lattice[first] * (1 - blend) + lattice[first + 1] * blend
    return rows


def strands(rng: np.random.Generator, across: Field, spacing: float) -> Field:
    """Noise in [-1, 1] that varies only with the coordinate `across` the strands."""
    table = rng.uniform(-1, 1, 256)
    place = across / spacing
    first = np.floor(place).astype(np.int32)
    blend = ramp(place - first, 0, 1)
    here: Field = table[first & 255]
    there: Field = table[(first + 1) & 255]
    return here + (there - here) * blend


def hatch(rng: np.random.Generator, x: Field, y: Field, angle: float, spacing: float) -> Field:
    """Profile of pencil strokes side by side: about 1 in a stroke's middle, 0 between strokes.

    Strokes are set down in rows of uneven length, each with a pressure of its own.
    """
    along, across = turn(x, y, angle)
    rows = strands(rng, along + 0.06 * strands(rng, across, 2 * spacing), 0.22)
    ridges = np.cos((across + 0.2 * spacing * rows) * (2 * np.pi / spacing))
    pressure = 0.72 + 0.28 * strands(rng, across, 1.3 * spacing) + 0.10 * rows
    return pressure * (0.5 + 0.5 * ridges)
