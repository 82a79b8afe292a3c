"""Mean squared error: mean of (generated - real)² over all pixels and channels, in [0, 65025]."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels

TITLE = "MSE"
DIRECTION = "lower"
PROTOCOL = "mean of the squared difference over pixels and RGB channels, 0-255 each"


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    >>> score(np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 200, np.uint8)).tolist()
    [40000.0]
    """
    # A difference of uint8 wraps, and so does its square; floats do not.
    squares = np.square(generated.astype(np.float64) - real)
    scores: NDArray[np.float64] = squares.mean(axis=(1, 2, 3))
    return scores
