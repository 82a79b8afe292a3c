"""Where a set of features lies: in the union of balls around them (Kynkaanniemi et al. 2019).

The ball around a feature reaches to its k-th nearest neighbour in its own set (equation 1).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError
from sketchcli.images import Floats

NEIGHBOURS = 3  # k, as in the paper
SMALLEST = NEIGHBOURS + 1  # pictures on either side
BLOCK = 1024  # rows of a distance matrix that are held at once
ROUNDING = 1e-12  # of the squared lengths: what is nearer than this is the same


def share_within(points: Floats, manifold: Floats) -> float:
    """The share of points `(N, D)` that lie in a ball of the manifold `(M, D)`.

    Raises:
        DataError: The manifold has too few features for a k-th neighbour.
    """
    if len(manifold) < SMALLEST:
        raise DataError(
            f"precision and recall compare sets of {SMALLEST} pictures or more",
            hint="score more pictures",
        )
    # Rows are sorted with the feature itself, at distance 0, in front.
    balls = [
        np.partition(block, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        for block in _squared_distances(manifold, manifold)
    ]
    radii = np.concatenate(balls)
    inside = [(block <= radii).any(axis=1) for block in _squared_distances(points, manifold)]
    return float(np.concatenate(inside).mean())


def _squared_distances(first: Floats, second: Floats) -> Iterator[NDArray[np.float64]]:
    """Blocks of rows of the matrix of squared distances `(N, M)`."""
    centre = second.mean(axis=0, dtype=np.float64)  # nearer to 0, fewer digits cancel
    columns = second - centre
    column_lengths = np.square(columns).sum(axis=1)
    for start in range(0, len(first), BLOCK):
        rows = first[start : start + BLOCK] - centre
        lengths = np.square(rows).sum(axis=1)[:, None] + column_lengths
        squares = lengths - 2 * rows @ columns.T
        yield np.where(squares < ROUNDING * lengths, 0, squares)
