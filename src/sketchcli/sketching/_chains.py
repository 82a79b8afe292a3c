"""The lines of a picture as chains of points."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats
from sketchcli.images.opencv import cv2
from sketchcli.sketching._fields import blur

Chain = NDArray[np.float32]  # (N, 3): x, y, strength
_SOFT = 2.5  # times the smoothing of sharp lines
_SURROUNDINGS = 10  # times the smoothing
_CLEAR = 1.2  # times what counts as a line at the least, where nothing else is around
_PURE = 2.5  # times as clear as in luminance: what is a line in colour alone
_SHORTEST = 4  # times the smoothing: a shorter chain is a speck
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
        chains += [c for c in _follow(thin, x, y) if len(c) >= _SHORTEST * scale]
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
