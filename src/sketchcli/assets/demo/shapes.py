"""Signed distances (negative inside) to simple shapes, and ways to paint with them.

Coordinates point right and down. Distances to ellipses and curves are first-order approximations
that are exact at the outline, where they are used.
"""

import numpy as np
from numpy.typing import NDArray

# One value per pixel, (H, W), or a shape that broadcasts to it. It is float64 because exponentials
# differ between processors in the last bit, which then does not show in images.
Field = NDArray[np.float64]
FAR = 9.0  # distance to a shape that is not there


def turn(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Return coordinates in a frame turned by `angle` radians, both `(H, W)`."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return c * x + s * y, c * y - s * x


def ellipse(x: Field, y: Field, rx: float, ry: float) -> Field:
    """Return the distance to an ellipse about the origin."""
    k = np.sqrt((x / rx) ** 2 + (y / ry) ** 2)
    slope = np.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2)
    return np.asarray(k * (k - 1) / np.maximum(slope, 1e-3))


def box(x: Field, y: Field, half_width: float, half_height: float, corner: float) -> Field:
    """Return the distance to a box about the origin whose corners have radius `corner`."""
    dx = np.abs(x) - (half_width - corner)
    dy = np.abs(y) - (half_height - corner)
    outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0) - corner)


def bow(x: Field, y: Field, half_width: float, top: Field | float, bottom: Field | float) -> Field:
    """Return the distance to the shape between two curves that meet at x = ±half_width on y = 0.

    In the middle, the curves rise by `top` and sink by `bottom`.
    """
    t = x / half_width
    arch = 1 - t * t
    slope = 2 * np.abs(t) / half_width
    above = (-top * arch - y) / np.sqrt(1 + (top * slope) ** 2)
    below = (y - bottom * arch) / np.sqrt(1 + (bottom * slope) ** 2)
    return np.maximum(np.maximum(above, below), np.abs(x) - half_width)


def smooth_union(a: Field, b: Field, blend: float) -> Field:
    """Return the union of two shapes, whose seam is rounded over a width of about `blend`."""
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * (blend / 4)


def bump(x: Field, y: Field | float, rx: float, ry: float) -> Field:
    """Return a Gaussian hill about the origin, 1 at its top."""
    return np.exp(-0.5 * ((x / rx) ** 2 + (y / ry) ** 2))


def ramp(value: Field, start: Field | float, end: Field | float) -> Field:
    """Return a smooth step from 0 at `start` to 1 at `end`."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def fill(distance: Field, pixel: float, blur: float = 0.0) -> Field:
    """Return the fraction of each pixel that a shape covers; `blur` softens its edge."""
    return np.clip(0.5 - distance / max(pixel, blur), 0, 1)


def stroke(distance: Field, half_width: Field | float, pixel: float) -> Field:
    """Return the fraction of each pixel that a line along an outline covers.

    Lines thinner than a pixel grow fainter instead, so that all sizes look alike.
    """
    wide = np.maximum(half_width, pixel / 2)
    cover = np.clip((wide - np.abs(distance)) / pixel + 0.5, 0, 1)
    return cover * np.minimum(2 * half_width / pixel, 1)


def paint(canvas: Field, cover: Field, value: Field | float) -> Field:
    """Lay `value` over a canvas, `(H, W)` or `(H, W, 3)`, where `cover` is above 0."""
    if canvas.ndim == 3:
        cover = cover[..., None]
    return canvas + (value - canvas) * cover


# The functions below make noise that looks the same at every size, for grain, hair and strokes.


def noise(rng: np.random.Generator, cells: int, size: int) -> Field:
    """Return smooth noise `(size, size)` of about unit deviation, with `cells` knots per side."""
    values: Field = rng.standard_normal((cells, cells))
    place = (np.arange(size, dtype=float) + 0.5) * (cells / size) - 0.5
    first = np.clip(np.floor(place), 0, cells - 2).astype(np.intp)
    blend = ramp(place - first, 0, 1)[:, None]
    for _ in range(2):  # rows, then columns
        values = (values[first] * (1 - blend) + values[first + 1] * blend).T
    return np.ascontiguousarray(values)


def strands(rng: np.random.Generator, across: Field, spacing: float) -> Field:
    """Return noise in [-1, 1] that varies only with the coordinate `across` the strands."""
    table = rng.uniform(-1, 1, 256)
    place = across / spacing
    first = np.floor(place).astype(np.int32)
    blend = ramp(place - first, 0, 1)
    here: Field = table[first & 255]
    there: Field = table[(first + 1) & 255]
    return here + (there - here) * blend
