"""How somebody draws: drawn by chance once for each drawing."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Manner:
    """Lengths in units, darkness and shares in [0, 1]."""

    # -- the line
    width: float  # of a stroke pressed on
    pressure: float  # darkness of a strong line
    detail: float  # percent of the picture above the threshold of a line
    smoothness: float  # how far a line is smoothed before it is drawn
    wobble: float  # how far the hand trembles off the line
    misplacement: float  # how far a stroke as a whole lies beside its place
    overshoot: float  # how far, on average, a stroke goes on past its end
    gap_distance: float  # between breaks of a line
    doubled: float  # share of the strokes that are drawn twice
    # -- the tone
    masses: float  # darkness of black hair
    modelling: float  # darkness of shadows on the skin
    skin: float  # how far the skin's own tone is drawn, 0: skin of any colour is white
    accents: float  # darkness of pupils, nostrils and the line between the lips
    smudge: float  # share of the tone that is rubbed, the rest is hatched
    hatch_angle: float  # radians, of hatching where nothing else leads the hand
    hatch_width: float
    hatch_length: float
    backdrop: float  # what is left of a background's tone
    fading: float  # how far tone is left out towards the lower edge
    # -- the sheet
    paper: float  # brightness
    grain: float
    construction: float  # darkness of construction lines, mostly 0


def sample(rng: np.random.Generator) -> Manner:
    """Draw a manner; how much is shaded ranges from pure line to full tone."""
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
