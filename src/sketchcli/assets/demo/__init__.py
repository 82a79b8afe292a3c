"""Faces that the program draws itself: a data set with nothing to download.

A `Face` is a set of parameters (`face`), drawn by chance (`sampling`). They become outlines
(`anatomy`, `hair`, `clothing`) and light (`light`), painted once as a shaded photograph
(`photo`) and drawn once in pencil (`sketch`), so that the two match pixel for pixel.
"""

from sketchcli.assets import Asset
from sketchcli.assets.demo.pair import draw_pair

__all__ = ["ASSET", "draw_pair"]

ASSET = Asset(
    title="Demo faces, drawn on the spot",
    licence="MIT, drawn by this program",
    citation="Synthetic faces drawn by sketch2img.",
)
