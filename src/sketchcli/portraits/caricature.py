"""Free portraits, as people draw them: features slightly displaced, shaded by convention.

A sketch computed from a photo is true to it in everything it shows. People's sketches are not: they
enlarge eyes, lengthen noses and, whatever the light, shade what textbooks prescribe, such as both
sides of the nose, lids and full lips (Loomis, "Drawing the Head and Hands", 1956). A network
trained only on true sketches takes each such mark for a shadow of that face. So a style draws from
a face changed as a draughtsman would change it; the photo paired with the sketch stays unchanged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2

Points = NDArray[np.float32]
Exact = NDArray[np.float64]
Place = tuple[float, float]
Polyline = list[Place]

_REACH = 2.6  # eye distances around the middle of the face that are changed
_MIDDLE = 0.5  # eye distances from the eyes down to the middle of the face
_NOSE = 0.63  # eye distances from the eyes down to the tip of an average nose
_BITS = 4  # fractional bits of coordinates in cv2
_MOSTLY_FREE = 0.6  # exponent of a uniform number; below 1, more drawings are free than true
_REDDER = (3.0, 9.0)  # CIELAB a* above the skin's: where lips begin, and the range to full lips
_LIPS, _RIMS = 0.45, 0.6  # largest darkening, as a fraction of the light
_SHEEN = 1.0  # largest lightening of the lower lip
_FIELD_STEPS = 48  # points along each side of the grid of displacements


# All lengths below are in eye distances.
# A stroke that darkens: its path (x to the right of the middle line, y below the eyes), width,
# standard deviation of the blur, and the largest fraction of the light that it removes.
Mark = tuple[Polyline, float, float, float]
# A feature that is drawn elsewhere or larger: its centre, the standard deviations of the Gaussian
# within which it moves, its shift, and the factors of its width and height.
Pull = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]


@dataclass(frozen=True)
class _Frame:
    """A face's own axes, in the pixels of an image."""

    eyes: Exact  # (2,): the point between the eyes
    axes: Exact  # (2, 2): rows are one eye distance to the right and one down
    nose: Exact  # (2,): the tip of the nose, in eye distances
    mouth: Exact  # (2, 2): the corners of the mouth, in eye distances

    @property
    def distance(self) -> float:
        return float(np.linalg.norm(self.axes[0]))

    def to_pixels(self, places: Exact) -> Exact:
        return np.asarray(self.eyes + places @ self.axes)

    def from_pixels(self, pixels: Exact) -> Exact:
        return np.asarray((pixels - self.eyes) @ np.linalg.inv(self.axes))


def free(photo: Pixels, landmarks: Points, rng: np.random.Generator) -> Pixels:
    """Return the photo with its face changed as if drawn freely.

    How free, from not at all to very, is sampled first; then the darkness of each mark and the
    displacement of each feature. Everything far from the face stays unchanged. The landmarks
    `(5, 2)` are x and y of the eyes, the nose and the corners of the mouth, left ones first.
    """
    frame = _frame(landmarks)
    x, y = frame.to_pixels(np.array([0, _MIDDLE]))
    reach = _REACH * frame.distance
    rows, columns = (
        slice(max(round(at - reach), 0), max(min(round(at + reach), side), 0))
        for at, side in ((y, photo.shape[0]), (x, photo.shape[1]))
    )
    window = photo[rows, columns]
    if not window.size:  # the face lies beyond the image
        return photo
    frame = replace(frame, eyes=frame.eyes - (columns.start, rows.start))
    freedom = rng.uniform(0, 1) ** _MOSTLY_FREE
    strokes = (_darkened(mark, frame, window.shape) for mark in _marks(frame))
    light = np.ones(window.shape[:2], np.float32)
    for shade in chain(strokes, _lips(window, frame)):
        light *= 1 - np.float32(freedom * rng.uniform(0, 1)) * shade
    drawn = window.astype(np.float32) * light[..., None]
    changed = photo.copy()
    changed[rows, columns] = _pulled(drawn, _pulls(frame, freedom, rng), frame)
    return changed


