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
