"""Subject and tones: how dark an artist draws dark areas, soft shadows and small details."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.sketching import _sheet as sheet
from sketchcli.sketching._fields import blur, joined_to, ramp, smooth_along, tangents
from sketchcli.sketching._sheet import Manner, Segments

_NARROW = 7.5  # width of the widest small detail, units
_LEAST_RANGE = 0.25  # least luminance from black to white: a flat image's noise is not stretched


def see(
    light: Floats, subject: Floats, manner: Manner, pixels: float
) -> tuple[Floats, Floats, Floats]:
    """Return the darkness, each `(H, W)` in [0, 1], of masses, soft shadows and small dark details.

    The light part in the middle of the image counts as white, so skin of any colour is as white as
    the paper unless the manner draws its tone. Much darker areas become masses; areas a little
    darker than their surroundings are modelled.
    """
    white, black = _range(light, subject, manner.skin)
    depth = white - black
    # A morphological closing removes dark details narrower than a brow.
    side = max(round(_NARROW * pixels), 1) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    large = np.asarray(cv2.morphologyEx(light, cv2.MORPH_CLOSE, disc), np.float32)
    darkness = np.clip((white - blur(large, 0.8 * pixels)) / depth, 0, 1)
    sheen = np.clip(1 + 1.6 * (blur(light, 4 * pixels) - light) / depth, 0.6, 1.3)
    masses = np.clip(manner.masses * ramp(darkness, 0.4, 0.85) * sheen, 0, 1)
    soft = blur(large, 1.2 * pixels)
    hollow = ramp((blur(large, 8 * pixels) - soft) / depth, 0.0, 0.14)
    shade = 0.5 * hollow + 0.55 * ramp(darkness, 0.02, 0.65)
    small = (large - blur(light, 0.3 * pixels)) / depth
    accents = ramp(small, 0.0, 0.52) * (1 - 0.7 * masses)
    kept = subject + np.float32(manner.backdrop) * (1 - subject)
    rows = np.linspace(0, 1, len(light), dtype=np.float32)[:, None]
    kept = kept * (1 - np.float32(manner.fading) * ramp(rows, 0.72, 1.0))
    return masses * kept, manner.modelling * shade * kept, manner.accents * accents * subject


def _range(light: Floats, subject: Floats, skin: float) -> tuple[float, float]:
    """Return the luminance that is drawn white and the one that is drawn black.

    White is the light part in the middle, mostly skin; the more of the skin's own tone is drawn,
    the nearer white is to the lightest part of the subject, such as an eye's white or a collar.
    """
    height, width = light.shape
    middle = slice(height // 5, height - height // 4), slice(width // 4, width - width // 4)
    inside = light[middle][subject[middle] > 0.5]
    if inside.size < 16:
        inside = light.ravel()
    white, black = np.percentile(inside, 82), np.percentile(light, 2)
    if skin:
        lightest = np.percentile(light[subject > 0.5] if np.any(subject > 0.5) else light, 98)
        white += skin * max(float(lightest - white), 0.0)
    return float(white), float(min(black, white - _LEAST_RANGE))


# The functions below lay the tone down stroke by stroke.

Exact = NDArray[np.float64]
_CANDIDATES = 9000  # strokes that would cover a completely black sheet
_POINTS = 6  # points per stroke
_TAPER = np.array([0.6, 0.95, 1.0, 0.9, 0.5], np.float32)  # pressure between the points
_SPREAD = 0.07  # deviation from the direction, radians; no two strokes are parallel
_SCATTER = 1.2  # deviation from an even place, units
_LEAST = 0.09  # lighter tones are not hatched
# The steps of a sequence that fills a cube evenly (Roberts 2018, "The unreasonable effectiveness of
# quasirandom sequences"), because strokes at random places clump like rain.
_EVENLY = 1.2207440846057596 ** -np.arange(1, 4)


def directions(light: Floats, masses: Floats, manner: Manner, pixels: float) -> Floats:
    """Return the directions of hatching `(H, W, 2)`: along hair in `light`, elsewhere the manner's.

    `masses` is the darkness of hair and the like. The unit vectors, x first, have no meaningful
    sign, so they are mixed as doubled angles.
    """
    x, y, coherence = tangents(light, 3.0 * pixels)
    weight = np.clip(3 * masses, 0, 1) * np.clip(1.6 * coherence, 0, 1)
    angle = 2 * manner.hatch_angle
    cosine = weight * (x * x - y * y) + (1 - weight) * np.float32(np.cos(angle))
    sine = weight * 2 * x * y + (1 - weight) * np.float32(np.sin(angle))
    mixed = np.arctan2(sine, cosine) / 2
    return np.stack([np.cos(mixed), np.sin(mixed)], axis=-1)


def hatch(
    tone: Floats, field: Floats, manner: Manner, rng: np.random.Generator, pixels: float
) -> Segments:
    """Return strokes in the directions `(H, W, 2)`, as dense and firm as the tone is dark."""
    height, width = tone.shape
    places = (rng.random(3) + np.arange(_CANDIDATES)[:, None] * _EVENLY) % 1
    starts, limits = places[:, :2] * (width - 1, height - 1), _LEAST + (1 - _LEAST) * places[:, 2]
    starts += rng.normal(0, _SCATTER * pixels, starts.shape)
    turns = rng.normal(0, _SPREAD, _CANDIDATES)
    steps = manner.hatch_length * pixels * rng.uniform(0.6, 1.4, _CANDIDATES) / (_POINTS - 1)
    pressed = rng.uniform(0.55, 1.0, _CANDIDATES)
    kept = look_up(tone, starts) > limits
    paths = _run(starts[kept], steps[kept], turns[kept], field)
    wanted = look_up(tone, paths)
    is_on = np.minimum(wanted[:, 1:], wanted[:, :-1]) > 0.55 * limits[kept, None]
    force = (pressed[kept, None] * (0.35 + 0.65 * wanted[:, :-1]) * _TAPER)[is_on]
    return Segments(
        ends=np.stack([paths[:, :-1], paths[:, 1:]], axis=2)[is_on],
        widths=(manner.hatch_width * pixels * (0.6 + 0.8 * force)).astype(np.float32),
        pressures=force.astype(np.float32),
    )


def streaks(field: Floats, rng: np.random.Generator, pixels: float) -> Floats:
    """Return the streaks that a pencil leaves even in rubbed tone: factors `(H, W)` of about 1."""
    along = field[..., 0], field[..., 1]
    grain = sheet.tooth(field.shape[:2], rng)
    for _ in range(2):
        grain = smooth_along(grain, along, 2 * pixels)
    return np.asarray(np.clip(1 + 0.6 * grain, 0.3, 1.5), np.float32)


def look_up(field: Floats, points: Floats | Exact) -> Floats:
    """Return a field's values at the nearest pixels to points `(..., 2)`, x first."""
    x = np.clip(np.rint(points[..., 0]), 0, field.shape[1] - 1).astype(np.intp)
    y = np.clip(np.rint(points[..., 1]), 0, field.shape[0] - 1).astype(np.intp)
    return field[y, x]


