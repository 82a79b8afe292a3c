"""Identification: how often the own photo is among the five most similar of the gallery, in [0, 1].

The larger the gallery, the harder: a figure is worth little without its size.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.metrics import _gallery

TITLE = "rank-5"
DIRECTION = "higher"
PROTOCOL = (
    "share of the generated pictures whose own photo is among the five most similar ones "
    "(SFace cosine); the gallery is of as many photos as pictures are compared"
)
FEATURES = "faces"
IS_SHARE = True
IS_OF_A_NUMBER = True  # of photos in the gallery: never named without it


def compare_pairs(generated: Floats, real: Floats) -> NDArray[np.float64]:
    """One value for each pair, `(N,)`, 1 or 0, from features `(N, D)`; NaN where there are none.

    It depends on all pairs: the real photos are the gallery.
    """
    return _gallery.rank(generated, real, among=5)
