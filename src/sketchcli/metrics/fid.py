"""Fréchet Inception distance (Heusel et al. 2017, equation 6): between two normal distributions.

    FID = |mu_1 - mu_2|² + tr(C_1) + tr(C_2) - 2 tr((C_1 C_2)^½)

It is exact: no square root of a matrix is taken, and the covariances need no full rank. It is
biased upwards where the pictures are few: compare only figures of equal counts.
"""

from sketchcli.images import Floats
from sketchcli.metrics._frechet import frechet_distance

TITLE = "FID"
DIRECTION = "lower"
PROTOCOL = "exact Fréchet distance of FID Inception features; biased upwards for few pictures"
FEATURES = "inception"
IS_OF_A_NUMBER = True  # of pictures: never named without it
FEW = 2048  # fewer pictures than features: say so beside the figure


def compare(generated: Floats, real: Floats) -> float:
    """The distance of features `(N, D)` from `(M, D)`, 0 for equal sets.

    Raises:
        DataError: One side has a single picture.
    """
    return frechet_distance(generated, real)
