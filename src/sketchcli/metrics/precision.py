"""Precision (Kynkaanniemi et al. 2019, equation 2): how much of what is generated looks real."""

from sketchcli.images import Floats
from sketchcli.metrics._neighbours import NEIGHBOURS, share_within

TITLE = "precision"
DIRECTION = "higher"
PROTOCOL = f"share of generated pictures among the real ones, {NEIGHBOURS} nearest neighbours"
FEATURES = "inception"
IS_SHARE = True


def compare(generated: Floats, real: Floats) -> float:
    """The share, in [0, 1], of features `(N, D)` that lie among the real ones `(M, D)`.

    Raises:
        DataError: There are fewer than four real pictures.
    """
    return share_within(generated, manifold=real)
