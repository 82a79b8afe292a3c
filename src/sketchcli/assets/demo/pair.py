"""One face, photographed and sketched."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.assets.demo.anatomy import measure
from sketchcli.assets.demo.light import illuminate
from sketchcli.assets.demo.photo import photograph
from sketchcli.assets.demo.sampling import sample_face
from sketchcli.assets.demo.sketch import draw_sketch

_TEXTURES = 1  # sets the stream of grain and hair strands apart from the face's own


def draw_pair(
    index: int, *, size: int = 128, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a face as a pencil sketch and as a photo that match pixel for pixel.

    Args:
        index: Which face, 0 or more.
        size: Height and width in pixels, 16 to 1024; it does not change the face.
        seed: Which endless series of faces, 0 or more.

    Returns:
        The sketch `(H, W)`, grey, and the photo `(H, W, 3)`, RGB; both in [0, 255].
    """
    face = sample_face(np.random.default_rng((seed, index)))
    textures = np.random.default_rng((seed, index, _TEXTURES))
    anatomy = measure(face, size, textures)
    light = illuminate(face, anatomy)
    sketch = draw_sketch(face, anatomy, light, textures)
    photo = photograph(face, anatomy, light, textures)
    return _to_bytes(sketch), _to_bytes(photo)


def _to_bytes(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Round pixels in [0, 1] to bytes."""
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
