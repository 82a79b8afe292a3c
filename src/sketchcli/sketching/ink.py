"""XDoG ink: lines and black areas by an extended difference of Gaussians.

Winnemöller, Kyprianidis and Olsen, "XDoG: an extended difference-of-Gaussians compendium including
advanced image stylization", Computers & Graphics 36(6), 2012.
"""

import numpy as np

from sketchcli.images import Floats, Pixels
from sketchcli.sketching._fields import blur, luminance, smooth_along, tangents, to_pixels, unit

TITLE = "XDoG ink"

_RATIO = 1.6  # ratio of the two Gaussians' radii, the nearest to the Laplacian (the paper's k)
_SURROUNDINGS = 20  # radius of the surroundings, units
_BLACK = 0.03  # added to all light, so that a black image is as flat as any other


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` in ink `(H, W)`.

    What varies: the finer radius (0.4 to 0.8 units), the sharpening p (5 to 14), the threshold
    epsilon (0.58 to 0.8), its steepness phi (4 to 14) and the fraction of the image's own darkness
    that becomes black areas (0 to 0.35).
    """
    sigma, sharpening = rng.uniform(0.4, 0.8), rng.uniform(5, 14)
    threshold, steepness = rng.uniform(0.58, 0.8), rng.uniform(4, 14)
    blacks = rng.uniform(0, 0.35)
    pixels = unit(photo.shape)
    # Light is divided by that of its surroundings: without `blacks`, every flat area becomes white.
    # The paper thresholds the light itself, which turns every dark background into ink.
    light = luminance(photo) + np.float32(_BLACK)
    white = np.float32(np.percentile(light, 95))
    around = blur(light, _SURROUNDINGS * pixels) / white
    light = np.asarray(light / white / around ** np.float32(1 - blacks), np.float32)
    sharpened = sharpen(light, sigma * pixels, sharpening)
    smooth = smooth_along(sharpened, tangents(light, 2 * pixels)[:2], 1.2 * pixels)
    return to_pixels(soft_threshold(smooth, threshold, steepness))


def sharpen(light: Floats, sigma: float, sharpening: float) -> Floats:
    """Return the paper's S = (1 + p) G(sigma) - p G(k sigma), a difference of Gaussians added to G.

    A flat area keeps its light; beside a step, the dark side becomes darker.
    """
    p = np.float32(sharpening)
    return (1 + p) * blur(light, sigma) - p * blur(light, _RATIO * sigma)


def soft_threshold(values: Floats, threshold: float, steepness: float) -> Floats:
    """Return the paper's T(u): 1 where u >= epsilon, else 1 + tanh(phi (u - epsilon))."""
    below = np.minimum(values - np.float32(threshold), 0)
    return np.asarray(1 + np.tanh(np.float32(steepness) * below), np.float32)
