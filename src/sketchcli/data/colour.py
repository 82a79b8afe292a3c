"""Whether a dataset's images are in colour, or grey in all but format.

Photos are in colour if they have any. Sketches, and all that they are translated from, are in
colour if it tells their parts apart.

Paper yellows and gets stains, ink and photos are toned, and JPEG adds colour noise: none of this
needs three channels. A label map does. The statistics of images are added up, in any order of
processes, and one number for the whole dataset decides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import LUMA, Pixels

# Seen at 32 to 256 px. Grey: the CUHK sketches 0.6, sketches toned, in sepia or blue ink, yellowed
# or on brown paper 3.5, all of these mixed 6, unevenly yellowed 9, sepia and cyan photos mixed 9.5,
# brown stains 12. Colour: photos of sandy facades 18, two pencils 18, thin pencils in four colours
# 20, squares in two pale colours of one luma 21, a map of pale water and land 26, pastel squares
# 38, photos of faces 43, label maps of facades 100.
LEAST = 15.0  # deviation of chroma, in levels of 255, from which on colour tells parts apart
_SIDE = 64  # pixels per side at most; the reduction averages colour noise
_BINS = 16  # of luma
# Photos: grey ones as JPEG with noise 0.4, with a cast of 4% 5, the CUHK sketches 2; facades 30.
LEAST_OF_PHOTOS = 3.0  # root mean square of the chroma of photos in colour, in levels of 255
_HEAD = 4  # values before the bins: all pixels, those of ink, their own deviation, all chroma
_PAPER, _TINT = 235, 15  # a lighter pixel with less chroma is paper
_NIGHT = 24  # median luma of an image on black ground; a darker pixel with less chroma is ground
_DARKEST, _TONED = 110, 0.5  # paper's least luma, and its lowest channel by its highest
_NEAR, _FLAT = 10, 0.6  # a flat image has this fraction of its colour within so many levels of luma
_AGED = np.array([1, 2], np.float32) / np.sqrt(np.float32(5))  # chroma of aged paper and stains
_LEAST_INK = 0.01  # fraction of the pixels; specks on empty sheets do not count as more than that

LENGTH = _HEAD + 4 * _BINS
Statistics = NDArray[np.float64]  # (LENGTH,); of several images, their sum


def is_grey(pixels: Pixels) -> bool:
    """Return whether an image `(H, W)` or `(H, W, 3)` has no colour at all."""
    return pixels.ndim == 2 or bool((pixels == pixels[:, :, :1]).all())


def measure(pixels: Pixels) -> Statistics:
    """Return the colour statistics of an image, grey `(H, W)` or RGB `(H, W, 3)`."""
    found = np.zeros(LENGTH)
    height, width = (max(1, min(_SIDE, side // 2)) for side in pixels.shape[:2])
    reduced = images.resize(pixels, (height, width))
    found[0] = height * width
    if is_grey(pixels):
        found[1] = np.count_nonzero(~_is_ground(images.luma(reduced)))
        return found
    small = reduced.reshape(-1, 3).astype(np.float32)
    found[3] = (_chroma(small) ** 2).sum()
    small = _on_white(small)
    luma, chroma = small @ LUMA, _chroma(small)
    is_ink = ~_is_ground(luma) | ((chroma**2).sum(axis=1) > _TINT**2)
    luma, chroma = luma[is_ink], chroma[is_ink]
    chroma -= np.maximum(chroma @ _AGED, 0)[:, None] / 2 * _AGED  # half of this hue may be age
    energy = (chroma**2).sum(axis=1)
    found[1] = len(luma)
    bins = (luma * np.float32(_BINS / 256)).astype(int)
    weights = (None, *chroma.T, energy)
    table = np.stack([np.bincount(bins, each, _BINS) for each in weights], axis=1).astype(float)
    # The one hue of an image with a range of tones is its ink. The one colour of an image with one
    # tone may mean something, which only a comparison with the other images shows.
    if _is_flat(luma, energy):
        found[_HEAD:] = table.reshape(-1)
    else:
        found[2] = _deviation(table)
    return found


def strength(statistics: Statistics) -> float:
    """Return how much colour says beyond luma: a root mean square of chroma, in levels of 255."""
    pixels, ink, own, _ = statistics[:_HEAD]
    shared = _deviation(statistics[_HEAD:].reshape(_BINS, 4))
    return float(np.sqrt((own + shared) / max(ink, _LEAST_INK * pixels, 1)))


def _chroma(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return red against green, and both against blue, (N, 2), of colours (N, 3)."""
    red, green, blue = colours.T
    return np.stack([red - green, (red + green) / 2 - blue], axis=1)


def _is_ground(luma: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels have the luma of paper or, in an image on black, of the black."""
    darkest = _NIGHT if np.median(luma) < _NIGHT else 0
    is_ground: NDArray[np.bool_] = (luma >= _PAPER) | (luma < darkest)
    return is_ground


def amount(statistics: Statistics) -> float:
    """Return how much colour there is: the root mean square of all chroma, in levels of 255."""
    return float(np.sqrt(statistics[3] / max(statistics[0], 1)))


def _on_white(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide colours (N, 3) by that of the paper, if there is any: it is light and rather grey."""
    luma = colours @ LUMA
    paper = np.median(colours[luma >= np.percentile(luma, 70)], axis=0)
    if paper @ LUMA < _DARKEST or paper.min() < _TONED * paper.max():
        return colours
    whitened: NDArray[np.float32] = np.minimum(colours * (255 / paper), 255).astype(np.float32)
    return whitened


def _is_flat(luma: NDArray[np.float32], energy: NDArray[np.float32]) -> bool:
    """Return whether nearly all colour is at one luma."""
    below = np.cumsum(np.bincount(luma.astype(int), energy, 257))
    middle = int(np.searchsorted(below, below[-1] / 2))
    near = below[min(middle + _NEAR, 256)] - below[max(middle - _NEAR - 1, 0)]
    return bool(near > _FLAT * below[-1])


def _deviation(table: NDArray[np.float64]) -> float:
    """Return the squares that remain if chroma has one hue, whose strength depends on luma alone.

    The table (_BINS, 4) holds counts, two sums of chroma and the sum of its squares.
    """
    count, sums = table[:, :1], table[:, 1:3]
    scatter = (sums / np.maximum(count, 1)).T @ sums
    return max(0.0, float(table[:, 3].sum() - np.linalg.eigvalsh(scatter)[-1]))
