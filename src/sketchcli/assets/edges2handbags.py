"""Edges of handbags (left) and their photos (right)."""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "edges2handbags",
    "Handbags, their edges",
    direction=Direction.PHOTO_RIGHT,
    size=8_600_000_000,  # "8.0G" in the server's index
    pairs=138_767,
    homepage="https://github.com/junyanz/iGAN",
    source=(
        "J.-Y. Zhu, P. Krahenbuhl, E. Shechtman and A. A. Efros, Generative Visual Manipulation "
        "on the Natural Image Manifold, ECCV 2016."
    ),
)
