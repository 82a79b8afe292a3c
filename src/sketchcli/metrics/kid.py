"""Kernel Inception distance (Binkowski et al. 2018, equation 4): the unbiased squared MMD.

The kernel is (x . y / d + 1)³ over the d features. The estimate is taken over the whole sets:
other programs average it over random subsets, which has the same expectation and adds a spread.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError
from sketchcli.images import Floats

TITLE = "KID x1000"
DIRECTION = "lower"
PROTOCOL = "unbiased MMD², kernel (x.y/d + 1)³, over the whole sets (no subsets), times 1000"
FEATURES = "inception"
SMALLEST = 2  # pictures on either side: one has no partner to be compared with
BLOCK = 2048  # rows of a kernel matrix that are held at once


def compare(generated: Floats, real: Floats) -> float:
    """A thousand times the distance between features `(N, D)` and `(M, D)`; 0 is the best.

    Being unbiased, it may fall below 0 for sets that are alike.

    Raises:
        DataError: One side has a single picture.
    """
    if min(len(generated), len(real)) < SMALLEST:
        raise DataError("KID compares sets of two pictures or more", hint="score more pictures")
    within = _mean_within(generated) + _mean_within(real)
    between = _sum(generated, real) / (len(generated) * len(real))
    return 1000 * (within - 2 * between)


def _mean_within(features: Floats) -> float:
    """The mean kernel of all pairs of two different pictures of one set."""
    count, width = features.shape
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    own = float(_kernel(squares, width).sum())
    return float((_sum(features, features) - own) / (count * (count - 1)))


def _sum(first: Floats, second: Floats) -> float:
    """The sum of the kernel over all pairs."""
    total = 0.0
    for top in range(0, len(first), BLOCK):
        rows = first[top : top + BLOCK].astype(np.float64)
        for left in range(0, len(second), BLOCK):
            columns = second[left : left + BLOCK].astype(np.float64)
            total += float(_kernel(rows @ columns.T, first.shape[1]).sum())
    return total


def _kernel(products: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    shifted = products / width + 1
    return shifted * shifted * shifted
