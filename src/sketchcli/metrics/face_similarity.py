"""Whether the generated face is the real one's: the cosine of their SFace features, in [-1, 1].

OpenCV's zoo takes two photographs for the same person's from .363 on.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.metrics import _gallery

TITLE = "face similarity"
DIRECTION = "higher"
PROTOCOL = "cosine of the SFace features of each pair, at the real photo's alignment"
FEATURES = "faces"


def compare_pairs(generated: Floats, real: Floats) -> NDArray[np.float64]:
    """One value for each pair, `(N,)`, from features `(N, D)`; NaN where there are none."""
    return _gallery.cosines(generated, real)
