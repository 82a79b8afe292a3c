"""A Fréchet distance between two sets of pictures by hand-made features. It is not the FID.

The formula is the FID's, the features are not: they need no network, and are those of
`metrics/_features/texture.py`. Compare it with nothing but itself.
"""

from sketchcli.images import Floats
from sketchcli.metrics._frechet import frechet_distance

TITLE = "texture distance (not FID)"
DIRECTION = "lower"
PROTOCOL = (
    "not FID, comparable with itself alone: Fréchet distance, as FID's, of 38 hand-made texture "
    "and colour features; grows as pictures get fewer"
)
FEATURES = "texture"


def compare(generated: Floats, real: Floats) -> float:
    """The distance of features `(N, D)` from `(M, D)`, 0 for equal sets.

    Raises:
        DataError: One side has a single picture.
    """
    return frechet_distance(generated, real)
