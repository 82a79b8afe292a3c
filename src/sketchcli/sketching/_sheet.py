"""Strokes on a sheet of paper, and the paper itself."""

import math
from typing import NamedTuple

import numpy as np

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import unit
from sketchcli.sketching._manner import Manner

_FINENESS = 4  # sheet pixels per unit; the finest strokes are half a unit wide
_MAX_SCALE = 8
_BITS = 4  # fractional bits of a coordinate (`shift` of cv2.polylines)
_LEVELS = 16  # levels of pressure
_NARROWEST, _WIDER = 1.4, 2.05  # narrowest width and the step to the next, sheet pixels
_MAX_STEPS = 64  # number of widths
_TOOTH_SIDE = 256  # grains of paper along the side of a square sheet


class Segments(NamedTuple):
    """Straight pieces of strokes."""

    ends: Floats  # (N, 2, 2): x and y of both ends, image pixels
    widths: Floats  # (N,): image pixels
    pressures: Floats  # (N,): darkness on the paper, [0, 1]


def join(parts: list[Segments]) -> Segments:
    """Return the segments of several strokes as one."""
    if not parts:
        return Segments(*(np.zeros(s, np.float32) for s in ((0, 2, 2), (0,), (0,))))
    return Segments(*map(np.concatenate, zip(*parts, strict=True)))


def rule(segments: Segments, shape: tuple[int, int]) -> Floats:
    """Return the darkness `(H, W)` in [0, 1] of strokes; where they cross, the darkest counts.

    The strokes are drawn on a sheet of about 512x512 pixels that is then reduced, so that a stroke
    can be narrower than a pixel and an image has the same strokes at every size.
    """
    height, width = shape
    scale = int(np.clip(round(_FINENESS / unit(shape)), 1, _MAX_SCALE))
    canvas = np.zeros((height * scale, width * scale), np.uint8)
    fixed = np.rint(((segments.ends + 0.5) * scale - 0.5) * 2**_BITS).astype(np.int32)
    # The widths that cv2 draws with soft edges are 1.4, 3.4, 5.5, 7.5 ... pixels, as measured, for
    # the thicknesses 1, 2, 3 (and 4), 5 (and 6) ... The pressure makes up for the difference.
    widths = segments.widths * scale
    step = np.clip(np.rint((widths - _NARROWEST) / _WIDER), 0, _MAX_STEPS - 1)
    lightened = np.minimum(widths / (_NARROWEST + _WIDER * step), 1.5)
    level = np.rint(np.clip(segments.pressures * lightened, 0, 1) * _LEVELS).astype(np.int64)
    kinds = level * _MAX_STEPS + step.astype(np.int64)
    for kind in np.unique(kinds):  # the lightest first, so that darker strokes cover them
        darkness, pen = int(kind) // _MAX_STEPS, int(kind) % _MAX_STEPS
        thickness = pen + 1 if pen < 2 else 2 * pen - 1
        lines, colour = list(fixed[kinds == kind]), darkness * 255 // _LEVELS
        cv2.polylines(canvas, lines, False, colour, thickness, cv2.LINE_AA, _BITS)
    reduced = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.float32) / np.float32(255)


def tooth(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return the paper's grain `(H, W)`: mean about 0, deviation 1 if it is fully resolved.

    The grains are the same at every image size, finer or coarser in pixels.
    """
    height, width = shape
    scale = _TOOTH_SIDE / np.sqrt(height * width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    grains = rng.standard_normal((rows, columns), np.float32)
    grains = grains + 0.8 * cv2.GaussianBlur(grains, (0, 0), 1.2) / 0.24
    how = cv2.INTER_AREA if rows >= height and columns >= width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grains, (width, height), interpolation=how), np.float32) / 1.3


def combine(*layers: Floats) -> Floats:
    """Return the darkness of stacked layers; each absorbs its part of the remaining light."""
    return np.asarray(1 - math.prod(1 - layer for layer in layers), np.float32)


def lay_on_paper(graphite: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Return the brightness `(H, W)` of the sheet; graphite catches on the paper's tooth."""
    grains = tooth(graphite.shape, rng)
    # The tone of a sheet is uneven in broad patches of about [-1, 1].
    patches = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
    wide = cv2.resize(patches, graphite.shape[::-1], interpolation=cv2.INTER_CUBIC)
    caught = graphite * (1 + np.float32(0.3 * manner.grain) * grains * (1 - graphite))
    speckle = np.float32(0.006 * manner.grain) * grains
    uneven = np.float32(0.012) * np.asarray(wide, np.float32)
    paper = np.float32(manner.paper) * (1 + speckle + uneven)
    return paper * (1 - np.float32(0.95) * np.clip(caught, 0, 1))
