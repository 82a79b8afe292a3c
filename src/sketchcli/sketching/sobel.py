"""Sobel gradient magnitude with enhanced contrast, dark on white.

The article on the system that sketch2img re-implements makes its simulated sketches this way.
"""

import numpy as np

from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur, luminance, to_pixels, unit

TITLE = "Sobel edges, contrast enhanced"

_FAINTEST = 0.06  # least change per unit that is drawn black; a flat image's noise stays faint


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as its gradient's magnitude `(H, W)`, dark on white.

    A blur (0.5 to 1.1 units) sets the width of the strokes. The contrast is stretched so that the
    strongest 1% to 5% of the pixels become black, and bent by a power (0.7 to 1.2).
    """
    sigma, strongest, power = rng.uniform(0.5, 1.1), rng.uniform(1, 5), rng.uniform(0.7, 1.2)
    pixels = unit(photo.shape)
    light = blur(luminance(photo), sigma * pixels)
    # An eighth of Sobel's kernel is the change per pixel; `pixels` makes it the change per unit.
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=pixels / 8)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=pixels / 8)
    magnitude = np.hypot(across, down)
    full = max(float(np.percentile(magnitude, 100 - strongest)), _FAINTEST)
    return to_pixels(1 - np.minimum(magnitude / np.float32(full), 1) ** np.float32(power))
