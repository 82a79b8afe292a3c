"""Equal error rate of telling pictures of the right person from pictures of another, in [0, 1].

The cosine of the SFace features is compared with a threshold; at one threshold as large a share of
the genuine pairs is refused as of the impostors is accepted. 0 is perfect, .5 is guessing.
"""

from sketchcli.images import Floats
from sketchcli.metrics import _gallery

TITLE = "verification EER"
DIRECTION = "lower"
PROTOCOL = (
    "equal error rate of the SFace cosine; genuine: a generated picture and its own photo, "
    "impostors: with every other photo of the split"
)
FEATURES = "faces"
IS_SHARE = True


def compare(generated: Floats, real: Floats) -> float:
    """One value from features `(N, D)` and `(N, D)`; rows with NaN are left out."""
    return _gallery.roc(generated, real).equal_error_rate
