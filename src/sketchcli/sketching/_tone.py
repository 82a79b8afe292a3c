"""How dark an artist would make what is dark, soft or small in a picture."""

from dataclasses import dataclass

import numpy as np

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur, ramp
from sketchcli.sketching._manner import Manner

_NARROW = 7.5  # units
_LEAST_RANGE = 0.25  # between black and white: a flat picture's noise is not stretched to tones


@dataclass(frozen=True)
class Tones:
    """Darkness of three kinds, each `(H, W)` in [0, 1]."""

    masses: Floats  # hair, dark clothes
    modelling: Floats  # soft shadows
    accents: Floats  # small dark things


def see(light: Floats, subject: Floats, manner: Manner, pixels: float) -> Tones:
    """Decide on the tones of a drawing.

    Skin is the paper's white whatever its colour, unless the manner draws its tone, since white is
    what is light in the middle of the picture. What is much darker becomes a mass; what is a
    little darker than its surroundings is modelled.

    Args:
        light: Luminance `(H, W)` in [0, 1].
        subject: How surely a pixel belongs to the subject, `(H, W)` in [0, 1].
        manner: How much tone, and where.
        pixels: Pixels in a unit.
    """
    white, black = _range(light, subject, manner.skin)
    depth = white - black
    large = _without_small(light, pixels)
    darkness = np.clip((white - blur(large, 0.8 * pixels)) / depth, 0, 1)
    sheen = np.clip(1 + 1.6 * (blur(light, 4 * pixels) - light) / depth, 0.6, 1.3)
    masses = np.clip(manner.masses * ramp(darkness, 0.4, 0.85) * sheen, 0, 1)
    soft = blur(large, 1.2 * pixels)
    hollow = ramp((blur(large, 8 * pixels) - soft) / depth, 0.0, 0.14)
    shade = 0.5 * hollow + 0.55 * ramp(darkness, 0.02, 0.65)
    small = (large - blur(light, 0.3 * pixels)) / depth
    accents = ramp(small, 0.0, 0.52) * (1 - 0.7 * masses)
    kept = subject + np.float32(manner.backdrop) * (1 - subject)
    kept = kept * _fade(light.shape, manner.fading)
    return Tones(masses * kept, manner.modelling * shade * kept, manner.accents * accents * subject)


def _without_small(light: Floats, pixels: float) -> Floats:
    """Light without dark things narrower than a brow: a morphological closing."""
    side = max(round(_NARROW * pixels), 1) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(light, cv2.MORPH_CLOSE, disc), np.float32)


def _range(light: Floats, subject: Floats, skin: float) -> tuple[float, float]:
    """Which luminance is drawn white and which black.

    White is what is light in the middle, mostly skin; the more the skin's own tone is drawn, the
    nearer it is to the lightest thing of the subject, such as an eye's white or a collar.
    """
    height, width = light.shape
    middle = slice(height // 5, height - height // 4), slice(width // 4, width - width // 4)
    inside = light[middle][subject[middle] > 0.5]
    if inside.size < 16:
        inside = light.ravel()
    white, black = np.percentile(inside, 82), np.percentile(light, 2)
    if skin:
        lightest = np.percentile(light[subject > 0.5] if np.any(subject > 0.5) else light, 98)
        white += skin * max(float(lightest - white), 0.0)
    return float(white), float(min(black, white - _LEAST_RANGE))


def _fade(shape: tuple[int, ...], fading: float) -> Floats:
    """1 in the upper part of the picture, less towards its lower edge, `(H, 1)`."""
    rows = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    return 1 - np.float32(fading) * ramp(rows, 0.72, 1.0)
