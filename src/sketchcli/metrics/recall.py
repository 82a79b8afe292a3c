"""Recall (Kynkaanniemi et al. 2019, equation 2): how much of what is real can be generated."""

from sketchcli.images import Floats
from sketchcli.metrics._neighbours import NEIGHBOURS, share_within

TITLE = "recall"
DIRECTION = "higher"
PROTOCOL = f"share of real pictures among the generated ones, {NEIGHBOURS} nearest neighbours"
FEATURES = "inception"
IS_SHARE = True


def compare(generated: Floats, real: Floats) -> float:
    """The share, in [0, 1], of real features `(M, D)` that lie among the generated ones `(N, D)`.

    Raises:
        DataError: There are fewer than four generated pictures.
    """
    return share_within(real, manifold=generated)