def _frame(landmarks: Points) -> _Frame:
    left, right = np.asarray(landmarks[:2], np.float64)
    across = right - left
    if not np.any(across):
        across = np.array([1.0, 0.0])
    axes = np.array([across, [-across[1], across[0]]])
    middle = (left + right) / 2
    own = (np.asarray(landmarks, np.float64) - middle) @ np.linalg.inv(axes)
    return _Frame(middle, axes, own[2], own[3:])


def _marks(frame: _Frame) -> Iterator[Mark]:
    """Yield the marks with which a face is drawn, one side after the other."""
    nose_x, nose_y = frame.nose[0], max(frame.nose[1], 0.1)
    long, lean = nose_y / _NOSE, nose_x / nose_y
    middle = frame.mouth.mean(axis=0)
    half = float(frame.mouth[1, 0] - frame.mouth[0, 0]) / 2

    def nose(path: Polyline, side: int) -> Polyline:
        return [(side * x + lean * y * long, y * long) for x, y in path]

    def mouth(path: Polyline) -> Polyline:
        return [(float(middle[0]) + x * half, float(middle[1]) + y) for x, y in path]

    for side in (-1, 1):
        bridge = [(0.34, -0.28), (0.22, -0.1), (0.16, 0.1), (0.16, 0.35), (0.21, 0.52)]
        wing = [(0.2, 0.48), (0.28, 0.55), (0.29, 0.65), (0.22, 0.7)]
        cheek = [(side * x, y) for x, y in [(1.0, 0.1), (0.95, 0.7), (0.75, 1.2), (0.45, 1.6)]]
        yield (nose(bridge, side), 0.08, 0.05, 0.8)
        yield (nose(wing, side), 0.06, 0.03, 0.8)
        yield (nose([(0.08, 0.7), (0.17, 0.68)], side), 0.07, 0.03, 0.7)
        yield (_lid(side, -0.2), 0.03, 0.02, 0.7)
        yield (_lid(side, -0.1), 0.04, 0.02, 0.7)
        yield (_lid(side, 0.13), 0.035, 0.025, 0.6)
        yield ([(side * 0.5, 0.0), (side * 0.5, 0.001)], 0.1, 0.02, 0.7)
        yield (cheek, 0.15, 0.12, 0.5)
    yield (nose([(-0.12, 0.68), (0.12, 0.68)], 1), 0.1, 0.05, 0.5)
    yield (mouth([(0, -0.34), (0, -0.16)]), 0.07, 0.03, 0.35)
    yield (mouth([(-0.45, 0.28), (0.45, 0.28)]), 0.08, 0.05, 0.5)


def _lid(side: int, height: float) -> Polyline:
    """Return an arc whose middle is `height` below that of an eye (above it if negative)."""
    turns = np.linspace(-1, 1, 7)
    return [(side * 0.5 + 0.27 * t, height * (1 - 0.7 * t * t)) for t in turns]


def _darkened(mark: Mark, frame: _Frame, shape: tuple[int, ...]) -> Floats:
    path, width, softness, darkness = mark
    canvas = np.zeros(shape[:2], np.uint8)
    fixed = np.rint(frame.to_pixels(np.array(path)) * 2**_BITS).astype(np.int32)
    thickness = max(round(width * frame.distance), 1)
    cv2.polylines(canvas, [fixed], False, 255, thickness, cv2.LINE_AA, _BITS)
    soft = cv2.GaussianBlur(canvas, (0, 0), max(softness * frame.distance, 0.3))
    return soft.astype(np.float32) * np.float32(darkness / 255)


