"""Mean absolute error: mean of |generated - real| over all pixels and channels, in [0, 255]."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels

TITLE = "MAE"
DIRECTION = "lower"
PROTOCOL = "mean over pixels and RGB channels, 0-255"


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    >>> score(np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 200, np.uint8)).tolist()
    [200.0]
    """
    # A difference of uint8 wraps; floats do not.
    scores: NDArray[np.float64] = np.abs(generated.astype(np.float64) - real).mean(axis=(1, 2, 3))
    return scores
