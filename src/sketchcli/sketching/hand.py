"""Hand-drawn: strokes that tremble, break and overshoot, hatching, rubbed graphite, paper.

Each drawing has its own manner (`_manner`), from pure line to full tone. Lines are traced as chains
of points and drawn as strokes (`_strokes`); dark areas are hatched and rubbed (`_tone`); a plain
background is left out (`_subject`).
"""

import numpy as np

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching import _manner, _strokes, _subject, _tone
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching._fields import chroma, luminance, to_pixels, unit
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments

TITLE = "hand-drawn pencil"
_WEAKEST = 0.02  # least strength of a line, in the square root of luminance
_DARKEST = np.float32(0.85)  # greatest darkness of a layer of graphite
_FINEST = 0.8  # smoothing before lines are traced, units


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as a hand-drawn pencil sketch `(H, W)`."""
    manner = _manner.sample(rng)
    # Each layer has its own random stream: the number of strokes must not change the paper.
    outlining, shading, paper = (np.random.default_rng(s) for s in rng.integers(2**63, size=3))
    subject = _subject.find(photo)
    lines = _outline(photo, subject, manner, outlining)
    tone = _shade(luminance(photo), subject, manner, shading)
    return to_pixels(sheet.lay_on_paper(sheet.combine(tone, lines), manner, paper))


def _outline(photo: Pixels, subject: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Return the darkness `(H, W)` of the lines in the subject and along its edge."""
    pixels = unit(photo.shape)
    side = 2 * max(round(pixels), 1) + 1
    near = np.asarray(cv2.dilate(subject, np.ones((side, side), np.uint8)), np.float32)
    light = np.sqrt(luminance(photo))  # closer to human vision: lines in dark hair count as well
    chains = _strokes.trace(
        light, chroma(photo), max(_FINEST * pixels, 0.6), weakest=_WEAKEST, share=manner.detail
    )
    drawn = [chain for chain in chains if _tone.look_up(near, chain).mean() > 0.5]
    strokes = _strokes.draw_lines(drawn, manner, rng, pixels)
    if manner.construction:
        strokes = sheet.join([lay_out(subject, manner, rng, pixels), strokes])
    return sheet.rule(strokes, light.shape)


def _shade(light: Floats, subject: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Return the darkness `(H, W)` of hatching, rubbed graphite and accents."""
    pixels = unit(light.shape)
    masses, modelling, details = _tone.see(light, subject, manner, pixels)
    field = _tone.directions(light, masses, manner, pixels)
    # Skin is rubbed more than it is hatched.
    hatched_tone = sheet.combine(masses, np.float32(0.6) * modelling)
    strokes = _tone.hatch(hatched_tone, field, manner, rng, pixels)
    streaks = _tone.streaks(field, rng, pixels)
    hatched = sheet.rule(strokes, light.shape)
    rubbed = np.float32(manner.smudge) * sheet.combine(masses, modelling) * streaks
    accents = details * (0.6 + 0.4 * streaks)
    return sheet.combine(*(_DARKEST * layer for layer in (hatched, 0.9 * rubbed, accents)))


# The functions below draw what is left of the construction lines of a head.

_POINTS = 48
_HEIGHT_TO_WIDTH = 1.35  # ratio of a head's height to its width


def lay_out(subject: Floats, manner: Manner, rng: np.random.Generator, pixels: float) -> Segments:
    """Draw an egg, its middle line and the line of the eyes, faint and slightly out of place.

    The highest part of the subject counts as the head. This needs no detector, and real
    construction lines are out of place as well.
    """
    height, side = subject.shape
    top = int(np.argmax(subject.mean(axis=1) > 0.05))
    upper = subject[top : top + max(height // 3, 1)]
    columns = upper.sum(axis=0) + np.float32(1e-6)
    x = float((columns * np.arange(side)).sum() / columns.sum())
    width = float(np.clip(np.median(upper.sum(axis=1)), 0.25 * side, 0.6 * side))
    y = top + width / 2 * _HEIGHT_TO_WIDTH
    half_width, half_height = width / 2 * rng.uniform(0.8, 1.0), width / 2 * _HEIGHT_TO_WIDTH
    turn = np.linspace(0.3, 0.3 + rng.uniform(5, 7), _POINTS)
    across = np.linspace(-1, 1, _POINTS)
    still = np.zeros(_POINTS)
    lines = [
        (np.cos(turn) * half_width, np.sin(turn) * half_height),
        (still + rng.normal(0, 0.04) * half_width * across, across * half_height * 1.1),
        (across * half_width * 1.1, still + half_height * rng.uniform(0, 0.12)),
    ]
    offset = rng.normal(0, 1.5 * pixels, (3, 1, 2)) + np.array([x, y])
    paths = np.stack([np.stack(line, axis=1) for line in lines]) + offset
    ends = np.stack([paths[:, :-1], paths[:, 1:]], axis=2).reshape(-1, 2, 2)
    pressures = manner.construction * rng.uniform(0.5, 1.0, len(ends))
    widths = np.full(len(ends), 0.8 * manner.width * pixels)
    return Segments(*(a.astype(np.float32) for a in (ends, widths, pressures)))
