"""Colour-dodge pencil: the image divided by its own blurred copy.

This is a common recipe in paint programs: a desaturated layer and, on top of it, an inverted and
blurred copy in the blend mode "colour dodge", result = base / (1 - top). With top = 1 - blur(base),
this is base / blur(base): white where nothing changes, darker on the dark side of an edge.
"""

import numpy as np

from sketchcli.images import Pixels
from sketchcli.sketching._fields import blur, luminance, to_pixels, unit

TITLE = "colour-dodge pencil"

_BLACK = 0.04  # added to both light and blur: 0 / 0 is white, and noise in black stays invisible


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as a pencil sketch `(H, W)`.

    The blur's radius (1.2 to 5 units) sets the strokes' width, a power (1 to 2.5) their darkness.
    """
    sigma, power = rng.uniform(1.2, 5.0), rng.uniform(1.0, 2.5)
    light = luminance(photo) + np.float32(_BLACK)
    dodged = light / blur(light, sigma * unit(photo.shape))
    return to_pixels(np.minimum(dodged, 1) ** np.float32(power))
