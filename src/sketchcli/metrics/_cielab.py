"""Colours as an eye tells them apart: CIELAB, and the difference CIEDE2000."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels

Values = NDArray[np.float64]

# IEC 61966-2-1: linear sRGB to XYZ, under D65.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ.sum(axis=1)


def _linear() -> Values:
    levels = np.arange(256) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


LINEAR = _linear()  # of each uint8 level


def cielab(photos: Pixels) -> Values:
    """L* in [0, 100], a* and b*, `(..., 3)`, from sRGB uint8 `(..., 3)`.

    >>> cielab(np.full((1, 3), 255, np.uint8)).round(3).tolist()
    [[100.0, 0.0, 0.0]]
    """
    relative = LINEAR[photos] @ (TO_XYZ / WHITE[:, None]).T
    edge = 6 / 29
    roots = np.where(relative > edge**3, np.cbrt(relative), relative / (3 * edge**2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: Values, second: Values) -> Values:
    """The difference of CIELAB colours `(..., 3)`, `(...)`; about 1 can just be seen.

    After Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", equations 2 to 22.
    """
    light, chroma, hue = _polar(first, second)
    mean_light, mean_chroma = light.mean(axis=0), chroma.mean(axis=0)
    turn = hue[1] - hue[0]
    has_hue = chroma.prod(axis=0) > 0
    turn = np.where(has_hue, (turn + 180) % 360 - 180, 0.0)
    mean_hue = _mean_hue(hue, has_hue)
    spread = (mean_light - 50) ** 2
    by_light = (light[1] - light[0]) / (1 + 0.015 * spread / np.sqrt(20 + spread))
    by_chroma = (chroma[1] - chroma[0]) / (1 + 0.045 * mean_chroma)
    across = 2 * np.sqrt(chroma.prod(axis=0)) * np.sin(np.radians(turn / 2))
    by_hue = across / (1 + 0.015 * mean_chroma * _hue_weight(mean_hue))
    rotation = -np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    rotation *= 2 * _saturation(mean_chroma)
    squares = by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    difference: Values = np.sqrt(np.maximum(squares, 0))
    return difference


def _polar(first: Values, second: Values) -> tuple[Values, Values, Values]:
    """Lightness, chroma and hue (degrees) of both, `(2, ...)` each: equations 2 to 7."""
    light, a, b = np.moveaxis(np.stack([first, second]), -1, 0)
    a = a * (1.5 - 0.5 * _saturation(np.hypot(a, b).mean(axis=0)))
    return light, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _mean_hue(hue: Values, has_hue: NDArray[np.bool_]) -> Values:
    """The hue halfway on the shorter arc: equation 14; where one has none, the other's."""
    mean = hue.mean(axis=0)
    is_far = np.abs(hue[1] - hue[0]) > 180
    halfway: Values = np.where(is_far, (mean + 180) % 360, mean)
    return np.where(has_hue, halfway, hue.sum(axis=0))


def _hue_weight(mean_hue: Values) -> Values:
    weights: Values = (
        1
        - 0.17 * np.cos(np.radians(mean_hue - 30))
        + 0.24 * np.cos(np.radians(2 * mean_hue))
        + 0.32 * np.cos(np.radians(3 * mean_hue + 6))
        - 0.20 * np.cos(np.radians(4 * mean_hue - 63))
    )
    return weights


def _saturation(chroma: Values) -> Values:
    """Near 0 for greys and 1 for vivid colours."""
    seventh = chroma**7
    found: Values = np.sqrt(seventh / (seventh + 25.0**7))
    return found
