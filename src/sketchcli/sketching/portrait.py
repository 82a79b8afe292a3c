"""A draughtsman's portrait: soft pencil lines over tone laid down in fine strands.

`hand` is loose and draws stroke by stroke; this style is the patient one. Dark hair is dark, skin
is lighter than in the photo or white, shadows under nose and chin are soft, and clothes fade out.
"""

from dataclasses import replace

import numpy as np

from sketchcli.images import Floats, Pixels
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching import _tone
from sketchcli.sketching._fields import blur, luminance, ramp, to_pixels, unit
from sketchcli.sketching._sheet import Manner

TITLE = "shaded pencil portrait"

_BLACK = 0.06  # added to both light and blur of the dodge: noise in black stays invisible
_FAINTEST = 0.035  # darkness subtracted from the dodge, which removes the faintest lines
_STRANDS = 0.06  # luminance by which a strand of hair differs from its surroundings


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as a shaded portrait `(H, W)`.

    What varies: the radius (0.6 to 1.8 units) and darkness of the lines, the darkness of masses
    (0.55 to 1.05), how much of the skin's own tone is drawn (0, or 0.5 to 1), the contrast of the
    strands, and how far clothes and background are left out.
    """
    # The manner is like that of `hand`, with more tone and more of the paper left white.
    manner = replace(
        sheet.sample(rng),
        pressure=rng.uniform(0.75, 1.0),
        masses=rng.uniform(0.55, 1.05),
        modelling=rng.uniform(0.1, 0.75),
        accents=rng.uniform(0.3, 0.9),
        skin=rng.uniform(0.5, 1.0) * rng.choice([0] + 9 * [1]),
        hatch_angle=np.deg2rad(rng.normal(-50, 20)) * rng.choice([1, 1, 1, -1]),
        backdrop=rng.choice([0, 0, 0, 1]) * rng.uniform(0, 0.5),
        fading=rng.uniform(0.4, 1.0),
        grain=rng.uniform(0.2, 0.8),
    )
    lining, shading, paper = (np.random.default_rng(s) for s in rng.integers(2**63, size=3))
    light, pixels = luminance(photo), unit(photo.shape)
    subject = _tone.find_subject(photo)
    lines = _lines(light, lining, pixels) * (subject + np.float32(manner.backdrop) * (1 - subject))
    tone = _shade(light, subject, manner, shading, pixels)
    graphite = np.float32(manner.pressure) * sheet.combine(tone, lines)
    return to_pixels(sheet.lay_on_paper(graphite, manner, paper))


def _lines(light: Floats, rng: np.random.Generator, pixels: float) -> Floats:
    """Return the darkness `(H, W)` of the lines: a narrow colour dodge of varying pressure."""
    sigma, gain, power = rng.uniform(0.6, 1.8), rng.uniform(1.0, 2.8), rng.uniform(0.85, 1.3)
    light = blur(light, 0.25 * pixels) + np.float32(_BLACK)
    darker = np.maximum(1 - light / blur(light, sigma * pixels) - np.float32(_FAINTEST), 0)
    return np.asarray(np.minimum(np.float32(gain) * darker, 0.95) ** np.float32(power), np.float32)


def _shade(
    light: Floats, subject: Floats, manner: Manner, rng: np.random.Generator, pixels: float
) -> Floats:
    """Return the darkness `(H, W)` of masses, soft shadows and accents, in strands."""
    contrast = rng.uniform(0.3, 1.0)
    masses, modelling, accents = _tone.see(light, subject, manner, pixels)
    field = _tone.directions(light, masses, manner, pixels)
    grain = 1 + np.float32(contrast) * (_tone.streaks(field, rng, pixels) - 1)
    # A lighter pixel in dark hair is where light falls on a strand.
    strand = np.clip((light - blur(light, 1.6 * pixels)) / np.float32(_STRANDS), -1, 1)
    hair = masses * np.clip(grain - np.float32(0.45 * contrast) * strand, 0.1, 1.3)
    shadows = np.asarray(modelling * (0.5 + 0.5 * grain), np.float32)
    details = accents * ramp(1 - masses, 0, 1)
    return sheet.combine(0.85 * hair, 0.6 * shadows, 0.8 * details)
