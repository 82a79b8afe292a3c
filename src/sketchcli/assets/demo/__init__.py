"""Faces that sketch2img draws itself: a dataset with nothing to download.

The random parameters of a `Face` (`face`) become outlines (`anatomy`), which are painted once as a
shaded photo (`photo`) and drawn once in pencil (`pair`), so that the two match pixel for pixel.
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
    """Return the sketch `(H, W)` and the photo `(H, W, 3)` of a face; see `pair.draw_pair`."""
    # Listing the assets reads only ASSET and should not wait for NumPy.
    from sketchcli.assets.demo import pair  # noqa: PLC0415

    return pair.draw_pair(index, size=size, seed=seed)
