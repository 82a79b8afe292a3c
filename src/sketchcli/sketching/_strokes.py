"""From chains of points to the strokes of a hand."""

import itertools

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments, join

_CORNER = np.deg2rad(65)  # a sharper turn ends a stroke
_ARM = 3  # units on either side over which a turn is measured
_SHORTEST = 3.0  # units, of a firm line; a faint one has to be longer, or it is dust
_STEP = 1.5  # units between the points of a stroke
_TREMOR = 5.0  # units between the turns of a trembling hand


# The lines of a picture as chains of points.

Chain = NDArray[np.float32]  # (N, 3): x, y, strength


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


_SOFT = 2.5  # times the smoothing of sharp lines
_SURROUNDINGS = 10  # times the smoothing
_CLEAR = 1.2  # times what counts as a line at the least, where nothing else is around
_PURE = 2.5  # times as clear as in luminance: what is a line in colour alone
_SHORTEST_CHAIN = 4  # times the smoothing: a shorter chain is a speck
_LOW = 0.38  # of the upper threshold: hysteresis as in Canny's detector


def trace(light: Floats, hue: Floats, sigma: float, *, weakest: float, share: float) -> list[Chain]:
    """Follow dark lines and contours, sharp ones first and then soft ones such as a chin's.

    What only its colour sets apart comes last: an ear before a blue wall.

    A dark line (a lid, a nostril, the line between the lips) is drawn along its middle; a contour
    is drawn only where no such line runs beside it, or each line would be drawn three times.

    Args:
        light: Luminance `(H, W)` in [0, 1].
        hue: A chroma `(H, W)` in [0, 1].
        sigma: Smoothing in pixels, for sharp lines.
        weakest: What counts as a line at the least, in luminance.
        share: Part of the picture, in percent, that lies above the upper threshold.

    Returns:
        The chains, the strongest of the sharp ones first.
    """
    chains: list[Chain] = []
    free = np.ones(light.shape, bool)
    soft = _SOFT * sigma
    passes = ((light, sigma, weakest), (light, soft, weakest), (hue, soft, _PURE * weakest))
    for field, scale, faint in passes:
        thin, x, y = _lines(blur(field, scale), scale, faint, share)
        thin[~free] = 0
        chains += [c for c in _follow(thin, x, y) if len(c) >= _SHORTEST_CHAIN * scale]
        taken = cv2.dilate((thin > 0).astype(np.uint8), _disc(1.5 * _SOFT * sigma))
        free &= taken == 0
    return chains


def _lines(smooth: Floats, sigma: float, weakest: float, share: float) -> Floats:
    """Lines one pixel wide, `(3, H, W)`: strength (0 elsewhere), x, y."""
    valley, valley_normal = _valleys(smooth, sigma)
    slope, slope_normal = _slopes(smooth, sigma)
    near = cv2.dilate(valley, _disc(1.5 * sigma))
    valley_top, slope_top = _maxima(valley, valley_normal), _maxima(slope, slope_normal)
    # On the dark side of a contour lies a valley too, as strong as the slope is there.
    valley_top[0][valley < 1.2 * slope] = 0
    slope_top[0][near > 0.75 * slope] = 0
    top = np.where(valley_top[0] >= slope_top[0], valley_top, slope_top)
    strength = np.maximum(valley, slope)
    # Against what is around it, so that a chin counts beside black hair.
    around = np.sqrt(blur(strength, _SURROUNDINGS * sigma) + np.float32(weakest))
    high = max(float(np.percentile(strength / around, 100 - share)), _CLEAR * weakest**0.5)
    top[0] = np.where(_hysteresis(top[0] / around, high), top[0], np.float32(0))
    return top


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _valleys(smooth: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Strength of dark lines and the angle across them: the Hessian's greater eigenvalue."""
    scale = sigma**2
    xx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0, scale=scale / 4)
    yy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, scale=scale / 4)
    xy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, scale=scale / 4)
    spread = np.hypot(xx - yy, 2 * xy)
    # A blob has two great eigenvalues and a line one: the lesser is taken off where it is positive.
    greater, lesser = (xx + yy + spread) / 2, (xx + yy - spread) / 2
    strength = np.maximum(greater - 0.5 * np.maximum(lesser, 0), 0)
    return strength, np.arctan2(2 * xy, xx - yy) / 2


def _slopes(smooth: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Strength of contours and the angle across them: the gradient."""
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=sigma / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=sigma / 8)
    return np.hypot(across, down), np.arctan2(down, across)


def _maxima(strength: Floats, normal: Floats) -> Floats:
    """Where the strength is greatest along the normal.

    Returns:
        `(3, H, W)`: the strength there, elsewhere 0, and the maximum's x and y between the pixels,
        from the parabola through three samples; without it slanted lines would be staircases.
    """
    height, width = strength.shape
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), strength.shape)
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], strength.shape)
    dx, dy = np.cos(normal), np.sin(normal)
    back, ahead = (
        cv2.remap(
            strength,
            columns + side * dx,
            rows + side * dy,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for side in (-1, 1)
    )
    is_top = (strength > 0) & (strength >= back) & (strength >= ahead)
    bend = np.maximum(2 * strength - back - ahead, np.float32(1e-9))
    shift = np.clip((ahead - back) / (2 * bend), -0.5, 0.5)
    top = np.where(is_top, strength, np.float32(0))
    return np.stack([top, columns + shift * dx, rows + shift * dy])


def _hysteresis(thin: Floats, high: float) -> NDArray[np.bool_]:
    """Of what is above the lower threshold, the parts that reach the upper one."""
    mask = thin > _LOW * high
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    strong = np.unique(labels[thin > high])
    return mask & np.isin(labels, strong)


def _follow(thin: Floats, x: Floats, y: Floats) -> list[Chain]:
    """Chains of neighbouring pixels, each pixel in one chain at the most.

    Args:
        thin: Strength `(H, W)`, 0 where no line is.
        x: Where the line passes a pixel, `(H, W)`.
        y: The same, downwards.
    """
    width = thin.shape[1] + 2  # a border of nothing spares every step a check
    padded = np.pad(thin, 1).ravel()
    places = np.flatnonzero(padded)
    order = places[np.argsort(-padded[places], kind="stable")].tolist()
    left = set(order)
    chains = []
    for start in order:
        if start not in left:
            continue
        left.discard(start)
        ahead = _walk(start, left, width)
        back = _walk(start, left, width, away_from=ahead[0] if ahead else None)
        path = np.array([*reversed(back), start, *ahead])
        inside = path // width - 1, path % width - 1
        chains.append(np.stack([x[inside], y[inside], thin[inside]], axis=1))
    return chains


def _walk(start: int, left: set[int], width: int, *, away_from: int | None = None) -> list[int]:
    """Go from pixel to pixel, as straight as possible, and take what is passed out of `left`."""
    steps = (1, width + 1, width, width - 1, -1, -width - 1, -width, -width + 1)  # clockwise
    turns = (0, 1, -1, 2, -2)
    heading = None if away_from is None else (steps.index(away_from - start) + 4) % 8
    path: list[int] = []
    place = start
    while True:
        ways = range(8) if heading is None else [(heading + turn) % 8 for turn in turns]
        open_ways = [way for way in ways if place + steps[way] in left]
        if not open_ways:
            return path
        heading = open_ways[0]
        # Side steps are parts of the same line, two pixels wide at this place.
        left.difference_update(place + steps[way] for way in open_ways)
        place += steps[heading]
        path.append(place)
