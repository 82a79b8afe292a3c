"""One place at night (left) and by day (right).

The pix2pix authors train their day-to-night model on it from B to A: A, on the left, is night.
"""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "night2day",
    "Places by night and by day",
    direction=Direction.PHOTO_RIGHT,
    size=2_000_000_000,  # "1.9G" in the server's index
    pairs=None,  # "around 20,000"
    homepage="http://transattr.cs.brown.edu/",
    source=(
        "P.-Y. Laffont, Z. Ren, X. Tao, C. Qian and J. Hays, Transient Attributes for High-Level "
        "Understanding and Editing of Outdoor Scenes, SIGGRAPH 2014."
    ),
)