def _run(starts: Exact, steps: Exact, turns: Exact, field: Floats) -> Floats:
    """Return paths `(N, points, 2)` along the directions, with the starts in the middle.

    `steps` from point to point are in pixels, `turns` deviations from the direction in radians.
    """
    cosine, sine = np.cos(turns)[:, None], np.sin(turns)[:, None]
    paths = [starts]
    for sign in (1, -1):
        place, heading = starts, np.zeros_like(starts)
        for _ in range(_POINTS // 2 - (sign < 0)):
            way = look_up(field, place)
            way = sign * (cosine * way + sine * way[:, ::-1] * (-1, 1))
            heading = np.where((way * heading).sum(axis=1, keepdims=True) < 0, -way, way)
            place = place + steps[:, None] * heading
            paths = [*paths, place] if sign > 0 else [place, *paths]
    return np.stack(paths, axis=1).astype(np.float32)


# An artist leaves a plain background out, so the subject of an image has to be found.

_WORKING_SIDE = 64  # side of the reduced image, pixels; a backdrop has no details
_RIM = 0.08  # rim in which a portrait shows its backdrop, fraction of the height and width
_SIDES = 0.6  # lower end of the rim, fraction of the height; shoulders follow
_CALM = 1.6  # change of colour per pixel; calmer areas are more likely to be backdrop
_ROUNDS = 3
# The lightness of a backdrop varies, but its colour hardly changes.
_WEIGHTS = np.array([0.45, 1, 1], np.float32)
_TOLERANCE = (6.0, 18.0)  # CIELAB distance from the colour of a plain and of a rough backdrop


def find_subject(photo: Pixels) -> Floats:
    """Return the certainty, `(H, W)` in [0, 1], that each pixel belongs to the subject.

    The backdrop is connected to the upper rim of the image and has the colour that a smooth
    surface, fitted to the rim, predicts. If the rim is not smooth (a busy background), all is
    subject.
    """
    height, width = photo.shape[:2]
    scale = min(_WORKING_SIDE / np.sqrt(height * width), 1)
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = cv2.cvtColor(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.0) * _WEIGHTS
    # The rim is the upper edge of the image and the upper part of its sides.
    rim = np.zeros(lab.shape[:2], bool)
    high, wide = (max(round(_RIM * side), 1) for side in lab.shape[:2])
    rim[:high] = rim[: round(_SIDES * len(rim)), :wide] = True
    rim[: round(_SIDES * len(rim)), -wide:] = True
    backdrop, plain = rim, 0.0
    across, down = (cv2.Sobel(lab, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    steepness = np.sqrt((across * across + down * down).sum(axis=-1))
    trust = np.where(steepness < _CALM, np.float32(3), np.float32(1))
    for _ in range(_ROUNDS):  # each round knows more of the backdrop's surface
        distance = _distance_from_backdrop(lab, backdrop)
        tolerance = float(np.clip(3 * np.median(distance[rim]), *_TOLERANCE))
        backdrop = joined_to(rim, distance < tolerance * trust, connectivity=4)
        plain = float(np.mean(backdrop[rim]))
    certain = backdrop * np.float32(np.clip((plain - 0.7) / 0.2, 0, 1))
    subject = cv2.resize(1 - certain, (width, height))
    return ramp(blur(np.asarray(subject, np.float32), 0.6 / scale), 0.15, 0.75)


def _distance_from_backdrop(lab: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return each colour's distance `(H, W)` from a cubic surface through the known colours."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x * x * y, y * y * y], axis=-1)
    kept = known
    for _ in range(2):  # outliers such as a shoulder are left out of the next fit
        known_terms, colours = terms[kept], lab[kept].astype(np.float64)
        # The normal equations are damped, since few pixels may lie on a line. einsum adds in a
        # fixed order, whatever the number of threads.
        squares = np.einsum("ni,nj->ij", known_terms, known_terms)
        squares += 1e-3 * len(colours) * np.eye(terms.shape[-1])
        factors = np.linalg.solve(squares, np.einsum("ni,nc->ic", known_terms, colours))
        surface = np.einsum("hwi,ic->hwc", terms, factors)
        distance = np.sqrt(((lab - surface) ** 2).sum(axis=-1))
        kept = known & (distance <= 2 * np.median(distance[known]) + 1)
    return np.asarray(distance, np.float32)
