"""The small record that the audit keeps of a pair.

It holds both images in grey at 48x48, where outlines keep their places and pencil strokes vanish,
and a few measures that need the full image.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Pixels

SIDE = 48  # pixels per side of the small images
BLANK_RANGE = 8  # levels that a small image must span
_COLOUR_RANGE = 32  # levels that a channel of colours of one luma must span to be stored instead
_SAMPLES = 64  # rows and columns, at most, at which a file's colours are sampled
FEATURES = np.dtype(
    [
        ("sketch", np.uint8, (SIDE, SIDE)),
        ("photo", np.uint8, (SIDE, SIDE)),
        ("size", np.uint32, (2,)),  # as stored: height, width
        ("sketch_source", np.uint32, (2,)),  # the decoded file: height, width
        ("photo_source", np.uint32, (2,)),
        ("chroma", np.float32),  # mean of max(R, G, B) - min(R, G, B) of the sketch's file
        ("paper", np.float32),  # median luma of the border of the sketch's file
        ("middle", np.float32),  # median luma of the sketch's file
        ("sketch_range", np.uint8),  # brightest minus darkest luma as stored
    ]
)


def describe(
    sketch_source: Pixels, photo_source: Pixels, sketch: Pixels, photo: Pixels
) -> NDArray[Any]:
    """Return the record of one pair, of shape () and type FEATURES.

    The sources are the decoded files, grey (H, W) or RGB (H, W, 3) of any size; sketch and photo,
    grey (h, w) or RGB (h, w, 3), are those to store.
    """
    record = np.zeros((), FEATURES)
    record["sketch"] = _small(sketch)
    record["photo"] = _small(photo)
    record["size"] = sketch.shape[:2]
    record["sketch_source"] = sketch_source.shape[:2]
    record["photo_source"] = photo_source.shape[:2]
    # These are single pixels on a grid, since averages would mix the ink with the paper.
    down, right = (-(-side // _SAMPLES) for side in sketch_source.shape[:2])
    sample = np.ascontiguousarray(sketch_source[down // 2 :: down, right // 2 :: right])
    record["chroma"] = np.ptp(sample, axis=2).mean() if sample.ndim == 3 else 0
    luma = images.luma(sample)
    border = np.concatenate([luma[0], luma[-1], luma[:, 0], luma[:, -1]])
    # The upper one of the middle two values is stored, which is a grey level.
    record["paper"] = np.percentile(border, 50, method="higher")
    record["middle"] = np.percentile(luma, 50, method="higher")
    record["sketch_range"] = np.ptp(images.luma(sketch))
    return record


def _small(pixels: Pixels) -> Pixels:
    """Return an image's luma at (SIDE, SIDE), or if its colours share one luma, its best channel.

    The luma finds more right pairs of label maps than the strongest axis of their colours does.
    """
    luma = _reduced(images.luma(pixels))
    if pixels.ndim == 2 or np.ptp(luma) >= BLANK_RANGE:
        return luma
    channels = [_reduced(np.ascontiguousarray(pixels[:, :, channel])) for channel in range(3)]
    best = max(channels, key=np.ptp)
    return best if np.ptp(best) >= _COLOUR_RANGE else luma


def _reduced(grey: Pixels) -> Pixels:
    """Resize to (SIDE, SIDE) by area; halving first where possible is ten times as fast."""
    height, width = grey.shape
    while min(height, width) >= 4 * SIDE and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        grey = images.resize(grey, (height, width))
    return images.resize(grey, (SIDE, SIDE))


# This section describes the position and direction of outlines, which sketch and photo share.

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]
FIELD = SIDE - 2  # side of an outline field, since the border has no central differences
_FAINTEST = 4  # grey levels of an outline; JPEG's noise in areas of one colour stays below them
_CELLS = 24  # cells per side of a descriptor


def fields(pictures: NDArray[Any]) -> Floats:
    """Return outline fields (N, 2, FIELD, FIELD) of small images uint8 (N, SIDE, SIDE).

    A gradient of length m and angle a becomes w (cos 2a, sin 2a) with w = m / (m + mean m). The
    doubled angle is the same for a dark line on light paper and for an edge in either direction
    (Bigun and Granlund 1987); w lets faint outlines count nearly as much as strong ones.
    """
    across, down = _differences(pictures)
    across, down = across[:, 1:-1], down[:, :, 1:-1]
    length = np.sqrt(across * across + down * down) + np.float32(1e-3)
    weight = 1 / (length * (length + length.mean(axis=(1, 2), keepdims=True)))
    cosine = (across * across - down * down) * weight
    return np.stack([cosine, 2 * across * down * weight], axis=1)


def outlined(pictures: NDArray[Any]) -> Floats:
    """Return the fraction of each small image, (N,), where the grey changes by some levels."""
    across, down = _differences(pictures)
    share: Floats = (np.hypot(across[:, 1:-1], down[:, :, 1:-1]) >= _FAINTEST).mean(axis=(1, 2))
    return share


def descriptors(pictures: NDArray[Any]) -> Floats:
    """Return outline fields averaged over 24x24 overlapping cells, (N, 1152).

    They are histograms of oriented gradients (Dalal and Triggs 2005) with the first harmonic of
    each cell's histogram instead of its bins.
    """
    pooled: Floats = _POOL @ fields(pictures) @ _POOL.T
    return pooled.reshape(len(pooled), -1)


def likeness(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Return how the gradients of small images (N, SIDE, SIDE) correlate in pairs, in [-1, 1].

    Light, contrast and strong compression have little effect. The sign of every edge counts, which
    separates two images of the same kind and pose.
    """
    left, right = _gradients(first), _gradients(second)
    scale = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    values: Floats = (left * right).sum(axis=1) / np.maximum(scale, np.float32(1e-6))
    return values


def _differences(pictures: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return central differences to the right (N, SIDE, FIELD) and down (N, FIELD, SIDE)."""
    grey = pictures.astype(np.float32)
    return grey[:, :, 2:] - grey[:, :, :-2], grey[:, 2:] - grey[:, :-2]


def _gradients(pictures: NDArray[Any]) -> Floats:
    across, down = _differences(pictures)
    count = len(pictures)
    return np.concatenate([across.reshape(count, -1), down.reshape(count, -1)], axis=1)


# Weights (cells, FIELD), which are triangles that overlap by half and sum to 1
_POSITIONS = (np.arange(FIELD) + 0.5) / FIELD * _CELLS - 0.5
_POOL = np.maximum(0, 1 - np.abs(_POSITIONS - np.arange(_CELLS)[:, None]))
_POOL = (_POOL / _POOL.sum(axis=1, keepdims=True)).astype(np.float32)
