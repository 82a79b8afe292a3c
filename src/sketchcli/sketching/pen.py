"""Adaptive-threshold pen: ink wherever a pixel is darker than its neighbourhood.

This is the rule of `cv2.adaptiveThreshold` (Gaussian window), with a soft edge.
"""

import numpy as np

from sketchcli.images import Pixels
from sketchcli.sketching._fields import blur, luminance, ramp, to_pixels, unit

TITLE = "adaptive-threshold pen"

_SOFTNESS = 0.02  # width of the edge on either side of the threshold, fraction of the full range


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` in pen `(H, W)`.

    The window (2 to 4 units) sets how far a black area reaches in from its edge, the offset (3.5%
    to 6% of the full range) how much darker than its neighbourhood a pixel has to be, and a blur
    (0.3 to 0.6 units) how fine the pen is. The ink's grey varies as well (0 to 50 of 255).
    """
    window, offset = rng.uniform(2, 4), rng.uniform(0.035, 0.06)
    nib, ink = rng.uniform(0.3, 0.6), rng.uniform(0, 50) / 255
    pixels = unit(photo.shape)
    light = luminance(photo)
    darker = blur(light, window * pixels) - blur(light, nib * pixels)
    inked = ramp(darker, offset - _SOFTNESS, offset + _SOFTNESS)
    return to_pixels(1 - np.float32(1 - ink) * inked)
