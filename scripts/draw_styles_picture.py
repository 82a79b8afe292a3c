"""Draw the image of all sketch styles for the docs, from a face that sketch2img draws itself.

python scripts/draw_styles_picture.py docs/images/styles.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from sketchcli import images, registry
from sketchcli.assets.demo import draw_pair
from sketchcli.images import Pixels

FACE, SERIES, SIZE = 1, 0, 256
COLUMNS = 4
# The styles and the random seeds of their drawings, in the order in which the page names them.
DRAWINGS = (
    ("hand", 6),
    ("portrait", 0),
    ("pencil", 0),
    ("ink", 0),
    ("pen", 0),
    ("canny", 0),
    ("sobel", 0),
)


def main(picture: Path) -> None:
    """Lay the photo and its sketches out in two rows."""
    _, photo = draw_pair(FACE, size=SIZE, seed=SERIES)
    pictures = [photo, *(sketch(photo, style, seed) for style, seed in DRAWINGS)]
    rows = [pictures[start : start + COLUMNS] for start in range(0, len(pictures), COLUMNS)]
    # Steps of four grey levels are invisible, and they halve the size of the file.
    coarse = np.minimum(np.rint(images.sheet(rows) / 4.0) * 4, 255).astype(np.uint8)
    smallest = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, 0]
    cv2.imwrite(str(picture), cv2.cvtColor(coarse, cv2.COLOR_RGB2BGR), smallest)


def sketch(photo: Pixels, style: str, seed: int) -> Pixels:
    """Draw a photo in a style."""
    drawn: Pixels = registry.load(registry.STYLES, style).draw(photo, np.random.default_rng(seed))
    return drawn


if __name__ == "__main__":
    main(Path(sys.argv[1]))
