"""Fields over an image, and the unit of length that the styles use.

A field is a float32 array `(H, W)`. One unit is one pixel of a 128x128 image and two pixels of a
256x256 image, so that a style looks the same at every size. In all styles, `light` is luminance and
`subject` the certainty that a pixel belongs to the subject, in [0, 1]; `pixels` is pixels per unit.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2

_REFERENCE = 128  # side of the image in which a unit is a pixel, pixels
_WIDE = 4.0  # least standard deviation of a blur on a reduced copy, pixels


def unit(shape: tuple[int, ...]) -> float:
    """Return the pixels per unit in an image of shape `(H, W, ...)`.

    >>> unit((256, 256, 3))
    2.0
    """
    return float(np.sqrt(shape[0] * shape[1]) / _REFERENCE)


def luminance(photo: Pixels) -> Floats:
    """Return the luma `(H, W)` in [0, 1] of a photo `(H, W, 3)`."""
    return images.luma(photo).astype(np.float32) / np.float32(255)


def chroma(photo: Pixels) -> Floats:
    """Return CIELAB's a* (green-red) or b* (blue-yellow), whichever varies more, in [0, 1]."""
    lab = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2LAB).astype(np.float32)
    return max((lab[..., 1], lab[..., 2]), key=np.std) / np.float32(255)


def blur(field: Floats, sigma: float) -> Floats:
    """Apply a Gaussian blur of `sigma` pixels; a wide one on a reduced copy, which is as smooth."""
    factor = int(sigma / _WIDE)
    if factor < 2:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma, 0.1)), np.float32)
    height, width = field.shape
    size = max(width // factor, 1), max(height // factor, 1)
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(small, (width, height)), np.float32)


def ramp(field: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high` and the cubic 3t^2 - 2t^3 in between."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def to_pixels(brightness: Floats) -> Pixels:
    """Convert brightness, clipped to [0, 1], to bytes in [0, 255].

    >>> to_pixels(np.array([[-1, 0.5, 2]], np.float32)).tolist()
    [[0, 128, 255]]
    """
    return np.rint(np.clip(brightness, 0, 1) * 255).astype(np.uint8)


def joined_to(
    seeds: NDArray[np.bool_], mask: NDArray[np.bool_], *, connectivity: int
) -> NDArray[np.bool_]:
    """Return the connected areas `(H, W)` of a mask that hold a seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    return mask & np.isin(labels, np.unique(labels[seeds & mask]))


# The functions below find and follow the direction of an image's lines at every pixel.

_FAINT = 0.012  # change of luminance per pixel; the direction of weaker edges is noise


def shifted(field: Floats, dx: Floats, dy: Floats) -> Floats:
    """Return what a field has at distances `(H, W)` from each pixel, interpolated linearly."""
    y, x = np.indices(field.shape, np.float32)
    moved = cv2.remap(field, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def tangents(light: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Return x and y of unit vectors along the edges and their coherence in [0, 1], each `(H, W)`.

    They are the minor eigenvectors of the structure tensor, smoothed by `sigma` pixels (Kyprianidis
    and Kang, "Image and video abstraction by coherence-enhancing filtering", 2011).
    """
    gx = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    gy = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    xx, yy, xy = blur(gx * gx, sigma), blur(gy * gy, sigma), blur(gx * gy, sigma)
    spread = np.hypot(xx - yy, 2 * xy)
    # The gradient's angle is half that of (xx - yy, 2 xy); the tangent is at a right angle to it.
    angle = np.arctan2(2 * xy, xx - yy) / 2 + np.float32(np.pi / 2)
    coherence = spread / (xx + yy + np.float32(_FAINT) ** 2)
    return np.cos(angle), np.sin(angle), np.asarray(coherence, np.float32)


def smooth_along(field: Floats, tangent: tuple[Floats, Floats], sigma: float) -> Floats:
    """Return the Gaussian mean of a field along unit vectors `tangent`, sampled at five points.

    This is the second step of the flow-based difference of Gaussians (Winnemöller, Kyprianidis and
    Olsen 2012), on straight arms instead of curved ones, since they are short. The standard
    deviation `sigma` is in pixels.
    """
    total, weights = field.copy(), 1.0
    for step in (-2, -1, 1, 2):
        reach = np.float32(step * sigma * 0.8)
        weight = float(np.exp(-0.5 * (step * 0.8) ** 2))
        total += np.float32(weight) * shifted(field, reach * tangent[0], reach * tangent[1])
        weights += weight
    return total / np.float32(weights)
