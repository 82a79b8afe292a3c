"""The manner of a drawing, sampled at random once per drawing."""

from dataclasses import dataclass

import numpy as np


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
