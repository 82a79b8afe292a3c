"""Gradient agreement: the mean gradient magnitude similarity, GMSM (Xue et al. 2014), in (0, 1].

Equations 4 and 5 of "Gradient magnitude similarity deviation: a highly efficient perceptual image
quality index", with the constants, borders and reduction of the authors' `GMSD.m`. The index that
they propose, the deviation in the place of the mean (GMSD), was made for copies that are damaged
here and there: it calls a picture good that is equally wrong everywhere. On CUHK it puts white
noise before another person's photo (.284 before .290, lower is better), the mean does not (.631
and .774).
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._filters import Values, reduce, slope
from sketchcli.metrics._grey import grey

TITLE = "gradient agreement"
DIRECTION = "higher"
PROTOCOL = "GMSM: mean similarity of Prewitt gradients of the grey pictures halved by 2x2, T 170"

T = 170.0
PREWITT = (1 / 3, 1 / 3, 1 / 3)


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([similarities(ours, theirs).mean() for ours, theirs in pairs])


def similarities(ours: Pixels, theirs: Pixels) -> Values:
    """Of the gradients of two pictures `(H, W, 3)` at each pixel of half their size."""
    first, second = (slope(reduce(grey(p), 2), PREWITT, "zero") for p in (ours, theirs))
    return (2 * first * second + T) / (first**2 + second**2 + T)
