"""Log-Gabor filters in quadrature (Field 1987), as Kovesi's `phasecong2.m` builds them.

Four scales of wavelength 6, 12, 24 and 48 pixels, in four orientations. The picture is taken to
go on periodically, for the filters are applied to its Fourier transform.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketchcli.metrics._filters import Values

ORIENTATIONS, SCALES = 4, 4
WAVELENGTH, RATIO = 6.0, 2.0  # the smallest, and from each to the next
BANDWIDTH = 0.55  # sigma of the radial Gaussian over the centre frequency
SPREAD = np.pi / ORIENTATIONS / 1.2  # sigma of the angular Gaussian
CUTOFF, SHARPNESS = 0.45, 15  # of the Butterworth filter that keeps the corners out


class Bank(NamedTuple):
    """The filters for one size of picture, and what white noise does to them."""

    filters: Values
    """`(orientations, scales, H, W)`, zero frequency first."""
    noise: Values
    """`(orientations,)`: the root mean square of noise through the sum of an orientation's
    scales, for noise of which half the energies at the smallest scale are below 1."""


@lru_cache(maxsize=4)
def bank(height: int, width: int) -> Bank:
    """The filters for pictures of a size."""
    down, right = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius = np.hypot(down, right)
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * SHARPNESS))
    radius[0, 0] = 1  # its logarithm is taken; the filters are zero there
    centres = [1 / (WAVELENGTH * RATIO**scale) for scale in range(SCALES)]
    radial = np.stack(
        [np.exp(-(np.log(radius / f) ** 2) / (2 * np.log(BANDWIDTH) ** 2)) for f in centres]
    )
    radial *= low_pass
    radial[:, 0, 0] = 0
    angular = np.stack(
        [_angular(down, right, o * np.pi / ORIENTATIONS) for o in range(ORIENTATIONS)]
    )
    filters = angular[:, None] * radial
    return Bank(filters, _noise(filters))


def responses(picture: Values) -> Iterator[NDArray[np.complex128]]:
    """Even (real) and odd (imaginary) responses of `(H, W)`: `(scales, H, W)` an orientation."""
    spectrum = np.fft.fft2(picture)
    for filters in bank(*picture.shape).filters:
        found = spectrum * filters
        for axis in (-1, -2):  # as ifft2, but in place: fresh memory costs more than the transform
            np.fft.ifft(found, axis=axis, out=found)
        yield found


def _frequencies(count: int) -> Values:
    """Cycles a pixel, zero first; an odd number of them also reaches to .5 on both sides."""
    steps = np.arange(count) - count // 2
    return np.fft.ifftshift(steps / (count - count % 2)).astype(np.float64)


def _angular(down: Values, right: Values, angle: float) -> Values:
    theta = np.arctan2(-down, right) - angle
    distance = np.abs(np.arctan2(np.sin(theta), np.cos(theta)))
    weights: Values = np.exp(-(distance**2) / (2 * SPREAD**2))
    return weights


def _noise(filters: Values) -> Values:
    """See `Bank.noise`.

    Of white noise, the energies of a filter are distributed as chi-squared with two degrees of
    freedom, whose median is ln 2 times the mean.
    """
    pixels = filters.shape[-2] * filters.shape[-1]
    even = np.fft.ifft2(filters).real.sum(axis=1)  # of all scales: the cross terms are in it
    gain = pixels * (even**2).sum(axis=(-2, -1)) / (filters[:, 0] ** 2).sum(axis=(-2, -1))
    found: Values = np.sqrt(gain / np.log(2))
    return found
