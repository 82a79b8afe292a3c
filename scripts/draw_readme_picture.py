"""Draw the README's image: sketches above, generated photos below.

python scripts/draw_readme_picture.py SKETCHES PHOTOS docs/images/demo.png
"""

import sys
from pathlib import Path

from sketchcli import images

ENLARGED = (128, 128)


def main(sketches: Path, photos: Path, picture: Path) -> None:
    """Lay the images of two folders out in two rows."""
    rows = [
        [images.resize(images.read_rgb(path), ENLARGED) for path in sorted(folder.glob("*.png"))]
        for folder in (sketches, photos)
    ]
    images.write(picture, images.sheet(rows))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
