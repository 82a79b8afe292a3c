"""Hand-drawn: strokes that tremble, break and overshoot, hatching, rubbed graphite, paper.

Each drawing has a manner of its own (`_manner`), from pure line to full tone. Lines are chains of
points (`_chains`) drawn as strokes (`_strokes`); what is dark (`_tone`) is hatched (`_hatching`)
and rubbed; a plain background is left out (`_subject`).
"""

import numpy as np

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching import (
    _chains,
    _construction,
    _hatching,
    _manner,
    _strokes,
    _subject,
    _tone,
)
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching._fields import chroma, luminance, to_pixels, unit
from sketchcli.sketching._manner import Manner

TITLE = "hand-drawn pencil"

_WEAKEST = 0.02  # what counts as a line at the least, in the root of luminance
_DARKEST = np.float32(0.85)  # of a layer of graphite
_FINEST = 0.8  # units: smoothing before lines are looked for


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` by hand, as a pencil sketch `(H, W)`."""
    manner = _manner.sample(rng)
    # Streams of their own: how many strokes a line takes must not change the paper.
    outlining, shading, paper = (np.random.default_rng(s) for s in rng.integers(2**63, size=3))
    subject = _subject.find(photo)
    lines = _outline(photo, subject, manner, outlining)
    tone = _shade(luminance(photo), subject, manner, shading)
    return to_pixels(sheet.lay_on_paper(sheet.combine(tone, lines), manner, paper))


def _outline(photo: Pixels, subject: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Darkness `(H, W)` of the lines of the subject and along its edge."""
    pixels = unit(photo.shape)
    side = 2 * max(round(pixels), 1) + 1
    near = np.asarray(cv2.dilate(subject, np.ones((side, side), np.uint8)), np.float32)
    light = np.sqrt(luminance(photo))  # nearer to the eye: lines in dark hair count as well
    chains = _chains.trace(
        light, chroma(photo), max(_FINEST * pixels, 0.6), weakest=_WEAKEST, share=manner.detail
    )
    drawn = [c for c in chains if _mean_along(near, c) > 0.5]
    strokes = _strokes.draw_lines(drawn, manner, rng, pixels)
    if manner.construction:
        laid_out = _construction.lay_out(subject, manner, rng, pixels)
        strokes = sheet.join([laid_out, strokes])
    return sheet.rule(strokes, light.shape)


def _mean_along(field: Floats, chain: _chains.Chain) -> float:
    x, y = (np.rint(chain[:, c]).astype(np.intp) for c in (0, 1))
    inside = np.clip(y, 0, field.shape[0] - 1), np.clip(x, 0, field.shape[1] - 1)
    return float(field[inside].mean())


def _shade(light: Floats, subject: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Darkness `(H, W)` of what is hatched, rubbed and pressed."""
    pixels = unit(light.shape)
    tones = _tone.see(light, subject, manner, pixels)
    tone = sheet.combine(tones.masses, tones.modelling)
    field = _hatching.directions(light, tones.masses, manner, pixels)
    # Skin is rubbed more than it is hatched.
    hatched_tone = sheet.combine(tones.masses, np.float32(0.6) * tones.modelling)
    strokes = _hatching.hatch(hatched_tone, field, manner, rng, pixels)
    streaks = _hatching.streaks(field, rng, pixels)
    hatched = sheet.rule(strokes, light.shape)
    rubbed = np.float32(manner.smudge) * tone * streaks
    accents = tones.accents * (0.6 + 0.4 * streaks)
    return sheet.combine(*(_DARKEST * layer for layer in (hatched, 0.9 * rubbed, accents)))
