"""Faces that the program draws itself: a data set with nothing to download.

A `Face` is a set of parameters (`face`), drawn by chance (`sampling`). They become outlines
(`anatomy`, `hair`, `clothing`) and light (`light`), painted once as a shaded photograph
(`photo`) and drawn once in pencil (`sketch`), so that the two match pixel for pixel.
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


def draw_pair(
    index: int, *, size: int = 128, seed: int = 0
) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
    """The sketch `(H, W)` and the photo `(H, W, 3)` of a face, as `pair.draw_pair` draws them."""
    # Whoever lists the assets reads ASSET alone, and should not wait for NumPy.
    from sketchcli.assets.demo import pair  # noqa: PLC0415

    return pair.draw_pair(index, size=size, seed=seed)
