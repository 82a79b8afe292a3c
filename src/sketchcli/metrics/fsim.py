"""Feature similarity (Zhang, Zhang, Mou and Zhang 2011, equation 6), in [0, 1].

At each pixel two pictures are compared by phase congruency (Kovesi 1999) and by gradient (Scharr),
and the pixels are weighted by the greater phase congruency of the two. Constants, borders and
reduction are those of the authors' `FeatureSIM.m`; this is the grey index, not FSIMc.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics._filters import Values, reduce, slope
from sketchcli.metrics._grey import grey
from sketchcli.metrics._log_gabor import bank, responses

TITLE = "FSIM"
DIRECTION = "higher"
PROTOCOL = (
    "grey (not FSIMc); phase congruency of 4x4 log-Gabor filters from 6 pixels, Scharr gradients, "
    "T1 .85, T2 160; reduced first by round(shorter side / 256)"
)

T1, T2 = 0.85, 160.0
SCHARR = (3 / 16, 10 / 16, 3 / 16)
DEVIATIONS = 2.0  # of noise beyond its mean that do not count
OVERESTIMATE = 1.7  # by which Kovesi found the noise of this measure to be overestimated
EPSILON = 1e-4
# Every pixel's least weight: two pictures without any feature are compared by their gradients.
LEAST = 1e-9


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`."""
    pairs = zip(generated, real, strict=True)
    return np.array([_score(reduced(ours), reduced(theirs)) for ours, theirs in pairs])


def _score(ours: Values, theirs: Values) -> float:
    first, second = phase_congruency(ours), phase_congruency(theirs)
    phase = _similarity(first, second, T1)
    gradient = _similarity(slope(ours, SCHARR, "zero"), slope(theirs, SCHARR, "zero"), T2)
    weights = np.maximum(first, second) + LEAST
    return float((phase * gradient * weights).sum() / weights.sum())


def phase_congruency(picture: Values) -> Values:
    """How far the filters of all scales agree on the phase at each pixel, in [0, 1].

    Args:
        picture: Grey `(H, W)` in [0, 255].

    Returns:
        `(H, W)`, the measure PC2 of Kovesi 1999, equation 14.
    """
    energies, amplitudes = np.zeros(picture.shape), np.zeros(picture.shape)
    for found, noise in zip(responses(picture), bank(*picture.shape).noise, strict=True):
        strength = np.abs(found)
        threshold = _noise_threshold(strength[0], float(noise))
        energies += np.maximum(_energy(found) - threshold, 0)
        amplitudes += strength.sum(axis=0)
    congruency: Values = energies / np.maximum(amplitudes, EPSILON)
    return congruency


def _energy(found: NDArray[np.complex128]) -> Values:
    """The part of each response along the sum of all, less the part across, summed over scales."""
    together = found.sum(axis=0)
    length = np.abs(together)
    across = np.abs((found * together.conj()).imag).sum(axis=0)
    energy: Values = (length**2 - across) / (length + EPSILON)
    return energy


def _noise_threshold(smallest: Values, noise: float) -> float:
    """The energy that noise alone reaches, which is distributed after Rayleigh."""
    rayleigh = noise * float(np.median(smallest**2)) ** 0.5
    mean, deviation = np.sqrt(np.pi / 2), np.sqrt(2 - np.pi / 2)
    return float(rayleigh * (mean + DEVIATIONS * deviation) / OVERESTIMATE)


def _similarity(first: Values, second: Values, constant: float) -> Values:
    return (2 * first * second + constant) / (first**2 + second**2 + constant)


def reduced(photo: Pixels) -> Values:
    """A photo `(H, W, 3)` in grey, `(H, W)`, brought to 256 pixels or so where it is larger."""
    factor = int(min(photo.shape[:2]) / 256 + 0.5)  # half up, unlike round()
    return reduce(grey(photo), max(factor, 1))
