"""Street scenes (left) and their label maps (right)."""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "cityscapes",
    "Street scenes, label maps",
    direction=Direction.PHOTO_LEFT,
    size=103_441_232,
    pairs=3475,
    homepage="https://www.cityscapes-dataset.com/license/",
    source=(
        "M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, "
        "CVPR 2016."
    ),
)
