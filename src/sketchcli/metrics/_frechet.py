"""The Fréchet distance between two sets of features, each taken for a normal distribution.

Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions".
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError
from sketchcli.images import Floats

SMALLEST = 2  # pictures on either side: one has no covariance
BLOCK = 4096  # rows that are triangulated at once


def frechet_distance(first: Floats, second: Floats) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of features `(N, D)` and `(M, D)`.

    Without a matrix square root: with A and B the centred features over sqrt(n - 1), C1 is A'A, C2
    is B'B, and tr (C1 C2)^½ is the sum of the singular values of AB'. These are those of the
    product of the triangular factors of A and B, which is no larger than `D x D` for any number of
    pictures.

    Raises:
        DataError: One side has a single picture.
    """
    if min(len(first), len(second)) < SMALLEST:
        raise DataError(
            "a Fréchet distance is one of sets of two pictures or more", hint="score more pictures"
        )
    means = [features.mean(axis=0, dtype=np.float64) for features in (first, second)]
    triangles = [_triangle(first, means[0]), _triangle(second, means[1])]
    shared = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    spread = sum(np.square(triangle).sum() for triangle in triangles) - 2 * shared
    # Of equal sets, rounding may leave a little less than nothing.
    return max(0.0, float(np.square(means[0] - means[1]).sum() + spread))


def _triangle(features: Floats, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """R, `D` columns and rows or fewer, with R'R the covariance, found block by block."""
    triangle: NDArray[np.float64] = np.empty((0, features.shape[1]))
    for start in range(0, len(features), BLOCK):
        rows = features[start : start + BLOCK] - mean
        together = np.concatenate([triangle, rows])
        triangle = np.asarray(np.linalg.qr(together, mode="r"), np.float64)
    scaled: NDArray[np.float64] = triangle / np.sqrt(len(features) - 1)
    return scaled
