"""Lines of an image: traced as chains of points, drawn as the strokes of a hand."""

import itertools

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur, joined_to
from sketchcli.sketching._manner import Manner
from sketchcli.sketching._sheet import Segments, join

_CORNER = np.deg2rad(65)  # radians; a sharper turn ends a stroke
_ARM = 3  # distance on either side over which a turn is measured, units
_SHORTEST = 3.0  # length of the shortest firm line, units; a faint one must be longer, or is dust
_STEP = 1.5  # distance between the points of a stroke, units
_TREMOR = 5.0  # distance between the turns of a trembling hand, units

Chain = NDArray[np.float32]  # (N, 3): x, y, strength


def draw_lines(
    chains: list[Chain], manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Draw chains as strokes that tremble, break, overshoot and vary in width and pressure."""
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
    """Smooth a chain by a Gaussian; its ends stay in place."""
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
    sigma = min(manner.smoothness * pixels, len(piece) / 8)  # short pieces would lose their bend
    line = _smooth(piece, sigma)[:, :2]
    # The points are evenly spaced, and fewer than the pixels, so that a stroke is one curve.
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, along[-1], max(round(along[-1] / (_STEP * pixels)), 1) + 1)
    columns = [np.interp(at, along, line[:, c]) for c in (0, 1)]
    path = np.stack(columns, axis=1).astype(np.float32)
    times = 1 + int(rng.random() < manner.doubled)
    drawn = []
    for time in range(times):
        for part in _break(path, manner, rng):
            moved = _misplace(part, manner, rng, pixels, again=time > 0)
            drawn.append(_press(moved, firmness * (1 - 0.35 * time), manner, rng, pixels))
    return drawn


def _break(path: Floats, manner: Manner, rng: np.random.Generator) -> list[Floats]:
    """Split a path where the pencil is lifted, now and then, for up to two steps."""
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
    """Displace a stroke, make it tremble and lengthen its ends."""
    count = len(path)
    turns = max(round(count * _STEP / _TREMOR), 1) + 1
    knots = np.linspace(0, count - 1, turns)
    tremor = rng.normal(0, manner.wobble * pixels, (turns, 2))
    care = min(count * _STEP / 20, 1)  # the short strokes of eyes and mouth deviate less
    tremor *= 0.4 + 0.6 * care
    offset = rng.normal(0, manner.misplacement * pixels * (1.6 if again else 1) * care, 2)
    moved = path + offset
    for c in (0, 1):
        moved[:, c] += np.interp(np.arange(count), knots, tremor[:, c])
    reach = rng.exponential(manner.overshoot, 2) * care * pixels
    away = moved[[0, -1]] - moved[[min(2, count - 1), -min(3, count)]]
    away /= np.maximum(np.hypot(*away.T), 1e-6)[:, None]
    ends = moved[[0, -1]] + away * reach[:, None]
    return np.concatenate([ends[:1], moved, ends[1:]]).astype(np.float32)


def _press(
    path: Floats, firmness: float, manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Give a stroke its width and pressure, which rise, waver and fall along it."""
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


# The functions below trace the lines of an image as chains of points.

_SOFT = 2.5  # smoothing of soft lines, relative to that of sharp lines
_SURROUNDINGS = 10  # radius of a line's surroundings, relative to the smoothing
_CLEAR = 1.2  # least strength of an isolated line, relative to the weakest
_PURE = 2.5  # least strength of a line in chroma alone, relative to one in luminance
_SHORTEST_CHAIN = 4  # length relative to the smoothing; a shorter chain is a speck
_LOW = 0.38  # lower threshold relative to the upper one, for hysteresis as in Canny's detector


def trace(light: Floats, hue: Floats, sigma: float, *, weakest: float, share: float) -> list[Chain]:
    """Trace dark lines and contours as chains, the strongest of the sharp lines first.

    Soft lines such as a chin's follow, then lines in chroma alone, such as an ear in front of a
    blue wall. A dark line (a lid, a nostril, the line between the lips) is traced along its middle;
    a contour is traced only if no dark line runs beside it, or lines would be drawn three times.

    `hue` is a chroma `(H, W)` in [0, 1], `sigma` the smoothing of sharp lines in pixels, `weakest`
    the least strength of a line in luminance, and `share` the percentage above the upper threshold.
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
    """Return lines one pixel wide, `(3, H, W)`: strength (0 elsewhere), x and y."""
    valley, valley_normal = _valleys(smooth, sigma)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=sigma / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=sigma / 8)
    slope, slope_normal = np.hypot(across, down), np.arctan2(down, across)
    near = cv2.dilate(valley, _disc(1.5 * sigma))
    valley_top, slope_top = _maxima(valley, valley_normal), _maxima(slope, slope_normal)
    # The dark side of a contour also has a valley, as strong as the slope there.
    valley_top[0][valley < 1.2 * slope] = 0
    slope_top[0][near > 0.75 * slope] = 0
    top = np.where(valley_top[0] >= slope_top[0], valley_top, slope_top)
    strength = np.maximum(valley, slope)
    # The strength is relative to its surroundings, so that a chin counts beside black hair.
    around = np.sqrt(blur(strength, _SURROUNDINGS * sigma) + np.float32(weakest))
    high = max(float(np.percentile(strength / around, 100 - share)), _CLEAR * weakest**0.5)
    thin = top[0] / around
    is_line = joined_to(thin > high, thin > _LOW * high, connectivity=8)
    top[0] = np.where(is_line, top[0], np.float32(0))
    return top


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _valleys(smooth: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Return the strength of dark lines, the Hessian's greater eigenvalue, and the angle across."""
    scale = sigma**2
    xx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0, scale=scale / 4)
    yy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, scale=scale / 4)
    xy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, scale=scale / 4)
    spread = np.hypot(xx - yy, 2 * xy)
    # A blob has two great eigenvalues and a line has one, so a positive lesser one is subtracted.
    greater, lesser = (xx + yy + spread) / 2, (xx + yy - spread) / 2
    strength = np.maximum(greater - 0.5 * np.maximum(lesser, 0), 0)
    return strength, np.arctan2(2 * xy, xx - yy) / 2


def _maxima(strength: Floats, normal: Floats) -> Floats:
    """Return the maxima of the strength along the normal, 0 elsewhere, and their x and y, `(3, H, W)`.

    These lie between the pixels, by the parabola through three samples; without it, slanted lines
    would be staircases.
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


def _follow(thin: Floats, x: Floats, y: Floats) -> list[Chain]:
    """Return chains of neighbouring pixels; each pixel is in one chain at most."""
    width = thin.shape[1] + 2  # an empty border saves a check in every step
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
    """Walk from pixel to pixel, as straight as possible, and remove passed pixels from `left`."""
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
        # Side steps are parts of the same line, which is two pixels wide at this place.
        left.difference_update(place + steps[way] for way in open_ways)
        place += steps[heading]
        path.append(place)
