"""Metrics of texture, colour and edges without any network.

An image has 38 features. For each of 16 log-Gabor filters (four wavelengths, four orientations)
they give the strength of its response and how unevenly it is spread over the image (a few lines or
grain everywhere); such filter statistics characterise textures (Portilla and Simoncelli 2000). The
others are the mean and standard deviation of L*, a* and b*. A step of 1 in any feature is meant to
be equally visible: a response twice as strong, or ten units of CIELAB. This scaling is our choice.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.metrics._filters import Values, gaussian, grey, pad, slopes, smooth
from sketchcli.metrics.inception import frechet_distance
from sketchcli.metrics.pixel import cielab
from sketchcli.metrics.structural import reduced, responses
from sketchcli.registry import Entry

NAMES = (
    "texture-distance",
    "edges",
)

TEXTURE_PROTOCOL = (
    "16 log-Gabor filters (wavelengths 6, 12, 24, 48; reduced first by round(shorter side / 256)): "
    "log2 of the mean amplitude and of RMS over mean; mean and deviation of L*, a*, b* over 10"
)
COLOUR_STEP = 10.0  # CIELAB units per step of a feature
FAINTEST = 0.1  # grey levels; weaker responses are rounding


class Texture:
    """Extractor that describes an image without using the real photos."""

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """Return an empty array `(N, 0)`."""
        return np.empty((len(real), 0))

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """Return the features `(N, 38)` of uint8 images `(N, H, W, 3)`."""
        del places
        return describe(pictures)


def open_texture(files: Mapping[str, Path]) -> Texture:
    """Return the extractor, which needs no network's file."""
    del files
    return Texture()


def describe(photos: Pixels) -> Floats:
    """Return the features `(N, 38)` of uint8 images `(N, H, W, 3)`."""
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


# The texture distance has the FID's formula, but these features: compare it only with itself.

TEXTURE_DISTANCE_PROTOCOL = (
    "not FID, comparable only with itself: Fréchet distance, as in FID, of 38 hand-made texture "
    "and colour features; biased upwards for few images"
)


def texture_distance(generated: Floats, real: Floats) -> float:
    """Return the distance between features `(N, D)` and `(M, D)`, 0 for equal sets.

    Raises:
        DataError: If one side has a single image.
    """
    return frechet_distance(generated, real)


# Edge agreement is the F-measure of the edges of two images, with a tolerance of one pixel.
# Edges are Canny's (1986): Gaussian smoothing, Sobel gradients, maxima across the edge, hysteresis.
# They are compared as in the boundary measure of Csurka et al. 2013 ("What is a good evaluation
# measure for semantic segmentation?", equation 6): precision is the fraction of generated edge
# pixels with a real one in reach, recall the fraction of real edge pixels with a generated one.

EDGES_PROTOCOL = (
    "F-measure of Canny edges of the grey images within 1 pixel (8 neighbours); sigma 1, Sobel, "
    "thresholds 0.1 and 0.2 of 255, as in scikit-image; two images without edges count as 1"
)
Mask = NDArray[np.bool_]
RADIUS, SIGMA = 4, 1.0
SOBEL = (1.0, 2.0, 1.0)
LOW, HIGH = 0.1 * 255, 0.2 * 255  # thresholds of the Sobel sums, which are eight times the slope


def edge_agreement(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """Return one value in [0, 1] per image, `(N,)`, of uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([_agreement(edges(grey(ours)), edges(grey(theirs))) for ours, theirs in pairs])


def edges(picture: Values) -> Mask:
    """Return which pixels of a grey image `(H, W)` in [0, 255] are Canny edges, `(H, W)`.

    Border pixels never are, because the values across an edge are unknown there.
    """
    around = (RADIUS, RADIUS)
    smoothed = smooth(pad(picture, around, around, "mirror"), gaussian(RADIUS, SIGMA))
    down, right = slopes(smoothed, SOBEL, "repeat")
    strength = np.hypot(down, right)
    candidates = _is_maximum(down, right, strength) & (strength >= LOW)
    candidates[[0, -1], :] = False
    candidates[:, [0, -1]] = False
    return _grown(candidates & (strength >= HIGH), candidates)


def _agreement(ours: Mask, theirs: Mask) -> float:
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = (ours & _reach(theirs)).sum() / ours.sum()
    recall = (theirs & _reach(ours)).sum() / theirs.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _is_maximum(down: Values, right: Values, strength: Values) -> Mask:
    """Return where the gradient is no weaker than one pixel further along it, both ways."""
    around = pad(strength, (1, 1), (1, 1), "zero")
    ahead, behind = (_further(around, sign * down, sign * right) for sign in (1, -1))
    return (strength >= ahead) & (strength >= behind)


def _further(around: Values, down: Values, right: Values) -> Values:
    """Return the strength one pixel further along the gradient `(down, right)`, each `(H, W)`.

    It is interpolated between a straight and a diagonal neighbour from `around`, the strengths
    padded by one pixel on every side.
    """
    is_steep = np.abs(down) > np.abs(right)
    longer, shorter = np.where(is_steep, (down, right), (right, down))
    slant = np.abs(np.divide(shorter, longer, out=np.zeros_like(longer), where=longer != 0))
    rows, columns = np.indices(down.shape) + 1
    step_down, step_right = np.sign(down).astype(int), np.sign(right).astype(int)
    diagonal = around[rows + step_down, columns + step_right]
    straight = around[rows + step_down * is_steep, columns + step_right * ~is_steep]
    between: Values = slant * diagonal + (1 - slant) * straight
    return between


def _grown(seeds: Mask, allowed: Mask) -> Mask:
    """Return the parts of `allowed` that contain a seed, connected over eight neighbours."""
    count = 0
    while count != (count := int(seeds.sum())):
        seeds = _reach(seeds) & allowed
    return seeds


def _reach(mask: Mask) -> Mask:
    """Return the pixels that are in the mask or next to one that is."""
    wide = np.pad(mask, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    reached: Mask = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    return reached


ENTRIES = {
    "texture-distance": Entry(
        TITLE="texture distance (not FID)",
        DIRECTION="lower",
        PROTOCOL=TEXTURE_DISTANCE_PROTOCOL,
        FEATURES="texture",
        compare=texture_distance,
    ),
    "edges": Entry(
        TITLE="edge agreement",
        DIRECTION="higher",
        PROTOCOL=EDGES_PROTOCOL,
        score=edge_agreement,
    ),
}

EXTRACTOR = Entry(
    TITLE="texture and colour (hand-made)",
    PROTOCOL=TEXTURE_PROTOCOL,
    NETWORKS=(),
    open_extractor=open_texture,
)
