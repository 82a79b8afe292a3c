"""Texture and colour of a picture in 38 numbers, without any network.

Of each of 16 log-Gabor filters (four wavelengths, four orientations): how strong its response is,
and how unevenly it is spread over the picture (a few lines or grain everywhere). Such statistics of
a bank of filters are what a texture is told by (Portilla and Simoncelli 2000). And the mean and
the spread of L*, a* and b*.

A step of 1 in any of the 38 is meant to be as plain as in another: a response twice as strong, or
ten units of CIELAB. That is our choice, as the features of the FID are another's.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.metrics._cielab import cielab
from sketchcli.metrics._log_gabor import responses
from sketchcli.metrics.fsim import reduced

TITLE = "texture and colour (hand-made)"
PROTOCOL = (
    "16 log-Gabor filters (wavelengths 6, 12, 24, 48; reduced first by round(shorter side / 256)): "
    "log2 of the mean amplitude and of RMS over mean; mean and deviation of L*, a*, b* over 10"
)
NETWORKS: tuple[str, ...] = ()

COLOUR_STEP = 10.0  # of CIELAB
FAINTEST = 0.1  # grey levels: weaker responses are rounding


class Texture:
    """The extractor: it needs to know nothing of the real photos."""

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """Nothing, `(N, 0)`."""
        return np.empty((len(real), 0))

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """The features `(N, 38)` of uint8 pictures `(N, H, W, 3)`."""
        del places
        return describe(pictures)


def open_extractor(files: Mapping[str, Path]) -> Texture:
    """The extractor; it needs no network's file."""
    del files
    return Texture()


def describe(photos: Pixels) -> Floats:
    """The features `(N, 38)` of uint8 pictures `(N, H, W, 3)`."""
    rows = [np.concatenate([_texture(photo), _colours(photo)]) for photo in photos]
    return np.array(rows, np.float32)


def _texture(photo: Pixels) -> NDArray[np.float64]:
    strength, unevenness = [], []
    for found in responses(reduced(photo)):
        amplitudes = np.abs(found) + FAINTEST
        mean = amplitudes.mean(axis=(-2, -1))
        strength.append(mean)
        unevenness.append(np.sqrt((amplitudes**2).mean(axis=(-2, -1))) / mean)
    logarithms: NDArray[np.float64] = np.log2(np.concatenate(strength + unevenness))
    return logarithms


def _colours(photo: Pixels) -> NDArray[np.float64]:
    colours = cielab(photo)
    return np.concatenate([colours.mean(axis=(0, 1)), colours.std(axis=(0, 1))]) / COLOUR_STEP
