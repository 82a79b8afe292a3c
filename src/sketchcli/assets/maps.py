"""Aerial photographs (left) and maps (right) of New York."""

from sketchcli.assets._pix2pix import pix2pix_set
from sketchcli.config import Direction

ASSET = pix2pix_set(
    "maps",
    "Aerial photographs, maps",
    direction=Direction.PHOTO_LEFT,
    size=250_242_400,
    pairs=2194,
    homepage="https://phillipi.github.io/pix2pix/",
    source="Pictures from Google Maps.",
)
