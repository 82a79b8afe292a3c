"""The subject of an image: an artist leaves a plain background out."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur, joined_to, ramp

_WORKING_SIDE = 64  # side of the reduced image, pixels; a backdrop has no details
_RIM = 0.08  # rim in which a portrait shows its backdrop, fraction of the height and width
_SIDES = 0.6  # lower end of the rim, fraction of the height; shoulders follow
_CALM = 1.6  # change of colour per pixel; calmer areas are more likely to be backdrop
_ROUNDS = 3
# The lightness of a backdrop varies, but its colour hardly changes.
_WEIGHTS = np.array([0.45, 1, 1], np.float32)
_TOLERANCE = (6.0, 18.0)  # CIELAB distance from the colour of a plain and of a rough backdrop


def find(photo: Pixels) -> Floats:
    """Return the certainty, `(H, W)` in [0, 1], that each pixel belongs to the subject.

    The backdrop is connected to the upper rim of the image and has the colour that a smooth
    surface, fitted to the rim, predicts. If the rim is not smooth (a busy background), all is
    subject.
    """
    height, width = photo.shape[:2]
    scale = min(_WORKING_SIDE / np.sqrt(height * width), 1)
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = cv2.cvtColor(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.0) * _WEIGHTS
    # The rim is the upper edge of the image and the upper part of its sides.
    rim = np.zeros(lab.shape[:2], bool)
    high, wide = (max(round(_RIM * side), 1) for side in lab.shape[:2])
    rim[:high] = rim[: round(_SIDES * len(rim)), :wide] = True
    rim[: round(_SIDES * len(rim)), -wide:] = True
    backdrop, plain = rim, 0.0
    across, down = (cv2.Sobel(lab, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    steepness = np.sqrt((across * across + down * down).sum(axis=-1))
    trust = np.where(steepness < _CALM, np.float32(3), np.float32(1))
    for _ in range(_ROUNDS):  # each round knows more of the backdrop's surface
        distance = _distance_from_backdrop(lab, backdrop)
        tolerance = float(np.clip(3 * np.median(distance[rim]), *_TOLERANCE))
        backdrop = joined_to(rim, distance < tolerance * trust, connectivity=4)
        plain = float(np.mean(backdrop[rim]))
    certain = backdrop * np.float32(np.clip((plain - 0.7) / 0.2, 0, 1))
    subject = cv2.resize(1 - certain, (width, height))
    return ramp(blur(np.asarray(subject, np.float32), 0.6 / scale), 0.15, 0.75)


def _distance_from_backdrop(lab: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return each colour's distance `(H, W)` from a cubic surface through the known colours."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x * x * y, y * y * y], axis=-1)
    kept = known
    for _ in range(2):  # outliers such as a shoulder are left out of the next fit
        known_terms, colours = terms[kept], lab[kept].astype(np.float64)
        # The normal equations are damped, since few pixels may lie on a line. einsum adds in a
        # fixed order, whatever the number of threads.
        squares = np.einsum("ni,nj->ij", known_terms, known_terms)
        squares += 1e-3 * len(colours) * np.eye(terms.shape[-1])
        factors = np.linalg.solve(squares, np.einsum("ni,nc->ic", known_terms, colours))
        surface = np.einsum("hwi,ic->hwc", terms, factors)
        distance = np.sqrt(((lab - surface) ** 2).sum(axis=-1))
        kept = known & (distance <= 2 * np.median(distance[known]) + 1)
    return np.asarray(distance, np.float32)
