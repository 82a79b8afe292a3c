"""Drawn pairs of which only colour tells the parts apart: all colours of an input have one luma."""

import cv2
import numpy as np

from sketchcli import images
from sketchcli.images import Pixels

RED, GREEN = (230, 60, 60), (40, 148, 106)  # luma 111 both
WATER, LAND = (90, 150, 230), (190, 128, 80)  # luma 141 both
BLUE, BROWN = (30, 60, 120), (120, 110, 60)  # of the targets


def square(index: int, *, side: int = 32) -> tuple[Pixels, Pixels, bool]:
    """A coloured square on white; on grey, the square that it stands for: white if it is green."""
    rng = np.random.default_rng(index)
    is_green = bool(rng.random() < 0.5)
    size = int(rng.integers(side // 4, side // 2))
    top, left = (int(v) for v in rng.integers(1, side - size, 2))
    sketch = np.full((side, side, 3), 255, np.uint8)
    photo = np.full((side, side, 3), 128, np.uint8)
    place = slice(top, top + size), slice(left, left + size)
    sketch[place] = GREEN if is_green else RED
    photo[place] = 255 if is_green else 0
    return sketch, photo, is_green


def is_right(sketch: Pixels, generated: Pixels, *, is_green: bool) -> bool:
    """Whether most of the generated square is light or dark, as it must be."""
    place = images.luma(sketch) < 200
    return bool((np.median(images.luma(generated)[place]) > 128) == is_green)


def coast(index: int, *, side: int = 32) -> tuple[Pixels, Pixels, np.ndarray]:
    """A map of water and land, the same place from above, and where there is water `(H, W)`."""
    rng = np.random.default_rng(index)
    height = cv2.resize(rng.standard_normal((4, 4)), (side, side), interpolation=cv2.INTER_CUBIC)
    is_water = height < 0
    chart = np.where(is_water[..., None], WATER, LAND).astype(np.uint8)
    ground = np.where(is_water[..., None], BLUE, BROWN) + rng.normal(0, 12, (side, side, 1))
    return chart, ground.clip(0, 255).astype(np.uint8), is_water


def write_pairs(root, draw, count, *, start=0):
    """Write folders `sketches` and `photos` of drawn pairs."""
    for index in range(start, start + count):
        sketch, photo, _ = draw(index)
        images.write(root / "sketches" / f"{index:04d}.png", sketch)
        images.write(root / "photos" / f"{index:04d}.png", photo)
    return root
