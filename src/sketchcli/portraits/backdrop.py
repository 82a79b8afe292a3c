"""Studio conditions for portraits: a plain backdrop and even lighting."""

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2

# A portrait's busy background is replaced by a studio's: plain, softly lit, blue-grey.
# A sketch omits the background, so a network cannot know it: trained on flags and bookshelves, it
# generates blotches, but trained on portraits with one plain backdrop, it generates that backdrop.
# The sitter is cut out by GrabCut (Rother, Kolmogorov, Blake, "GrabCut: interactive foreground
# extraction using iterated graph cuts", 2004), given the head and shoulders expected from the eyes.

Points = NDArray[np.float32]
Exact = NDArray[np.float64]
_WORKING_SIDE = 128  # pixels of the longer side; the time grows with their number
_ROUNDS = 3  # iterations of GrabCut
_NEAR = 7  # pixels; size of the area compared on either side of the outline
_CLEAR = 18.0  # 8-bit CIELAB distance from which colours count as different
_LEAST_CLEAR = 0.85  # smallest fraction of the outline with different colours
_SPECK = 0.005  # fraction of the image below which a hole in the sitter is closed
# Ellipses around the point between the eyes, in eye distances: x and y of the centre, half axes.
_INNER_FACE = (0.0, 0.35, 0.85, 1.3)
_HEAD = (0.0, 0.1, 1.7, 2.05)
_REACH = (0.0, 0.25, 2.0, 2.35)  # contains all of the sitter above the shoulders
_NECK, _SHOULDERS = 1.3, 1.85  # eye distances below the eyes at which they begin
_SLOPE = 0.2  # slope of the shoulders
_BUST = 2.0  # eye distances; half the width of what is certainly a body
_WINDOW = (3.4, 2.9, 4.0)  # eye distances to either side, above and below that are searched
# A crown that is lower or more lopsided than this has lost its hair to a background of the same
# colour; it is measured in eye distances above the eyes, mid-face and over each eye.
_CROWN, _TEMPLES, _LOPSIDED = 1.45, 1.15, 0.4
# CIELAB of the backdrop (lightness, green to red, blue to yellow), and its standard deviations.
_COLOUR = np.array([66.0, -1.0, -14.0])
_VARIETY = np.array([4.0, 1.2, 3.0])


def studio(photo: Pixels, eyes: Points, rng: np.random.Generator) -> Pixels | None:
    """Return a portrait `(H, W, 3)` with a random studio backdrop; None if it cannot be cut out.

    The eyes `(2, 2)` are x and y in pixels, of the eye on the image's left first.
    """
    matte = sitter(photo, eyes)
    if matte is None:
        return None
    matte = matte[..., None]
    # The backdrop has one colour, and is lit from somewhere behind the head.
    height, width = photo.shape[:2]
    lab = np.empty((height, width, 3), np.float32)
    lab[:] = _COLOUR + _VARIETY * rng.normal(0, 1, 3)
    x, y = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.6)
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
    lab[..., 0] += rng.uniform(0, 14) * (0.3 - ((columns - x) ** 2 + (rows - y) ** 2))
    backdrop = np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, np.float32)
    mixed = matte * photo.astype(np.float32) + (1 - matte) * backdrop
    pixels: Pixels = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
    return pixels


def sitter(photo: Pixels, eyes: Points) -> Floats | None:
    """Return how certainly each pixel of a photo belongs to the sitter, `(H, W)` in [0, 1].

    It is None if the colours along the outline hardly differ, or the hair was taken for background.
    """
    height, width = photo.shape[:2]
    places: Exact = np.asarray(eyes, np.float64)
    (x, y), distance = places.mean(axis=0), _distance(places)
    aside, above, below = (distance * side for side in _WINDOW)
    top, left = max(round(y - above), 0), max(round(x - aside), 0)
    window = slice(top, min(round(y + below), height)), slice(left, min(round(x + aside), width))
    found = _cut_out(photo[window], places - (left, top))
    if found is None:
        return None
    matte = np.zeros((height, width), np.float32)
    matte[window] = found
    return matte


def _distance(eyes: Exact) -> float:
    return max(float(np.linalg.norm(eyes[1] - eyes[0])), 1.0)


