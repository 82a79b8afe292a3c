"""Multi-scale structural similarity (Wang, Simoncelli and Bovik 2003, equation 7), in [0, 1].

The product over five scales, each half the size of the one before, of the mean contrast and
structure to the power of the scale's weight, times the luminance at the coarsest. Windows, means
and reduction are those of the authors' `msssim.m`: an 11x11 Gaussian of sigma 1.5 that never leaves
the picture, on the grey picture; 2x2 means between the scales. (torchmetrics' mirrors the coarsest
scale beyond its border, and refuses pictures of 128 pixels.)

Five scales need 176 pixels, so that the window fits into the coarsest. A smaller picture is
measured at as many scales as hold the window, with their weights divided by their sum.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._filters import Values, gaussian, pad, reduce
from sketchcli.metrics._grey import grey
from sketchcli.metrics._structure import luminance_and_structure

TITLE = "MS-SSIM"
DIRECTION = "higher"
PROTOCOL = (
    "grey, 11x11 Gaussian window (sigma 1.5) inside the picture, range 255; 5 scales if the "
    "shorter side is 176 or more, else those that hold the window (4 from 88, 3 from 44, 2 from "
    "22), their weights divided by their sum; a negative mean counts as 0"
)

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # sum 1.0001, as published
RADIUS, SIGMA = 5, 1.5


def scales(height: int, width: int) -> int:
    """At how many scales the 11x11 window fits into a picture, 1 to 5.

    >>> scales(176, 200), scales(128, 128), scales(87, 200)
    (5, 4, 3)
    """
    fits = min(height, width) // (2 * RADIUS + 1)
    return min(max(fits.bit_length(), 1), len(WEIGHTS))


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([_score(grey(ours), grey(theirs)) for ours, theirs in pairs])


def _score(ours: Values, theirs: Values) -> float:
    count = scales(*ours.shape)
    weights = WEIGHTS if count == len(WEIGHTS) else WEIGHTS[:count] / WEIGHTS[:count].sum()
    # A picture below 11 pixels is seen through a window of its own size.
    window = gaussian(min(RADIUS, (min(ours.shape) - 1) // 2), SIGMA)
    means = []
    for scale in range(count):
        luminance, structure = luminance_and_structure(ours, theirs, window)
        is_coarsest = scale == count - 1
        means.append((luminance * structure if is_coarsest else structure).mean())
        ours, theirs = _half(ours), _half(theirs)
    return float(np.prod(np.maximum(means, 0) ** weights))


def _half(picture: Values) -> Values:
    """The 2x2 means; an odd last row or column is repeated (`imfilter(..., 'symmetric')`)."""
    height, width = picture.shape
    return reduce(pad(picture, (0, height % 2), (0, width % 2), "repeat"), 2)
