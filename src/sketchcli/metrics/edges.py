"""Edge agreement: the F-measure of the edges of two pictures, with a tolerance of one pixel.

Edges are Canny's (1986): Gaussian smoothing, Sobel gradients, maxima across the edge, hysteresis.
They are compared as in the boundary measure of Csurka et al. 2013 ("What is a good evaluation
measure for semantic segmentation?", equation 6): precision is the share of generated edge pixels
that have a real one in reach, recall the share of real edge pixels that have a generated one.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._filters import Values, gaussian, pad, slopes, smooth
from sketchcli.metrics._grey import grey

TITLE = "edge agreement"
DIRECTION = "higher"
PROTOCOL = (
    "F-measure of Canny edges of the grey pictures within 1 pixel (8 neighbours); sigma 1, Sobel, "
    "thresholds .1 and .2 of 255, as scikit-image's; two pictures without edges count as 1"
)

Mask = NDArray[np.bool_]

RADIUS, SIGMA = 4, 1.0
SOBEL = (1.0, 2.0, 1.0)
LOW, HIGH = 0.1 * 255, 0.2 * 255  # of the Sobel sums, which are eight times the slope


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)` in [0, 1], from uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([_agreement(edges(grey(ours)), edges(grey(theirs))) for ours, theirs in pairs])


def edges(picture: Values) -> Mask:
    """Which pixels of a grey picture `(H, W)` in [0, 255] are Canny edges, `(H, W)`.

    No pixel of the border is: what lies across the edge there is not known.
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
    """Where the gradient is no weaker than a pixel further on, both ways along it."""
    around = pad(strength, (1, 1), (1, 1), "zero")
    ahead, behind = (_further(around, sign * down, sign * right) for sign in (1, -1))
    return (strength >= ahead) & (strength >= behind)


def _further(around: Values, down: Values, right: Values) -> Values:
    """The strength one pixel further along the gradient: between a straight and a diagonal one.

    Args:
        around: The strengths, with one more pixel on every side.
        down: The gradient, `(H, W)`.
        right: The gradient, `(H, W)`.
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
    """The parts of `allowed` that hold a seed, connected over eight neighbours."""
    count = 0
    while count != (count := int(seeds.sum())):
        seeds = _reach(seeds) & allowed
    return seeds


def _reach(mask: Mask) -> Mask:
    """Every pixel that is in the mask or beside one that is."""
    wide = np.pad(mask, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    reached: Mask = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    return reached
