"""The direction in which a picture's lines run, at every pixel."""

import numpy as np

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur

_FAINT = 0.012  # change of luminance over a pixel: the direction of weaker ones is noise


def tangents(light: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along the edges, and how clear the direction is.

    The minor eigenvector of the smoothed structure tensor (Kyprianidis and Kang, "Image and video
    abstraction by coherence-enhancing filtering", 2011).

    Args:
        light: Luminance `(H, W)`.
        sigma: Smoothing of the tensor, in pixels.

    Returns:
        The x and y parts of the tangents and their coherence in [0, 1], each `(H, W)`.
    """
    gx = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=0.125)
    gy = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=0.125)
    xx, yy, xy = blur(gx * gx, sigma), blur(gy * gy, sigma), blur(gx * gy, sigma)
    spread = np.hypot(xx - yy, 2 * xy)
    # The gradient's angle is half that of (xx - yy, 2 xy); the tangent is at a right angle to it.
    angle = np.arctan2(2 * xy, xx - yy) / 2 + np.float32(np.pi / 2)
    coherence = spread / (xx + yy + np.float32(_FAINT) ** 2)
    return np.cos(angle), np.sin(angle), np.asarray(coherence, np.float32)


def smooth_along(field: Floats, tangent: tuple[Floats, Floats], sigma: float) -> Floats:
    """Gaussian mean of a field along the tangents, sampled at five points.

    The second step of the flow-based difference of Gaussians (Winnemöller, Kyprianidis and Olsen
    2012), on straight arms in place of curved ones: they are short.

    Args:
        field: `(H, W)`.
        tangent: x and y parts of unit vectors, each `(H, W)`.
        sigma: Standard deviation along the tangent, in pixels.
    """
    height, width = field.shape
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    total, weights = field.copy(), 1.0
    for step in (-2, -1, 1, 2):
        reach = np.float32(step * sigma * 0.8)
        weight = float(np.exp(-0.5 * (step * 0.8) ** 2))
        x, y = columns + reach * tangent[0], rows + reach * tangent[1]
        moved = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        total += np.float32(weight) * moved
        weights += weight
    return total / np.float32(weights)
