"""Fields over a picture, and the unit in which the styles measure on it.

A field is a float32 array `(H, W)`. Lengths are given in units: one unit is a pixel of a picture
of 128x128, two pixels of one of 256x256, so that a style has one look at every size.
"""

import numpy as np

from sketchcli import images
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2

_REFERENCE = 128  # pixels a side
_WIDE = 4.0  # pixels


def unit(shape: tuple[int, ...]) -> float:
    """Pixels in one unit, for a picture of shape `(H, W, ...)`.

    >>> unit((256, 256, 3))
    2.0
    """
    return float(np.sqrt(shape[0] * shape[1]) / _REFERENCE)


def luminance(photo: Pixels) -> Floats:
    """Luma `(H, W)` in [0, 1] of a photo `(H, W, 3)`."""
    return images.luma(photo).astype(np.float32) / np.float32(255)


def chroma(photo: Pixels) -> Floats:
    """CIELAB's a* (green to red) or b* (blue to yellow), whichever varies more, in [0, 1]."""
    lab = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2LAB).astype(np.float32)
    return max((lab[..., 1], lab[..., 2]), key=np.std) / np.float32(255)


def blur(field: Floats, sigma: float) -> Floats:
    """Gaussian blur, `sigma` in pixels; a wide one on a reduced copy, which is as smooth."""
    factor = int(sigma / _WIDE)
    if factor < 2:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma, 0.1)), np.float32)
    height, width = field.shape
    size = max(width // factor, 1), max(height // factor, 1)
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def ramp(field: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, smooth between: the cubic 3t^2 - 2t^3."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def to_pixels(brightness: Floats) -> Pixels:
    """Bytes in [0, 255] from brightness, whose range [0, 1] is enforced.

    >>> to_pixels(np.array([[-1, 0.5, 2]], np.float32)).tolist()
    [[0, 128, 255]]
    """
    return np.rint(np.clip(brightness, 0, 1) * 255).astype(np.uint8)


# The direction in which a picture's lines run, at every pixel.

_FAINT = 0.012  # change of luminance over a pixel: the direction of weaker ones is noise


def tangents(light: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along the edges, and how clear the direction is.

    The minor eigenvector of the smoothed structure tensor (Kyprianidis and Kang, "Image and video
    abstraction by coherence-enhancing filtering", 2011).

    Args:
        light: Luminance `(H, W)`.
        sigma: Smoothing of the tensor, in pixels.

    Returns:
        The x and y parts of the tangents and their coherence in [0, 1], each `(H, W)`.
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
    """Gaussian mean of a field along the tangents, sampled at five points.

    The second step of the flow-based difference of Gaussians (Winnemöller, Kyprianidis and Olsen
    2012), on straight arms in place of curved ones: they are short.

    Args:
        field: `(H, W)`.
        tangent: x and y parts of unit vectors, each `(H, W)`.
        sigma: Standard deviation along the tangent, in pixels.
    """
    height, width = field.shape
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    total, weights = field.copy(), 1.0
    for step in (-2, -1, 1, 2):
        reach = np.float32(step * sigma * 0.8)
        weight = float(np.exp(-0.5 * (step * 0.8) ** 2))
        x, y = columns + reach * tangent[0], rows + reach * tangent[1]
        moved = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += np.float32(weight) * moved
        weights += weight
    return total / np.float32(weights)
