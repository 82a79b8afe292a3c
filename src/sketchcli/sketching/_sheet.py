"""Strokes laid on a sheet of paper, and the paper itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import unit
from sketchcli.sketching._manner import Manner

_FINENESS = 4  # pixels of the sheet in a unit: the finest stroke is half a unit wide
_MAX_SCALE = 8
_BITS = 4  # of a coordinate's fraction, as cv2 takes it
_LEVELS = 16  # of pressure
_NARROWEST, _WIDER = 1.4, 2.05  # pixels of the sheet
_MAX_STEPS = 64  # of width
_TOOTH_SIDE = 256  # grains of the paper along a square sheet's side


@dataclass(frozen=True)
class Segments:
    """Straight pieces of strokes."""

    ends: Floats  # (N, 2, 2): both ends' x and y in pixels of the picture
    widths: Floats  # (N,): pixels of the picture
    pressures: Floats  # (N,): [0, 1], the darkness that is left on the paper


def join(parts: list[Segments]) -> Segments:
    """All segments of several strokes."""
    if not parts:
        return Segments(*(np.zeros(s, np.float32) for s in ((0, 2, 2), (0,), (0,))))
    return Segments(
        np.concatenate([p.ends for p in parts]),
        np.concatenate([p.widths for p in parts]),
        np.concatenate([p.pressures for p in parts]),
    )


def rule(segments: Segments, shape: tuple[int, int]) -> Floats:
    """Darkness `(H, W)` in [0, 1] that strokes leave; where they cross, the darkest counts.

    They are ruled on a sheet of about 512x512 pixels and reduced with it, so that a stroke may be
    narrower than a pixel and two sizes of a picture have the same strokes.
    """
    height, width = shape
    scale = int(np.clip(round(_FINENESS / unit(shape)), 1, _MAX_SCALE))
    canvas = np.zeros((height * scale, width * scale), np.uint8)
    fixed = np.rint(((segments.ends + 0.5) * scale - 0.5) * 2**_BITS).astype(np.int32)
    step, lightened = _pen(segments.widths * scale)
    level = np.rint(np.clip(segments.pressures * lightened, 0, 1) * _LEVELS).astype(np.int64)
    kinds = level * _MAX_STEPS + step
    for kind in np.unique(kinds):  # the lightest first: darker ones are ruled over them
        darkness, pen = int(kind) // _MAX_STEPS, int(kind) % _MAX_STEPS
        thickness = pen + 1 if pen < 2 else 2 * pen - 1
        lines, colour = list(fixed[kinds == kind]), darkness * 255 // _LEVELS
        cv2.polylines(canvas, lines, False, colour, thickness, cv2.LINE_AA, _BITS)
    if scale > 1:
        canvas = np.asarray(
            cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return canvas.astype(np.float32) / np.float32(255)


def _pen(widths: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The nearest of the widths that cv2 can rule with soft edges, and how to make up for it.

    Its thicknesses 1, 2, 3 (and 4), 5 (and 6) ... cover 1.4, 3.4, 5.5, 7.5 ... pixels, as
    measured. A line that comes out wider than it should is drawn lighter, and the other way round.

    Args:
        widths: `(N,)`, pixels of the sheet.

    Returns:
        Which of these widths, counted from 0, and a factor for the pressure, each `(N,)`.
    """
    step = np.clip(np.rint((widths - _NARROWEST) / _WIDER), 0, _MAX_STEPS - 1)
    ruled = _NARROWEST + _WIDER * step
    return step.astype(np.int64), np.minimum(widths / ruled, 1.5).astype(np.float32)


def tooth(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """The paper's grain, `(H, W)`: about 0 on average, 1 in deviation where it is fully resolved.

    The same grains on any size of the picture, finer or coarser in pixels.
    """
    height, width = shape
    scale = _TOOTH_SIDE / np.sqrt(height * width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    grains = rng.standard_normal((rows, columns), np.float32)
    grains = grains + 0.8 * cv2.GaussianBlur(grains, (0, 0), 1.2) / 0.24
    how = cv2.INTER_AREA if rows >= height and columns >= width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grains, (width, height), interpolation=how), np.float32) / 1.3


def unevenness(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Broad patches `(H, W)` of about [-1, 1]: a sheet's tone, a hand's pressure."""
    height, width = shape
    patches = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
    return np.asarray(
        cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )


def combine(*layers: Floats) -> Floats:
    """Darkness of layers on top of each other: each takes its part of the light that is left."""
    light = np.ones_like(layers[0])
    for layer in layers:
        light *= 1 - layer
    return 1 - light


def lay_on_paper(graphite: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Brightness `(H, W)` of the sheet: graphite catches on the paper's tooth."""
    grains = tooth(graphite.shape, rng)
    patches = unevenness(graphite.shape, rng)
    caught = graphite * (1 + np.float32(0.3 * manner.grain) * grains * (1 - graphite))
    speckle = np.float32(0.006 * manner.grain) * grains
    paper = np.float32(manner.paper) * (1 + speckle + np.float32(0.012) * patches)
    return paper * (1 - np.float32(0.95) * np.clip(caught, 0, 1))
