"""Sharpness ratio: how far the two pictures are apart in the variance of their Laplacian.

The variance of the Laplacian is the measure of focus LAPV of Pech-Pacheco et al. 2000. Here it is
taken of both pictures, and the absolute logarithm of their ratio is the score: 0 is as sharp as
the real photo, 1 is a variance of half or of twice as much. It does not see where the detail is,
nor whether it is right: noise sharpens a picture.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._filters import Values, correlate, pad
from sketchcli.metrics._grey import grey

TITLE = "sharpness ratio"
DIRECTION = "lower"
PROTOCOL = (
    "|log2| of the ratio of the variances of the Laplacian (4 neighbours, mirrored border, grey), "
    "5/3 added to both; 0 is as sharp as the real photo, 1 is half or twice its variance"
)

LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
# What rounding to whole levels alone gives: 1/12 of a level², times the sum of squared weights.
ROUNDING = (LAPLACIAN**2).sum() / 12


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)` and not negative, from uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([abs(np.log2(sharpness(ours) / sharpness(theirs))) for ours, theirs in pairs])


def sharpness(photo: Pixels) -> float:
    """The variance of the Laplacian of a photo `(H, W, 3)`, plus that of rounding."""
    values: Values = correlate(pad(grey(photo), (1, 1), (1, 1), "mirror"), LAPLACIAN)
    return float(values.var() + ROUNDING)
