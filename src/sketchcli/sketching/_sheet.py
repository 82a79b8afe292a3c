"""The manner of a drawing, its strokes on a sheet of paper, and the paper itself."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import unit


@dataclass(frozen=True)
class Manner:
    """A way to draw; lengths are in units, darkness and fractions in [0, 1]."""

    # -- the line
    width: float  # width of a firm stroke
    pressure: float  # darkness of a strong line
    detail: float  # percentage of the image above the threshold of a line
    smoothness: float  # smoothing of a line before it is drawn
    wobble: float  # deviation of a trembling hand from the line
    misplacement: float  # deviation of a whole stroke from its place
    overshoot: float  # mean length of a stroke beyond its end
    gap_distance: float  # mean distance between breaks of a line
    doubled: float  # fraction of the strokes that are drawn twice
    # -- the tone
    masses: float  # darkness of black hair
    modelling: float  # darkness of shadows on the skin
    skin: float  # strength of the skin's own tone; at 0, skin of any colour is white
    accents: float  # darkness of pupils, nostrils and the line between the lips
    smudge: float  # strength of the rubbed layer that lies under the hatching
    hatch_angle: float  # direction of hatching outside hair, radians
    hatch_width: float
    hatch_length: float
    backdrop: float  # fraction of a background's tone that is drawn
    fading: float  # how much the tone fades towards the lower edge
    # -- the sheet
    paper: float  # brightness of the paper
    grain: float
    construction: float  # darkness of construction lines, mostly 0


def sample(rng: np.random.Generator) -> Manner:
    """Sample a manner, from pure line to full tone."""
    shading = float(np.clip(rng.uniform(-0.25, 1.2), 0, 1))
    looseness = rng.uniform(0, 1) ** 1.5
    return Manner(
        width=rng.uniform(0.7, 1.2),
        pressure=rng.uniform(0.65, 1.0),
        detail=rng.uniform(10, 18),
        smoothness=rng.uniform(0.7, 1.2) + 0.5 * looseness,
        wobble=rng.uniform(0.1, 0.25) + 0.35 * looseness,
        misplacement=rng.uniform(0.05, 0.15) + 0.35 * looseness,
        overshoot=rng.uniform(0.2, 0.8) + 1.2 * looseness,
        gap_distance=rng.uniform(40, 200),
        doubled=rng.uniform(0, 0.15) + 0.45 * looseness,
        masses=shading * rng.uniform(0.7, 1.0),
        modelling=shading * rng.uniform(0.6, 1.15),
        accents=rng.uniform(0.55, 1.0),
        smudge=rng.uniform(0.2, 0.9),
        hatch_angle=np.deg2rad(rng.normal(-50, 12)) * rng.choice([1, 1, 1, -1]),
        hatch_width=rng.uniform(0.5, 0.8),
        hatch_length=rng.uniform(7, 15),
        backdrop=rng.choice([0, 0, 0, 1]) * rng.uniform(0, 0.25),
        fading=rng.uniform(0, 0.9),
        paper=rng.uniform(0.94, 1.0),
        grain=rng.uniform(0.2, 1.0),
        construction=rng.choice([0, 0, 0, 0, 1]) * rng.uniform(0.06, 0.16),
        skin=rng.choice([0, 1, 1]) * rng.uniform(0.2, 0.9),
    )


# The functions below draw strokes on a sheet.

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