def _cut_out(photo: Pixels, eyes: Exact) -> Floats | None:
    """Return the matte of an image filled by head and shoulders, or None if it is doubtful."""
    if not photo.size:  # the face lies beyond the image
        return None
    height, width = photo.shape[:2]
    scale = min(_WORKING_SIDE / max(height, width), 1)
    small = images.resize(photo, (max(round(height * scale), 8), max(round(width * scale), 8)))
    soft = cv2.GaussianBlur(small, (0, 0), 0.6)
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.uint8, copy=False)
    marks = _marks(small.shape[:2], eyes * scale)
    if not {cv2.GC_FGD, cv2.GC_BGD} <= set(np.unique(marks).tolist()):
        return None
    cv2.setRNGSeed(0)  # GrabCut initialises its clusters at random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(lab, marks, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    whole = _one_piece((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))
    if not _has_crown(whole, eyes * scale) or not _is_clear(lab, whole, eyes * scale):
        return None
    edge = cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 0.7)
    large = cv2.resize(edge, (width, height), interpolation=cv2.INTER_LINEAR)
    # The edge moves inwards a little, so that no rim of the old background remains.
    t = np.clip((large - 0.35) / 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _marks(shape: tuple[int, ...], eyes: Exact) -> NDArray[np.uint8]:
    """Return GrabCut's initial class of each pixel: sure or probable foreground or background."""
    centre, distance = eyes.mean(axis=0), _distance(eyes)
    y, x = np.mgrid[: shape[0], : shape[1]]
    across, down = (x - centre[0]) / distance, (y - centre[1]) / distance

    def within(ellipse: tuple[float, float, float, float]) -> NDArray[np.bool_]:
        right, below, wide, high = ellipse
        far = ((across - right) / wide) ** 2 + ((down - below) / high) ** 2
        return np.asarray(far < 1, np.bool_)

    neck = (down > _NECK) & (np.abs(across) < 0.55)
    shoulders = down > _SHOULDERS + _SLOPE * np.maximum(np.abs(across) - 0.7, 0)
    shoulders &= np.abs(across) < _BUST
    body = (down > _NECK) & (np.abs(across) < down)
    marks = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    marks[within(_HEAD) | body] = cv2.GC_PR_FGD
    marks[(down < _NECK) & ~within(_REACH)] = cv2.GC_BGD
    marks[:1] = cv2.GC_BGD
    marks[within(_INNER_FACE) | neck | shoulders] = cv2.GC_FGD
    return marks


def _one_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest component of a mask, with small holes closed."""
    _, labels, about, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    largest = labels == 1 + int(np.argmax(about[1:, cv2.CC_STAT_AREA]))
    _, holes, about, _ = cv2.connectedComponentsWithStats((~largest).astype(np.uint8))
    small = np.flatnonzero(about[:, cv2.CC_STAT_AREA] < _SPECK * mask.size)
    return np.asarray(largest | (np.isin(holes, small) & ~largest), np.bool_)


def _has_crown(whole: NDArray[np.bool_], eyes: Exact) -> bool:
    """Return whether the head above the eyes is as high and as symmetric as heads are."""
    (x, y), distance = eyes.mean(axis=0), _distance(eyes)
    columns = np.clip(np.rint(x + distance * np.array([-0.5, 0, 0.5])), 0, whole.shape[1] - 1)
    left, middle, right = (y - np.argmax(whole[:, columns.astype(int)], axis=0)) / distance
    is_high = middle >= _CROWN and min(left, right) >= _TEMPLES
    return bool(is_high and abs(left - right) <= _LOPSIDED)


def _is_clear(lab: Pixels, whole: NDArray[np.bool_], eyes: Exact) -> bool:
    """Return whether the colours on both sides of the outline differ, from crown to neck."""
    sides = []
    for weight in (whole.astype(np.float32), (~whole).astype(np.float32)):
        total = np.maximum(cv2.blur(weight, (_NEAR, _NEAR)), np.float32(1e-3))
        sides.append(cv2.blur(lab * weight[..., None], (_NEAR, _NEAR)) / total[..., None])
    apart = np.sqrt(((sides[0] - sides[1]) ** 2).sum(axis=-1))
    square = np.ones((3, 3), np.uint8)
    outline = cv2.morphologyEx(whole.astype(np.uint8), cv2.MORPH_GRADIENT, square) > 0
    neck = max(round(eyes[:, 1].mean() + _NECK * _distance(eyes)), 0)
    along = apart[:neck][outline[:neck]]
    return bool(along.size) and float(np.mean(along > _CLEAR)) >= _LEAST_CLEAR


# Exposure and colour cast of portraits from many cameras are evened out by the colour of the skin.
# A sketch shows neither how a photo was exposed nor its lamp, so a network trained on all kinds of
# portraits generates their mean, in which white faces are dim and red. Skin is therefore brought
# close to its lightness and hue in a well-lit studio. Dark skin stays dark: sketches show what
# differs between people, and the network must learn it.

# Patches of bare skin, in eye distances to the right of and below the point between the eyes.
_PATCHES = ((-0.55, 0.55), (0.55, 0.55), (0.0, 0.45), (-0.25, -0.45), (0.25, -0.45))
_PATCH = 0.13  # half a patch's side, in eye distances
# CIELAB of skin in photos and in the result: lightness rises, less so towards white; differences in
# hue between photos are kept only in part, because they come more from the lamp than the sitter.
_LIGHTNESS = ((0.0, 30.0, 46.0, 61.0, 74.0, 100.0), (0.0, 34.0, 55.0, 75.0, 81.0, 100.0))
_USUAL_HUE, _STUDIO_HUE, _KEPT = np.array([17.7, 18.3]), np.array([12.5, 18.0]), 0.6
# Limits of the factors per channel and for all, because a corrected face may look made up.
_CASTS, _EXPOSURES = (0.88, 1.12), (0.5, 3.0)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # weights of linear RGB (ITU-R BT.709)


def evened(photo: Pixels, eyes: Points) -> Pixels:
    """Return a portrait `(H, W, 3)` as in studio lighting, with black and white unchanged."""
    skin = _skin(photo, eyes)
    if skin is None:
        return photo
    # The linear RGB that skin has in a studio.
    lab = cv2.cvtColor(_encoded(skin).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]
    lab[0] = np.interp(lab[0], *_LIGHTNESS)
    lab[1:] = _STUDIO_HUE + _KEPT * (lab[1:] - _USUAL_HUE)
    lit = _linear(cv2.cvtColor(lab[None, None], cv2.COLOR_LAB2RGB)[0, 0].astype(np.float64))
    cast = np.clip((lit / (_LUMINANCE @ lit)) / (skin / (_LUMINANCE @ skin)), *_CASTS)
    exposure = np.clip(_odds(lit) / _odds(skin), *_EXPOSURES)
    gains, light = exposure * cast, _linear(np.arange(256) / 255)[:, None]
    # Multiplying the odds by the gain is linear in the shadows and keeps white.
    curves = _encoded(light * gains / (1 + light * (gains - 1)))
    table = np.rint(curves * 255).astype(np.uint8)
    pixels: Pixels = np.stack([table[photo[..., c], c] for c in range(3)], axis=-1)
    return pixels


def _skin(photo: Pixels, eyes: Points) -> Exact | None:
    """Return the median linear RGB of bare skin, or None if the face lies beyond the image."""
    places: Exact = np.asarray(eyes, np.float64)
    right = places[1] - places[0]
    down = np.array([-right[1], right[0]])
    half = max(round(float(np.linalg.norm(right)) * _PATCH), 1)
    colours = []
    for across, below in _PATCHES:
        x, y = np.rint(places.mean(axis=0) + across * right + below * down).astype(int)
        patch = photo[
            max(y - half, 0) : max(y + half + 1, 0), max(x - half, 0) : max(x + half + 1, 0)
        ]
        if patch.size:
            colours.append(np.median(patch.reshape(-1, 3), axis=0))
    return _linear(np.maximum(np.median(colours, axis=0), 1) / 255) if colours else None


def _odds(colour: Exact) -> float:
    """Return the luminance of linear RGB as odds, l / (1 - l)."""
    luminance = min(max(float(_LUMINANCE @ colour), 1e-3), 1 - 1e-3)
    return luminance / (1 - luminance)


def _linear(encoded: Exact) -> Exact:
    """Convert sRGB values in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encoded(light: Exact) -> Exact:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
