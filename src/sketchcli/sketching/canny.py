"""Canny lines: thin contours of even darkness.

Canny, "A computational approach to edge detection", PAMI 1986: smoothing, gradient, non-maximum
suppression, and two thresholds with hysteresis. The thresholds depend on the image's own gradients,
so that a pale photo has lines as well.
"""

import numpy as np

from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur, luminance, to_pixels, unit

TITLE = "Canny lines"

_WEAKEST = 30.0  # least Sobel response (0-255) per unit; a flat image's noise has no lines


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as lines `(H, W)` of even width and darkness.

    What varies: the smoothing (0.6 to 1.1 units), the part of the image above the upper threshold
    (10% to 18%), the width of the lines (0.7 to 1.4 units) and their grey (0 to 60 of 255).
    """
    sigma, share = rng.uniform(0.6, 1.1), rng.uniform(10, 18)
    width, ink = rng.uniform(0.7, 1.4), rng.uniform(0, 60) / 255
    pixels = unit(photo.shape)
    light = blur(luminance(photo), sigma * pixels)
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=255)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=255)
    high = max(float(np.percentile(np.hypot(across, down), 100 - share)), _WEAKEST / pixels)
    # cv2.Canny reads 16-bit integers; times 16, weak gradients of a large image stay precise.
    dx, dy = (np.rint(np.clip(16 * g, -32767, 32767)).astype(np.int16) for g in (across, down))
    edges = np.asarray(cv2.Canny(dx, dy, 16 * 0.4 * high, 16 * high, L2gradient=True), np.uint8)
    if not edges.any():
        return np.full_like(edges, 255)
    distance = cv2.distanceTransform(255 - edges, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    half = max(width * pixels, 0.8) / 2
    cover = np.clip(np.float32(half + 0.5) - distance, 0, 1)
    return to_pixels(1 - np.float32(1 - ink) * cover)
