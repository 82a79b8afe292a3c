"""Metrics of structure: SSIM, multi-scale SSIM, gradient magnitudes and phase congruency."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2
from sketchcli.metrics._filters import Values, grey, per_image, reduce, slope
from sketchcli.registry import Entry

NAMES = ("ssim", "ms-ssim", "gradient", "fsim")

# SSIM is the structural similarity of Wang et al. 2004, equation 13, of grey images, in [-1, 1].
# The window is 7x7 and uniform, the data range 255, and the mean is taken over all pixels, with
# mirrored borders. Implementations that exclude the border (scikit-image's) score up to 0.02 lower
# on portraits with plain backgrounds. The values agree with those of torchmetrics up to rounding;
# its convolution takes far longer.

WINDOW = 7
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@per_image
def ssim(generated: Pixels, real: Pixels) -> float:
    """Return the mean similarity."""
    window = np.full(WINDOW, 1 / WINDOW)
    luminance, structure = luminance_and_structure(grey(generated), grey(real), window)
    return float((luminance * structure).mean())


def luminance_and_structure(ours: Values, theirs: Values, window: Values) -> tuple[Values, Values]:
    """Return luminance, and contrast times structure, at every pixel of two images `(H, W)`.

    The window is the outer product of the weights `(n,)`, whose sum is 1, with themselves; images
    are mirrored beyond the border. The product of the results is the similarity (equation 13).
    """
    x, y, xx, yy, xy = (
        cv2.sepFilter2D(image, -1, window, window, borderType=cv2.BORDER_REFLECT_101)
        for image in (ours, theirs, ours * ours, theirs * theirs, ours * theirs)
    )
    variances = np.maximum(xx - x * x, 0) + np.maximum(yy - y * y, 0)
    luminance = (2 * x * y + C1) / (x * x + y * y + C1)
    structure = (2 * (xy - x * y) + C2) / (variances + C2)
    return luminance, structure


# MS-SSIM is the multi-scale similarity of Wang, Simoncelli and Bovik 2003, equation 7, in [0, 1].
# It is the product over five scales, each half the size of the previous one, of the mean contrast
# and structure to the power of the scale's weight, times the luminance at the coarsest scale.
# Window, means and reduction are those of the authors' `msssim.m`: an 11x11 Gaussian of sigma 1.5
# that never leaves the grey image, and 2x2 means between scales. (torchmetrics mirrors the coarsest
# scale beyond its border and rejects images of 128 pixels.) Below 176 pixels, the window does not
# fit into five scales; only those that hold it are used, with their weights divided by their sum.

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # sum 1.0001, as published
RADIUS, SIGMA = 5, 1.5


def scales(height: int, width: int) -> int:
    """Return at how many scales, 1 to 5, the 11x11 window fits into an image."""
    fits = min(height, width) // (2 * RADIUS + 1)
    return min(max(fits.bit_length(), 1), len(WEIGHTS))


@per_image
def ms_ssim(generated: Pixels, real: Pixels) -> float:
    """Return the product over the scales."""
    ours, theirs = grey(generated), grey(real)
    count = scales(*ours.shape)
    weights = WEIGHTS if count == len(WEIGHTS) else WEIGHTS[:count] / WEIGHTS[:count].sum()
    # An image below 11 pixels gets a window of its own size.
    radius = min(RADIUS, (min(ours.shape) - 1) // 2)
    window = np.asarray(cv2.getGaussianKernel(2 * radius + 1, SIGMA), np.float64)
    means = []
    for scale in range(count):
        luminance, structure = luminance_and_structure(ours, theirs, window)
        whole = luminance * structure if scale == count - 1 else structure
        height, width = whole.shape
        means.append(whole[radius : height - radius, radius : width - radius].mean())
        # An odd last row or column is repeated, as by Matlab's `imfilter`.
        ours, theirs = (reduce(image, 2, cv2.BORDER_REPLICATE) for image in (ours, theirs))
    return float(np.prod(np.maximum(means, 0) ** weights))


# Gradient agreement is the mean gradient magnitude similarity (GMSM, Xue et al. 2014), in (0, 1].
# It follows equations 4 and 5 of "Gradient magnitude similarity deviation: a highly efficient
# perceptual image quality index", with the constants, borders and reduction of the authors'
# `GMSD.m`. The index that they propose, the deviation instead of the mean (GMSD), was made for
# locally damaged copies: it rates an image as good if it is equally wrong everywhere. On CUHK, GMSD
# rates white noise better than another person's photo (0.284 and 0.290, lower is better); the mean
# does not (0.631 and 0.774, higher is better).

T = 170.0
PREWITT = (1 / 3, 1 / 3, 1 / 3)


@per_image
def gradient(generated: Pixels, real: Pixels) -> float:
    """Return the mean gradient similarity."""
    return float(similarities(generated, real).mean())


def similarities(ours: Pixels, theirs: Pixels) -> Values:
    """Return the gradient similarity of two images `(H, W, 3)` at each pixel of half their size."""
    first, second = (slope(reduce(grey(photo), 2), PREWITT) for photo in (ours, theirs))
    return _similarity(first, second, T)


def _similarity(first: Values, second: Values, constant: float) -> Values:
    return (2 * first * second + constant) / (first**2 + second**2 + constant)


# Log-Gabor filters in quadrature (Field 1987) are built as in Kovesi's `phasecong2.m`.
# They have wavelengths of 6, 12, 24 and 48 pixels in four orientations. Images are treated as
# periodic because the filters are applied to their Fourier transforms.

ORIENTATIONS, SCALES = 4, 4
WAVELENGTH, RATIO = 6.0, 2.0  # smallest wavelength in pixels, and ratio of one to the next
BANDWIDTH = 0.55  # sigma of the radial Gaussian over the centre frequency
SPREAD = np.pi / ORIENTATIONS / 1.2  # sigma of the angular Gaussian
CUTOFF, SHARPNESS = 0.45, 15  # cutoff and order of the Butterworth filter for the corners


@lru_cache(maxsize=4)
def bank(height: int, width: int) -> tuple[Values, Values]:
    """Return the filters for images of a size, and their response to white noise.

    The filters are `(orientations, scales, H, W)`, zero frequency first. The response is
    `(orientations,)`: the root mean square of noise through the sum of an orientation's scales,
    for noise whose median energy at the smallest scale is 1. For white noise, the energies of a
    filter follow a chi-squared distribution with two degrees of freedom, whose median is ln 2 times
    the mean.
    """
    down, right = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius = np.hypot(down, right)
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * SHARPNESS))
    radius[0, 0] = 1  # the logarithm must exist; the filters are zero there
    centres = 1 / (WAVELENGTH * RATIO ** np.arange(SCALES)[:, None, None])
    radial = low_pass * np.exp(-(np.log(radius / centres) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
    radial[:, 0, 0] = 0
    angles = np.arange(ORIENTATIONS)[:, None, None] * np.pi / ORIENTATIONS
    theta = np.arctan2(-down, right) - angles
    distance = np.arctan2(np.sin(theta), np.cos(theta))
    filters = np.exp(-(distance**2) / (2 * SPREAD**2))[:, None] * radial
    even = np.fft.ifft2(filters).real.sum(axis=1)  # the sum over scales includes the cross terms
    gain = height * width * (even**2).sum(axis=(-2, -1)) / (filters[:, 0] ** 2).sum(axis=(-2, -1))
    return filters, np.sqrt(gain / np.log(2))


def _frequencies(count: int) -> Values:
    """Return cycles per pixel, zero first; an odd count also reaches 0.5 on both sides."""
    steps = np.arange(count) - count // 2
    return np.fft.ifftshift(steps / (count - count % 2)).astype(np.float64)


def responses(picture: Values) -> Iterator[NDArray[np.complex128]]:
    """Yield even (real) and odd (imaginary) responses `(scales, H, W)` per orientation."""
    spectrum = np.fft.fft2(picture)
    for filters in bank(*picture.shape)[0]:
        found = spectrum * filters
        for axis in (-1, -2):  # ifft2 would allocate memory, which costs more than the transform
            np.fft.ifft(found, axis=axis, out=found)
        yield found


# FSIM is the feature similarity of Zhang, Zhang, Mou and Zhang 2011, equation 6, in [0, 1].
# At each pixel, phase congruency (Kovesi 1999) and Scharr gradients of the two images are compared;
# pixels are weighted by the greater phase congruency. Constants, borders and reduction are those of
# the authors' `FeatureSIM.m`; this is the grey index, not FSIMc.

T1, T2 = 0.85, 160.0
SCHARR = (3 / 16, 10 / 16, 3 / 16)
DEVIATIONS = 2.0  # standard deviations of noise above its mean that are ignored
OVERESTIMATE = 1.7  # factor by which Kovesi found this noise to be overestimated
EPSILON = 1e-4
LEAST = 1e-9  # weight of a pixel; two images without features are compared by their gradients


@per_image
def fsim(generated: Pixels, real: Pixels) -> float:
    """Return the similarity of two photos, reduced to about 256 pixels if they are larger."""
    factor = int(min(real.shape[:2]) / 256 + 0.5)  # a half is rounded up, unlike by round()
    ours, theirs = (reduce(grey(photo), max(factor, 1)) for photo in (generated, real))
    first, second = phase_congruency(ours), phase_congruency(theirs)
    phase = _similarity(first, second, T1)
    gradients = _similarity(slope(ours, SCHARR), slope(theirs, SCHARR), T2)
    weights = np.maximum(first, second) + LEAST
    return float((phase * gradients * weights).sum() / weights.sum())


def phase_congruency(picture: Values) -> Values:
    """Return how far the filters of all scales agree on the phase at each pixel, in [0, 1].

    The result `(H, W)`, of a grey image in [0, 255], is PC2 of Kovesi 1999, equation 14.
    """
    energies, amplitudes = np.zeros(picture.shape), np.zeros(picture.shape)
    mean, deviation = np.sqrt(np.pi / 2), np.sqrt(2 - np.pi / 2)  # of a Rayleigh distribution
    for found, noise in zip(responses(picture), bank(*picture.shape)[1], strict=True):
        strength = np.abs(found)
        # The energy that noise alone reaches follows a Rayleigh distribution.
        rayleigh = noise * np.median(strength[0] ** 2) ** 0.5
        threshold = rayleigh * (mean + DEVIATIONS * deviation) / OVERESTIMATE
        # Of the responses, the part along their sum over scales minus the part across it.
        together = found.sum(axis=0)
        length = np.abs(together)
        across = np.abs((found * together.conj()).imag).sum(axis=0)
        energies += np.maximum((length**2 - across) / (length + EPSILON) - threshold, 0)
        amplitudes += strength.sum(axis=0)
    congruency: Values = energies / np.maximum(amplitudes, EPSILON)
    return congruency


ENTRIES = {
    "ssim": Entry(
        TITLE="SSIM",
        DIRECTION="higher",
        PROTOCOL="grey = 0.299 R + 0.587 G + 0.114 B, 7x7 uniform window, mirrored border",
        score=ssim,
    ),
    "ms-ssim": Entry(
        TITLE="MS-SSIM",
        DIRECTION="higher",
        PROTOCOL="grey, 11x11 Gaussian window (sigma 1.5) inside the image, range 255; 5 scales if "
        "the shorter side is at least 176 px, else those that hold the window (4 from 88, 3 from "
        "44, 2 from 22), their weights divided by their sum; a negative mean counts as 0",
        score=ms_ssim,
    ),
    "gradient": Entry(
        TITLE="gradient agreement",
        DIRECTION="higher",
        PROTOCOL="GMSM: mean similarity of Prewitt gradients of the grey images halved by 2x2 "
        "means, T 170",
        score=gradient,
    ),
    "fsim": Entry(
        TITLE="FSIM",
        DIRECTION="higher",
        PROTOCOL="grey (not FSIMc); phase congruency of 4x4 log-Gabor filters from 6 pixels, "
        "Scharr gradients, T1 0.85, T2 160; reduced first by round(shorter side / 256)",
        score=fsim,
    ),
}
