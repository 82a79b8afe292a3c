"""Faces that sketch2img draws itself: a dataset with nothing to download.

The random parameters of a `Face` (`face`) become outlines (`anatomy`), which are painted as a
shaded photo and drawn in pencil (`drawing`), so that the two match pixel for pixel.
"""

from typing import TYPE_CHECKING

from sketchcli.assets import Asset, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ASSET = Asset(
    title="Demo faces, drawn on the spot",
    licence="MIT, drawn by this program",
    citation="Synthetic faces drawn by sketch2img.",
    kind=Kind.DRAWN,
)
_TEXTURES = 1  # separates the random stream of grain and hair strands from that of the face


def draw_pair(
    index: int, *, size: int = 128, seed: int = 0
) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
    """Draw face number `index`, as a grey pencil sketch `(H, W)` and an RGB photo `(H, W, 3)`.

    They match pixel for pixel, and are in [0, 255]. The `size` in pixels, 16 to 1024, does not
    change the face; each `seed` has its own endless series of faces.
    """
    # Listing the assets reads only ASSET and should not wait for NumPy.
    import numpy as np  # noqa: PLC0415

    from sketchcli.assets.demo.anatomy import Anatomy  # noqa: PLC0415
    from sketchcli.assets.demo.drawing import Light, develop, draw_sketch, paint_face  # noqa: PLC0415
    from sketchcli.assets.demo.face import Face  # noqa: PLC0415

    face = Face(np.random.default_rng((seed, index)))
    textures = np.random.default_rng((seed, index, _TEXTURES))
    shapes = Anatomy(face, size, textures)
    light = Light(face, shapes)
    painting = paint_face(face, shapes, light)
    sketch = draw_sketch(face, shapes, light, painting, textures)
    photo = develop(painting, face, shapes, textures)
    return _to_bytes(sketch), _to_bytes(photo)


def _to_bytes(pixels: "NDArray[np.float64]") -> "NDArray[np.uint8]":
    return (pixels.clip(0, 1) * 255 + 0.5).astype("uint8")
