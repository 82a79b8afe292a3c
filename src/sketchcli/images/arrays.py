"""What pictures are in memory, and their ranges."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images.opencv import cv2

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def luma(pixels: Pixels) -> Pixels:
    """Grey `(H, W)` from `(H, W, 3)`: .299 R + .587 G + .114 B, within one level; grey stays.

    >>> luma(np.full((1, 1, 3), 200, np.uint8)).tolist()
    [[200]]
    """
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def to_model_range(pixels: Pixels) -> Floats:
    """Floats in [-1, 1] from uint8 in [0, 255].

    >>> to_model_range(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def from_model_range(values: Floats) -> Pixels:
    """uint8 in [0, 255] from floats in [-1, 1]: rounded, and clamped instead of wrapped.

    >>> from_model_range(np.array([-1.5, 0.0, 1.01], np.float32)).tolist()
    [0, 128, 255]
    """
    pixels: Pixels = np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def to_rgb(pixels: Pixels) -> Pixels:
    """`(H, W, 3)` from grey `(H, W)`; RGB passes through."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
