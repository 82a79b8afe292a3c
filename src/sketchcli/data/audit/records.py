"""A pair in one small record: all that the audit keeps of it.

A record holds both pictures at 48x48 pixels, where outlines are still where they were and
pencil strokes are gone, and a few measures that need the full picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Pixels

SIDE = 48  # of the small pictures, pixels
_SAMPLES = 64  # rows and columns of a source that its colours are taken from
FEATURES = np.dtype(
    [
        ("sketch", np.uint8, (SIDE, SIDE)),
        ("photo", np.uint8, (SIDE, SIDE)),  # luma
        ("size", np.uint32, (2,)),  # as stored: height, width
        ("sketch_source", np.uint32, (2,)),  # the decoded file: height, width
        ("photo_source", np.uint32, (2,)),
        ("chroma", np.float32),  # of the sketch's file: mean of max(R, G, B) - min(R, G, B)
        ("paper", np.float32),  # of the sketch's file: median luma of its border
        ("middle", np.float32),  # of the sketch's file: median luma
        ("sketch_range", np.uint8),  # as stored: brightest minus darkest luma
    ]
)


def describe(
    sketch_source: Pixels, photo_source: Pixels, sketch: Pixels, photo: Pixels
) -> NDArray[Any]:
    """The record of one pair.

    Args:
        sketch_source: The sketch's file, decoded: grey (H, W) or RGB (H, W, 3), any size.
        photo_source: The photo's file, the same.
        sketch: The sketch as stored, (h, w).
        photo: The photo as stored, (h, w, 3).

    Returns:
        An array of shape () and type FEATURES.
    """
    record = np.zeros((), FEATURES)
    record["sketch"] = _small(sketch)
    record["photo"] = _small(images.luma(photo))
    record["size"] = sketch.shape
    record["sketch_source"] = sketch_source.shape[:2]
    record["photo_source"] = photo_source.shape[:2]
    sample = _sample(sketch_source)
    record["chroma"] = _chroma(sample) if sample.ndim == 3 else 0
    luma = images.luma(sample)
    border = np.concatenate([luma[0], luma[-1], luma[:, 0], luma[:, -1]])
    record["paper"], record["middle"] = _median(border), _median(luma)
    record["sketch_range"] = sketch.max() - sketch.min()
    return record


def _small(grey: Pixels) -> Pixels:
    """(SIDE, SIDE) by area; halved first while it can be, which is ten times as fast."""
    height, width = grey.shape
    while min(height, width) >= 4 * SIDE and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        grey = images.resize(grey, (height, width))
    return images.resize(grey, (SIDE, SIDE))


def _sample(source: Pixels) -> Pixels:
    """Single pixels on a grid: averages would mix the ink with the paper."""
    down, right = (-(-side // _SAMPLES) for side in source.shape[:2])
    return np.ascontiguousarray(source[down // 2 :: down, right // 2 :: right])


def _chroma(rgb: Pixels) -> float:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    highest = np.maximum(np.maximum(red, green), blue)
    return float((highest - np.minimum(np.minimum(red, green), blue)).mean())


def _median(values: Pixels) -> int:
    """The middle value, by counting: sorting takes ten times as long."""
    counts = np.bincount(values.ravel(), minlength=256).cumsum()
    return int(np.searchsorted(counts, values.size // 2, side="right"))


# Where outlines run in small pictures, and which way: what a sketch shares with its photo.

Floats = NDArray[np.floating]
FIELD = SIDE - 2  # side of an outline field: the border has no central differences
_CELLS = 24  # a descriptor's cells, a side


def fields(pictures: NDArray[Any]) -> Floats:
    """Outline fields (N, 2, FIELD, FIELD) of small pictures uint8 (N, SIDE, SIDE).

    A gradient of length m and angle a becomes w (cos 2a, sin 2a) with w = m / (m + mean m). The
    doubled angle is the same for a dark line on light paper and for an edge in either
    direction (Bigun and Granlund 1987); w lets faint outlines count nearly as much as strong ones.
    """
    across, down = _differences(pictures)
    across, down = across[:, 1:-1], down[:, :, 1:-1]
    length = np.sqrt(across * across + down * down) + np.float32(1e-3)
    weight = 1 / (length * (length + length.mean(axis=(1, 2), keepdims=True)))
    cosine = (across * across - down * down) * weight
    return np.stack([cosine, 2 * across * down * weight], axis=1)


def descriptors(pictures: NDArray[Any]) -> Floats:
    """Outline fields averaged over 24x24 overlapping cells: (N, 1152).

    They are histograms of oriented gradients (Dalal and Triggs 2005) with the first harmonic of
    each cell's histogram in the place of its bins.
    """
    pooled: Floats = _POOL @ fields(pictures) @ _POOL.T
    return pooled.reshape(len(pooled), -1)


def likeness(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Correlation of the gradients of two rows of small pictures, each (N, SIDE, SIDE), in [-1, 1].

    Light and contrast may differ, and strong compression costs little; the sign of every edge
    counts, so that two pictures of the same kind and pose stay apart.
    """
    left, right = _gradients(first), _gradients(second)
    scale = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    values: Floats = (left * right).sum(axis=1) / np.maximum(scale, np.float32(1e-6))
    return values


def _differences(pictures: NDArray[Any]) -> tuple[Floats, Floats]:
    """Central differences to the right (N, SIDE, FIELD) and down (N, FIELD, SIDE)."""
    grey = pictures.astype(np.float32)
    return grey[:, :, 2:] - grey[:, :, :-2], grey[:, 2:] - grey[:, :-2]


def _gradients(pictures: NDArray[Any]) -> Floats:
    across, down = _differences(pictures)
    count = len(pictures)
    return np.concatenate([across.reshape(count, -1), down.reshape(count, -1)], axis=1)


def _pool() -> NDArray[np.float32]:
    """Weights (cells, FIELD): triangles that overlap by half, each summing to 1."""
    positions = (np.arange(FIELD) + 0.5) / FIELD * _CELLS - 0.5
    weights = np.maximum(0, 1 - np.abs(positions - np.arange(_CELLS)[:, None]))
    pool: NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
    return pool.astype(np.float32)


_POOL = _pool()
