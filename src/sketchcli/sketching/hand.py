"""Hand-drawn: strokes that tremble, break and overshoot, hatching, rubbed graphite, paper.

Each drawing has its own manner, from pure line to full tone. Lines are traced as chains of points
and drawn as strokes; dark areas are hatched and rubbed; a plain background is left out (`_tone`).
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching import _tone
from sketchcli.sketching._fields import blur, chroma, joined_to, luminance, shifted, to_pixels, unit
from sketchcli.sketching._sheet import Manner, Segments

TITLE = "hand-drawn pencil"
_WEAKEST = 0.02  # least strength of a line, in the square root of luminance
_DARKEST = np.float32(0.85)  # greatest darkness of a layer of graphite
_FINEST = 0.8  # smoothing before lines are traced, units


def draw(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a photo `(H, W, 3)` as a hand-drawn pencil sketch `(H, W)`."""
    manner = sheet.sample(rng)
    # Each layer has its own random stream: the number of strokes must not change the paper.
    outlining, shading, paper = (np.random.default_rng(s) for s in rng.integers(2**63, size=3))
    subject = _tone.find_subject(photo)
    lines = _outline(photo, subject, manner, outlining)
    tone = _shade(luminance(photo), subject, manner, shading)
    return to_pixels(sheet.lay_on_paper(sheet.combine(tone, lines), manner, paper))


def _outline(photo: Pixels, subject: Floats, manner: Manner, rng: np.random.Generator) -> Floats:
    """Return the darkness `(H, W)` of the lines in the subject and along its edge."""
    pixels = unit(photo.shape)
    side = 2 * max(round(pixels), 1) + 1
    near = np.asarray(cv2.dilate(subject, np.ones((side, side), np.uint8)), np.float32)
    light = np.sqrt(luminance(photo))  # closer to human vision: lines in dark hair count as well
    chains = trace(
        light, chroma(photo), max(_FINEST * pixels, 0.6), weakest=_WEAKEST, share=manner.detail
    )
    drawn = [chain for chain in chains if _tone.look_up(near, chain).mean() > 0.5]
    strokes = draw_lines(drawn, manner, rng, pixels)
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


# The functions below draw the lines of an image, as chains of points, with the strokes of a hand.

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
        return sheet.join([])
    strong = float(np.percentile(np.concatenate([c[:, 2] for c in chains]), 80))
    strokes = []
    for chain in chains:
        for piece in _split(chain, pixels):
            length = (len(piece) - 1) / pixels
            firmness = min(float(piece[:, 2].mean()) / strong, 1) ** 0.5
            if length * firmness < _SHORTEST:
                continue
            strokes += _draw(piece, firmness, manner, rng, pixels)
    return sheet.join(strokes)


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
    """Return strength (0 except for maxima along the normal), x and y of the maxima, `(3, H, W)`.

    These lie between the pixels, by the parabola through three samples; without it, slanted lines
    would be staircases.
    """
    rows, columns = np.indices(strength.shape, np.float32)
    dx, dy = np.cos(normal), np.sin(normal)
    back, ahead = (shifted(strength, side * dx, side * dy) for side in (-1, 1))
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
