"""Metrics of pixel values and mean colours: MAE, MSE, PSNR, sharpness ratio, colour shift."""

import numpy as np

from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2
from sketchcli.metrics._filters import Values, grey, per_image
from sketchcli.registry import Entry

NAMES = ("mae", "mse", "psnr", "colour-shift", "sharpness")


def mae(generated: Pixels, real: Pixels) -> Values:
    """Return the mean absolute error in [0, 255] per image, `(N,)`, of uint8 `(N, H, W, 3)`."""
    # Differences of uint8 wrap around; those of floats do not.
    scores: Values = np.abs(generated.astype(np.float64) - real).mean(axis=(1, 2, 3))
    return scores


def mse(generated: Pixels, real: Pixels) -> Values:
    """Return the mean squared error in [0, 65025] per image, `(N,)`, of uint8 `(N, H, W, 3)`."""
    scores: Values = np.square(generated.astype(np.float64) - real).mean(axis=(1, 2, 3))
    return scores


IDENTICAL = 100.0  # dB; PSNR of two equal images, whose ratio is infinite


def psnr(generated: Pixels, real: Pixels) -> Values:
    """Return the peak signal-to-noise ratio in dB per image, `(N,)`, of uint8 `(N, H, W, 3)`.

    It is 10 log10(255² / mean squared error). The score to quote is the mean of these values, not
    the ratio of the mean error.
    """
    least = 255.0**2 / 10 ** (IDENTICAL / 10)
    return 10 * np.log10(255.0**2 / np.maximum(mse(generated, real), least))


# The sharpness ratio compares the variances of the Laplacian of the two images.
# This variance is the focus measure LAPV of Pech-Pacheco et al. 2000. The metric detects neither
# where the detail is nor whether it is right: noise sharpens an image.

# Variance caused by rounding to whole levels: 1/12 level² times the sum of the squared weights.
ROUNDING = 20 / 12


@per_image
def sharpness_ratio(generated: Pixels, real: Pixels) -> float:
    """Return the non-negative logarithm of the ratio."""
    return float(abs(np.log2(sharpness(generated) / sharpness(real))))


def sharpness(photo: Pixels) -> float:
    """Return the variance of the Laplacian of a photo `(H, W, 3)`, plus that of rounding."""
    return float(cv2.Laplacian(grey(photo), cv2.CV_64F).var() + ROUNDING)


# Perceived colours are CIELAB, and their differences CIEDE2000; arrays of either are `(..., 3)`.

# Matrix from linear sRGB to XYZ under D65 (IEC 61966-2-1).
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ.sum(axis=1)
_LEVELS = np.arange(256) / 255
# The linear light of each uint8 level.
LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)


def cielab(photos: Pixels) -> Values:
    """Return L* in [0, 100], a* and b*, `(..., 3)`, of sRGB uint8 `(..., 3)`."""
    relative = LINEAR[photos] @ (TO_XYZ / WHITE[:, None]).T
    edge = 6 / 29
    roots = np.where(relative > edge**3, np.cbrt(relative), relative / (3 * edge**2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: Values, second: Values) -> Values:
    """Return the differences `(...)` of CIELAB colours `(..., 3)`; about 1 is just noticeable.

    The formula is that of Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula",
    equations 2 to 22.
    """
    # Equations 2 to 7: lightness, chroma and hue (in degrees) of both, `(2, ...)` each.
    light, a, b = np.moveaxis(np.stack([first, second]), -1, 0)
    a = a * (1.5 - 0.5 * _saturation(np.hypot(a, b).mean(axis=0)))
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    mean_light, mean_chroma = light.mean(axis=0), chroma.mean(axis=0)
    has_hue = chroma.prod(axis=0) > 0
    turn = np.where(has_hue, (hue[1] - hue[0] + 180) % 360 - 180, 0.0)
    # Equation 14: the middle hue on the shorter arc; without one hue, the other's.
    mean_hue = hue.mean(axis=0)
    is_far = np.abs(hue[1] - hue[0]) > 180
    mean_hue = np.where(is_far, (mean_hue + 180) % 360, mean_hue)
    mean_hue = np.where(has_hue, mean_hue, hue.sum(axis=0))
    hue_weight = (
        1
        - 0.17 * np.cos(np.radians(mean_hue - 30))
        + 0.24 * np.cos(np.radians(2 * mean_hue))
        + 0.32 * np.cos(np.radians(3 * mean_hue + 6))
        - 0.20 * np.cos(np.radians(4 * mean_hue - 63))
    )
    spread = (mean_light - 50) ** 2
    by_light = (light[1] - light[0]) / (1 + 0.015 * spread / np.sqrt(20 + spread))
    by_chroma = (chroma[1] - chroma[0]) / (1 + 0.045 * mean_chroma)
    across = 2 * np.sqrt(chroma.prod(axis=0)) * np.sin(np.radians(turn / 2))
    by_hue = across / (1 + 0.015 * mean_chroma * hue_weight)
    rotation = -np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    rotation *= 2 * _saturation(mean_chroma)
    squares = by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    difference: Values = np.sqrt(np.maximum(squares, 0))
    return difference


def _saturation(chroma: Values) -> Values:
    """Return a weight near 0 for greys and 1 for vivid colours."""
    seventh = chroma**7
    found: Values = np.sqrt(seventh / (seventh + 25.0**7))
    return found


# The colour shift is the CIEDE2000 difference of the two images' mean CIELAB colours.
# A haze or tint over a whole image changes it, detail and noise hardly do.


@per_image
def colour_shift(generated: Pixels, real: Pixels) -> float:
    """Return the difference of the mean colours."""
    ours, theirs = (cielab(photo).mean(axis=(0, 1)) for photo in (generated, real))
    return float(ciede2000(ours, theirs))


ENTRIES = {
    "mae": Entry(
        TITLE="MAE",
        DIRECTION="lower",
        PROTOCOL="mean over pixels and RGB channels, 0-255",
        score=mae,
    ),
    "mse": Entry(
        TITLE="MSE",
        DIRECTION="lower",
        PROTOCOL="mean of the squared difference over pixels and RGB channels, 0-255 each",
        score=mse,
    ),
    "psnr": Entry(
        TITLE="PSNR",
        DIRECTION="higher",
        PROTOCOL="per image, over RGB, in dB; identical images count as 100",
        score=psnr,
    ),
    "colour-shift": Entry(
        TITLE="colour shift",
        DIRECTION="lower",
        PROTOCOL="CIEDE2000 of the images' mean CIELAB colours (sRGB, D65); about 1 is just "
        "noticeable",
        score=colour_shift,
    ),
    "sharpness": Entry(
        TITLE="sharpness ratio",
        DIRECTION="lower",
        PROTOCOL="|log2| of the ratio of the variances of the Laplacian (4 neighbours, mirrored "
        "border, grey), 5/3 added to both; 0 is as sharp as the real image, 1 is half or twice its "
        "variance",
        score=sharpness_ratio,
    ),
}
