"""Colour shift: the difference, CIEDE2000, of the mean colours of two pictures.

The mean of CIELAB over all pixels: a veil or a tint over a whole picture shifts it, detail and
noise hardly do. About 1 can just be seen (Sharma, Wu and Dalal 2005).
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._cielab import ciede2000, cielab

TITLE = "colour shift"
DIRECTION = "lower"
PROTOCOL = "CIEDE2000 of the pictures' mean CIELAB colours (sRGB, D65); about 1 can just be seen"


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`."""
    return ciede2000(_mean_colours(generated), _mean_colours(real))


def _mean_colours(photos: Pixels) -> NDArray[np.float64]:
    """CIELAB `(N, 3)`."""
    return np.array([cielab(photo).mean(axis=(0, 1)) for photo in photos])
