"""Portraits of many cameras lit as by one: exposure and colour cast evened out by the skin.

A sketch does not tell how a photo was exposed, nor what lamp there was. A network trained on
portraits of all kinds paints their mean, in which white faces are dim and red. Here the skin is
brought near the lightness and the hue that it has in a well-lit studio. Dark skin stays dark: what
differs from person to person is drawn, and is to be learnt.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2

Points = NDArray[np.float32]
Colour = NDArray[np.float64]

# Where skin is bare, in eye distances from the point between the eyes: to the right, down.
_PATCHES = ((-0.55, 0.55), (0.55, 0.55), (0.0, 0.45), (-0.25, -0.45), (0.25, -0.45))
_PATCH = 0.13  # half a patch's side, in eye distances

# CIELAB of skin that photos have, and that it gets: lightness rises, more slowly towards white;
# of what differs in hue between photos, more is the lamp than the sitter.
_LIGHTNESS = ((0.0, 30.0, 46.0, 61.0, 74.0, 100.0), (0.0, 34.0, 55.0, 75.0, 81.0, 100.0))
_USUAL_HUE, _STUDIO_HUE, _KEPT = np.array([17.7, 18.3]), np.array([12.5, 18.0]), 0.6
# A mended photo may look made up: at most so much is done to a channel, and to all.
_CASTS, _EXPOSURES = (0.88, 1.12), (0.5, 3.0)

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear RGB (ITU-R BT.709)


def evened(photo: Pixels, eyes: Points) -> Pixels:
    """The portrait `(H, W, 3)` as a studio's lamps would show it; black and white stay.

    Args:
        photo: RGB, uint8.
        eyes: `(2, 2)`: x and y of the eye at the picture's left, then of the other.
    """
    skin = _skin(photo, eyes)
    if skin is None:
        return photo
    lit = _studio(skin)
    cast = np.clip((lit / (_LUMINANCE @ lit)) / (skin / (_LUMINANCE @ skin)), *_CASTS)
    exposure = np.clip(_odds(lit) / _odds(skin), *_EXPOSURES)
    gains, light = exposure * cast, _linear(np.arange(256) / 255)[:, None]
    # Odds times a gain: a straight line in the shadows, and white stays white.
    curves = _encoded(light * gains / (1 + light * (gains - 1)))
    table = np.rint(curves * 255).astype(np.uint8)
    pixels: Pixels = np.stack([table[photo[..., c], c] for c in range(3)], axis=-1)
    return pixels


def _skin(photo: Pixels, eyes: Points) -> Colour | None:
    """The usual linear RGB of the bare skin; None where the face is beyond the picture."""
    places: Colour = np.asarray(eyes, np.float64)
    right = places[1] - places[0]
    down = np.array([-right[1], right[0]])
    half = max(round(float(np.linalg.norm(right)) * _PATCH), 1)
    colours = []
    for across, below in _PATCHES:
        x, y = np.rint(places.mean(axis=0) + across * right + below * down).astype(int)
        patch = photo[
            max(y - half, 0) : max(y + half + 1, 0), max(x - half, 0) : max(x + half + 1, 0)
        ]
        if patch.size:
            colours.append(np.median(patch.reshape(-1, 3), axis=0))
    return _linear(np.maximum(np.median(colours, axis=0), 1) / 255) if colours else None


def _studio(skin: Colour) -> Colour:
    """What linear RGB skin has in the studio."""
    lab = cv2.cvtColor(_encoded(skin).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]
    lab[0] = np.interp(lab[0], *_LIGHTNESS)
    lab[1:] = _STUDIO_HUE + _KEPT * (lab[1:] - _USUAL_HUE)
    return _linear(cv2.cvtColor(lab[None, None], cv2.COLOR_LAB2RGB)[0, 0].astype(np.float64))


def _odds(colour: Colour) -> float:
    """The luminance of linear RGB, as odds."""
    luminance = min(max(float(_LUMINANCE @ colour), 1e-3), 1 - 1e-3)
    return luminance / (1 - luminance)


def _linear(encoded: Colour) -> Colour:
    """SRGB values in [0, 1] as amounts of light (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encoded(light: Colour) -> Colour:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
