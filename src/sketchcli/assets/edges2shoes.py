"""Edges of shoes (left) and their photos (right)."""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "edges2shoes",
    "Shoes, their edges",
    direction=Direction.PHOTO_RIGHT,
    size=2_100_000_000,  # "2.0G" in the server's index
    pairs=50_025,
    homepage="http://vision.cs.utexas.edu/projects/finegrained/utzap50k",
    source="A. Yu and K. Grauman, Fine-Grained Visual Comparisons with Local Learning, CVPR 2014.",
)
