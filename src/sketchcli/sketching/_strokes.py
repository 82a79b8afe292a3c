"""From chains of points to the strokes of a hand."""

import itertools

import numpy as np

from sketchcli.images import Floats
from sketchcli.sketching._chains import Chain
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments, join

_CORNER = np.deg2rad(65)  # a sharper turn ends a stroke
_ARM = 3  # units on either side over which a turn is measured
_SHORTEST = 3.0  # units, of a firm line; a faint one has to be longer, or it is dust
_STEP = 1.5  # units between the points of a stroke
_TREMOR = 5.0  # units between the turns of a trembling hand


def draw_lines(
    chains: list[Chain], manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Draw chains as strokes that tremble, break, overshoot and vary in width and pressure.

    Args:
        chains: What to draw.
        manner: How.
        rng: The hand's chance.
        pixels: Pixels in a unit.
    """
    if not chains:
        return join([])
    strong = float(np.percentile(np.concatenate([c[:, 2] for c in chains]), 80))
    strokes = []
    for chain in chains:
        for piece in _split(chain, pixels):
            length = (len(piece) - 1) / pixels
            firmness = min(float(piece[:, 2].mean()) / strong, 1) ** 0.5
            if length * firmness < _SHORTEST:
                continue
            strokes += _draw(piece, firmness, manner, rng, pixels)
    return join(strokes)


def _split(chain: Chain, pixels: float) -> list[Chain]:
    """Cut a chain at its corners."""
    arm = max(round(_ARM * pixels), 2)
    if len(chain) < 2 * arm + 3:
        return [chain]
    points = _smooth(chain, 0.7 * max(pixels, 0.7))[:, :2]
    ahead = points[2 * arm :] - points[arm:-arm]
    back = points[arm:-arm] - points[: -2 * arm]
    cross = back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0]
    turn = np.abs(np.arctan2(cross, (back * ahead).sum(axis=1)))
    cuts = []
    while turn.max(initial=0) > _CORNER:
        place = int(turn.argmax())
        cuts.append(place + arm)
        turn[max(place - arm, 0) : place + arm + 1] = 0
    bounds = [0, *sorted(cuts), len(chain) - 1]
    return [chain[a : b + 1] for a, b in itertools.pairwise(bounds)]


def _smooth(chain: Chain, sigma: float) -> Chain:
    """Gaussian smoothing along a chain whose ends stay where they are."""
    radius = min(max(round(2.5 * sigma), 1), len(chain) - 1)
    if radius < 1:
        return chain
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    before = 2 * chain[0] - chain[radius:0:-1]
    after = 2 * chain[-1] - chain[-2 : -radius - 2 : -1]
    padded = np.concatenate([before, chain, after])
    columns = [np.convolve(padded[:, c], weights, "valid") for c in range(padded.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)


def _draw(
    piece: Chain, firmness: float, manner: Manner, rng: np.random.Generator, pixels: float
) -> list[Segments]:
    """The strokes of one piece: with breaks, and now and then twice."""
    path = _resample(_smooth(piece, _smoothing(piece, manner, pixels))[:, :2], _STEP * pixels)
    times = 1 + int(rng.random() < manner.doubled)
    drawn = []
    for time in range(times):
        for part in _break(path, manner, rng):
            moved = _misplace(part, manner, rng, pixels, again=time > 0)
            drawn.append(_press(moved, firmness * (1 - 0.35 * time), manner, rng, pixels))
    return drawn


def _smoothing(piece: Chain, manner: Manner, pixels: float) -> float:
    """How far to smooth, in pixels: a short piece would lose its bend."""
    return min(manner.smoothness * pixels, len(piece) / 8)


def _resample(path: Floats, step: float) -> Floats:
    """Points at even distances along a path: fewer than pixels, so that a stroke is one curve."""
    lengths = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    at = np.linspace(0, along[-1], max(round(along[-1] / step), 1) + 1)
    columns = [np.interp(at, along, path[:, c]) for c in (0, 1)]
    return np.stack(columns, axis=1).astype(np.float32)


def _break(path: Floats, manner: Manner, rng: np.random.Generator) -> list[Floats]:
    """Lift the pencil now and then for a step or two."""
    parts: list[Floats] = []
    start = 0
    while True:
        end = start + 3 + int(rng.exponential(manner.gap_distance) / _STEP)
        if end + 3 >= len(path):
            return [*parts, path[start:]]
        parts.append(path[start : end + 1])
        start = end + int(rng.integers(0, 3))


def _misplace(
    path: Floats, manner: Manner, rng: np.random.Generator, pixels: float, *, again: bool
) -> Floats:
    """Move a stroke off its place, let it tremble, and lengthen its ends."""
    count = len(path)
    turns = max(round(count * _STEP / _TREMOR), 1) + 1
    knots = np.linspace(0, count - 1, turns)
    tremor = rng.normal(0, manner.wobble * pixels, (turns, 2))
    care = min(count * _STEP / 20, 1)  # short strokes are the eyes' and the mouth's
    tremor *= 0.4 + 0.6 * care
    offset = rng.normal(0, manner.misplacement * pixels * (1.6 if again else 1) * care, 2)
    moved = path + offset
    for c in (0, 1):
        moved[:, c] += np.interp(np.arange(count), knots, tremor[:, c])
    reach = rng.exponential(manner.overshoot, 2) * care * pixels
    first, last = (
        _direction(moved[k], moved[m]) for k, m in ((0, min(2, count - 1)), (-1, -min(3, count)))
    )
    ends = moved[:1] + first * reach[0], moved[-1:] + last * reach[1]
    return np.concatenate([ends[0], moved, ends[1]]).astype(np.float32)


def _direction(end: Floats, inner: Floats) -> Floats:
    """Unit vector from inside a stroke out over its end."""
    away = end - inner
    return away / max(float(np.hypot(*away)), 1e-6)


def _press(
    path: Floats, firmness: float, manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Width and pressure along a stroke: both rise, waver and fall."""
    count = len(path) - 1
    at = (np.arange(count) + 0.5) / count
    lead, tail = np.clip(rng.uniform(2, 6, 2) / (count * _STEP), 0.05, 0.4)
    taper = np.clip(np.minimum(at / lead, (1 - at) / tail), 0, 1)
    waver = 1 + 0.18 * np.sin(2 * np.pi * (at * rng.uniform(0.5, 2) + rng.random()))
    force = firmness * (0.35 + 0.65 * taper) * waver * rng.uniform(0.85, 1.1)
    return Segments(
        ends=np.stack([path[:-1], path[1:]], axis=1),
        widths=(manner.width * pixels * (0.5 + 0.6 * force)).astype(np.float32),
        pressures=np.clip(manner.pressure * force, 0, 1).astype(np.float32),
    )
