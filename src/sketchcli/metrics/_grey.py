"""Grey pictures, in floats and not rounded."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import LUMA, Pixels


def grey(photos: Pixels) -> NDArray[np.float64]:
    """.299 R + .587 G + .114 B in [0, 255], `(..., H, W)` from uint8 `(..., H, W, 3)`.

    >>> grey(np.full((1, 1, 1, 3), 200, np.uint8)).round(4).tolist()
    [[[200.0]]]
    """
    values: NDArray[np.float64] = photos.astype(np.float64) @ LUMA.astype(np.float64)
    return values
