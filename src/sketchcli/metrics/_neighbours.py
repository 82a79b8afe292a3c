"""Where a set of features lies: in the union of balls around them (Kynkaanniemi et al. 2019).

The ball around a feature reaches to its k-th nearest neighbour in its own set (equation 1).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError
from sketchcli.images import Floats

Values = NDArray[np.float64]

NEIGHBOURS = 3  # k, as in the paper
SMALLEST = NEIGHBOURS + 1  # pictures on either side
BLOCK = 1024  # rows and columns of a distance matrix that are held at once
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
    centre = manifold.mean(axis=0, dtype=np.float64)  # nearer to 0, fewer digits cancel
    radii = np.concatenate(
        [_radii(_centred(manifold, rows, centre), manifold, centre) for rows in _blocks(manifold)]
    )
    inside = [
        _is_inside(_centred(points, rows, centre), manifold, centre, radii)
        for rows in _blocks(points)
    ]
    return float(np.concatenate(inside).mean())


def _radii(rows: Values, manifold: Floats, centre: Values) -> Values:
    """The squared distance of each row of the manifold to its k-th nearest neighbour there."""
    nearest = np.empty((len(rows), 0))
    for part in _blocks(manifold):
        squares = _squared_distances(rows, _centred(manifold, part, centre))
        nearest = np.concatenate([nearest, squares], axis=1)
        if nearest.shape[1] > SMALLEST:  # the row itself, at distance 0, and its neighbours
            nearest = np.partition(nearest, NEIGHBOURS, axis=1)[:, :SMALLEST]
    radii: Values = nearest.max(axis=1)
    return radii


def _is_inside(rows: Values, manifold: Floats, centre: Values, radii: Values) -> NDArray[np.bool_]:
    found = np.zeros(len(rows), np.bool_)
    for part in _blocks(manifold):
        squares = _squared_distances(rows, _centred(manifold, part, centre))
        found |= (squares <= radii[part]).any(axis=1)
    return found


def _blocks(features: Floats) -> Iterator[slice]:
    for start in range(0, len(features), BLOCK):
        yield slice(start, start + BLOCK)


def _centred(features: Floats, rows: slice, centre: Values) -> Values:
    """Some of the rows, in float64 and about the centre."""
    shifted: Values = features[rows] - centre
    return shifted


def _squared_distances(rows: Values, columns: Values) -> Values:
    """Between rows `(N, D)` and columns `(M, D)`: `(N, M)`."""
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(columns).sum(axis=1)
    squares = lengths - 2 * rows @ columns.T
    return np.where(squares < ROUNDING * lengths, 0, squares)