def _lips(window: Pixels, frame: _Frame) -> Iterator[Floats]:
    """Yield how much the lips are darkened, `(H, W)` each, and the lower one lightened (below 0).

    Lips are found where the area around the mouth is redder than the surrounding skin.
    """
    lab = cv2.cvtColor(window.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    red = cv2.GaussianBlur(lab[..., 1], (0, 0), max(0.02 * frame.distance, 0.3))
    (left, _), (right, _) = frame.mouth
    down, across = np.mgrid[: window.shape[0], : window.shape[1]].astype(np.float32)
    places = frame.from_pixels(np.stack([across, down], axis=-1))
    x_away = (places[..., 0] - (left + right) / 2) / max((right - left) / 2, 0.1)
    y_away = (places[..., 1] - frame.mouth[:, 1].mean()) / 0.3
    far = np.hypot(x_away, y_away)
    around = (far > 1.3) & (far < 1.8)
    if not np.any(around):
        return
    skin = np.median(red[around])
    inside = np.clip((1.3 - far) / 0.3, 0, 1)
    lips = (inside * np.clip((red - skin - _REDDER[0]) / _REDDER[1], 0, 1)).astype(np.float32)
    side = max(round(0.04 * frame.distance), 3) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rims = np.asarray(cv2.morphologyEx(lips, cv2.MORPH_GRADIENT, disc), np.float32)
    yield np.float32(_LIPS) * lips
    yield np.float32(_RIMS) * rims
    # The lower lip is rounder, so it is left light.
    lower = np.clip((places[..., 1] - frame.mouth[:, 1].mean()) / 0.06, 0, 1).astype(np.float32)
    yield np.float32(-_SHEEN) * lower * np.maximum(lips - rims, 0)


def _pulls(frame: _Frame, freedom: float, rng: np.random.Generator) -> Iterator[Pull]:
    """Yield the displacement of each feature; that of both eyes is nearly the same."""

    def off(deviation: float) -> Exact:
        return freedom * deviation * rng.normal(0, 1, 2)

    def grown(wide: float, high: float, usual: float = 0.0) -> Exact:
        return np.asarray(np.exp(freedom * (usual + np.array([wide, high]) * rng.normal(0, 1, 2))))

    eyes, brows, growth = off(0.04), off(0.05), grown(0.1, 0.15, usual=0.1)
    for side in (-1, 1):
        shift = eyes * (side, 1) + off(0.02)
        yield ((side * 0.5, 0.0), (0.3, 0.2), shift, growth)
        yield ((side * 0.55, -0.35), (0.35, 0.12), (0.0, brows[1]), (1.0, 1.0))
        yield ((side * 0.9, 1.0), (0.4, 0.5), off(0.06), (1.0, 1.0))
    yield (frame.nose, (0.3, 0.3), off(0.04), grown(0.15, 0.1))
    yield (frame.mouth.mean(axis=0), (0.45, 0.25), off(0.04), grown(0.12, 0.2))


def _pulled(drawn: Floats, pulls: Iterable[Pull], frame: _Frame) -> Pixels:
    height, width = drawn.shape[:2]
    # The grid points lie where cv2.resize assumes the pixels of a small image.
    steps = (np.arange(_FIELD_STEPS) + 0.5) / _FIELD_STEPS
    coarse = np.meshgrid(steps * width - 0.5, steps * height - 0.5)
    places = frame.from_pixels(np.stack(coarse, axis=-1))
    moved = np.zeros_like(places)
    for centre, reach, shift, growth in np.array(list(pulls)):
        away = places - centre
        bell = np.exp(-0.5 * ((away / reach) ** 2).sum(axis=-1, keepdims=True))
        moved += bell * (away * (1 / growth - 1) - shift)
    offsets = cv2.resize((moved @ frame.axes).astype(np.float32), (width, height))
    x = np.arange(width, dtype=np.float32) + offsets[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + offsets[..., 1]
    warped = cv2.remap(drawn, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    pixels: Pixels = np.rint(warped.clip(0, 255)).astype(np.uint8)
    return pixels
