"""CMP facades: the photo of a house front is left, its label map right."""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "facades",
    "House fronts, label maps (CMP)",
    direction=Direction.PHOTO_LEFT,
    size=30_168_306,
    pairs=606,
    homepage="https://cmp.felk.cvut.cz/~tylecr1/facade/",
    source=(
        "R. Tylecek and R. Sara, Spatial Pattern Templates for Recognition of Objects with "
        "Regular Structure, GCPR 2013."
    ),
)
