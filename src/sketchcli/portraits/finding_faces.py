"""Where a face's eyes are (YuNet), and pictures cut so that they are where CUHK's are.

YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) finds a face at almost any
scale, but places the eyes of a small or tilted one roughly: the 8-bit network is off by 5 degrees,
where faces are tilted by up to 20. So the face is looked at again, upright and large.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.config import Fit
from sketchcli.errors import DataError
from sketchcli.images import Pixels
from sketchcli.images.opencv import cv2

Points = NDArray[np.float32]

# Of a CUHK crop (CUFS, Wang and Tang 2009): its size, and the eyes' x and y in it.
CROP_HEIGHT, CROP_WIDTH = 250, 200
CROP_EYES = np.array([[75, 125], [125, 125]], np.float32)
CROP_EYE_DISTANCE = 50
ASPECT = CROP_WIDTH / CROP_HEIGHT
FEATHER = 0.12  # of a pasted face's width, over which it passes into what is around it

# Measured on CUHK, Congress portraits, drawn faces and 150 facades: faces and sketches of faces
# score .84 and more at the first of these scales, facades .73 at most at any.
SCORE = 0.75
LONGER_SIDES = (160, 320, 640)  # the larger ones find small faces in large pictures

# The second look: a square, the place of the eyes in it, and how far beside CUHK's eyes YuNet
# places them there (median over the CUHK photos and sketches, in eye distances).
WINDOW = 256
WINDOW_EYES = np.array([[73, 115], [183, 115]], np.float32)
BIAS = np.array([[-0.008, 0.038], [0.040, 0.022]], np.float32)
LOOKS = 2  # the first look's tilt may be far off; a third changes nothing


@dataclass(frozen=True)
class Face:
    """A face in a picture, in its pixels.

    Args:
        eyes: `(2, 2)`: x and y of the eye at the picture's left, then of the other.
        landmarks: `(5, 2)`: x and y of those eyes, the nose, the corners of the mouth.
        points: `(5, 2)`: the landmarks as they were seen first, of which SFace's cuts are made.
        box: x, y, width and height.
    """

    eyes: Points
    landmarks: Points
    points: Points
    box: tuple[float, float, float, float]


class FaceFinder:
    """Finds the largest face of a picture; not to be shared between threads.

    Args:
        model: YuNet's ONNX file.

    Raises:
        DataError: The file is missing or is not YuNet.
    """

    def __init__(self, model: Path) -> None:
        hint = "type: sketch2img fetch-data yunet"
        try:
            network = np.fromfile(model, dtype=np.uint8)
        except OSError as error:
            raise DataError(f"{model}: {error.strerror or error}", hint=hint) from error
        nothing = np.zeros(0, np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create("onnx", network, nothing, (32, 32), SCORE)
            self._network.detect(np.zeros((32, 32, 3), np.uint8))
        except (cv2.error, ValueError) as error:
            raise DataError(f"{model}: not the network YuNet", hint=hint) from error

    def find(self, rgb: Pixels) -> Face | None:
        """The largest confident face in `(H, W, 3)`, or None; sketches may be given as RGB too."""
        face = next(self._search(rgb), None)
        if face is None:
            return None
        landmarks = face.landmarks
        for _ in range(LOOKS):
            landmarks = self._look_again(rgb, landmarks)
        return replace(face, eyes=landmarks[:2], landmarks=landmarks)

    def _search(self, rgb: Pixels) -> Iterator[Face]:
        for longer in LONGER_SIDES:
            scale = longer / max(rgb.shape[:2])
            size = np.array([max(1, round(side * scale)) for side in rgb.shape[:2]])
            back = rgb.shape[1::-1] / size[::-1]
            faces = self._detect(images.resize(rgb, (int(size[0]), int(size[1]))), back)
            if faces:
                yield max(faces, key=lambda face: face.box[2] * face.box[3])

    def _detect(self, rgb: Pixels, scale: NDArray[np.float64]) -> list[Face]:
        """All confident faces, their places multiplied by `scale` (x, y)."""
        self._network.setInputSize((rgb.shape[1], rgb.shape[0]))
        found = self._network.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
        rows = cast("NDArray[np.float32] | None", found)  # its stub does not know of None
        return [] if rows is None else [_face(row, scale) for row in rows]

    def _look_again(self, rgb: Pixels, landmarks: Points) -> Points:
        """The landmarks as YuNet sees them where the face is upright and fills the picture."""
        there = _similarity(landmarks[:2], WINDOW_EYES)
        faces = self._detect(_warped(rgb, there, (WINDOW, WINDOW)), np.ones(2))
        if not faces:
            return landmarks
        face = min(faces, key=lambda face: float(np.abs(face.eyes - WINDOW_EYES).sum()))
        distance = float(np.linalg.norm(face.eyes[1] - face.eyes[0]))
        back = cv2.invertAffineTransform(there)
        eyes = face.eyes - BIAS * np.float32(distance)
        return _moved(back, np.concatenate([eyes, face.landmarks[2:]]))


def cut(pixels: Pixels, eyes: Points | None, size: tuple[int, int]) -> Pixels:
    """What CUHK's crops show of a picture, as small as it covers `size` (height, width).

    Args:
        pixels: Grey `(H, W)` or RGB `(H, W, 3)`.
        eyes: As `align` takes them; None: the middle of the picture is taken.
        size: That is to be made of it.
    """
    height = max(size[0], round(size[1] / ASPECT))
    if eyes is None:
        return images.fit(pixels, (height, round(height * ASPECT)), Fit.CROP)
    return align(pixels, eyes, height=height)


def align(pixels: Pixels, eyes: Points, *, height: int) -> Pixels:
    """Rotate, scale and shift a picture so that the eyes are where CUHK's crops have them.

    What the picture does not hold repeats its border.

    Args:
        pixels: Grey `(H, W)` or RGB `(H, W, 3)`.
        eyes: `(2, 2)`: x and y of the eye at the picture's left, then of the other.
        height: Of the result, in pixels; its width is .8 of that, rounded.
    """
    width = round(height * CROP_WIDTH / CROP_HEIGHT)
    return _warped(pixels, _similarity(eyes, _crop_eyes(width, height)), (width, height))


def paste(face: Pixels, onto: Pixels, eyes: Points) -> Pixels:
    """Put a face that `align` cut out, at any size, back where it was.

    Args:
        face: RGB `(h, w, 3)`.
        onto: The picture that it came from, RGB `(H, W, 3)`.
        eyes: Where the eyes are in that, as `align` was told.
    """
    height, width = face.shape[:2]
    back = _similarity(_crop_eyes(width, height), eyes)
    size = (onto.shape[1], onto.shape[0])
    cover = cv2.warpAffine(_feathered(height, width), back, size, flags=cv2.INTER_LINEAR)
    share = np.asarray(cover)[:, :, None]
    blend = _warped(face, back, size) * share + onto * (1 - share)
    pasted: Pixels = np.rint(blend).clip(0, 255).astype(np.uint8)
    return pasted


def _crop_eyes(width: int, height: int) -> Points:
    """Where the eyes are in an aligned picture of another size than CUHK's."""
    # Centres of pixels have whole coordinates, so that sizes scale around -.5.
    scale = np.array([width / CROP_WIDTH, height / CROP_HEIGHT], np.float32)
    return (CROP_EYES + np.float32(0.5)) * scale - np.float32(0.5)


def _feathered(height: int, width: int) -> NDArray[np.float32]:
    """How much of a pasted face covers what was there: all in the middle, nothing at the edge."""
    rise = max(1.0, FEATHER * width)
    down, along = (np.minimum(np.arange(n), np.arange(n)[::-1]) / rise for n in (height, width))
    return np.minimum(down[:, None], along[None, :]).clip(0, 1).astype(np.float32)


def loosened(eyes: Points, rng: np.random.Generator) -> Points:
    """Eyes beside a face's own, so that `align` by them cuts loosely, as people do.

    From hardly at all to 1.7 times as wide, 20 degrees and half an eye distance off.

    Args:
        eyes: `(2, 2)`: x and y.
        rng: The source of the draws.
    """
    amount = rng.uniform() ** 1.3
    wider = np.exp(amount * rng.uniform(-0.12, 0.52))
    angle = amount * np.deg2rad(rng.normal(0, 7))
    turn = wider * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre, distance = eyes.mean(axis=0), float(np.linalg.norm(eyes[1] - eyes[0]))
    moved = centre + amount * distance * np.clip(rng.normal(0, 0.2, 2), -0.5, 0.5)
    return np.asarray((eyes - centre) @ turn.T + moved, np.float32)


def _face(row: NDArray[np.float32], scale: NDArray[np.float64]) -> Face:
    points = (row[4:14].reshape(5, 2) * scale).astype(np.float32)
    x, y, width, height = (row[:4].reshape(2, 2) * scale).ravel().tolist()
    eyes = points[np.argsort(points[:2, 0])]
    mouth = points[3:][np.argsort(points[3:, 0])]
    landmarks = np.concatenate([eyes, points[2:3], mouth])
    return Face(eyes, landmarks, points, (x, y, width, height))


def _similarity(start: Points, end: Points) -> NDArray[np.float64]:
    """The `(2, 3)` matrix that rotates, scales and shifts two points onto two others."""
    first, second = (np.asarray(points, np.float64) for points in (start, end))
    a, b = (complex(*(points[1] - points[0])) for points in (first, second))
    turn = b / a if a else complex(1)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    shift = second.mean(axis=0) - linear @ first.mean(axis=0)
    return np.hstack([linear, shift[:, None]])


def _moved(matrix: cv2.typing.MatLike, points: Points) -> Points:
    linear, shift = np.asarray(matrix)[:, :2], np.asarray(matrix)[:, 2]
    return (points @ linear.T + shift).astype(np.float32)


def _warped(pixels: Pixels, matrix: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """Warp to `(width, height)`; where that reduces, INTER_AREA does it first, then the warp."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        tall, wide = pixels.shape[:2]
        reduced = (max(1, round(tall * scale)), max(1, round(wide * scale)))
        back = np.array([wide / reduced[1], tall / reduced[0]])
        pixels = images.resize(pixels, reduced)
        # A reduced picture's pixel x covers the pixels around (x + .5) * back - .5.
        shift = matrix[:, :2] @ ((back - 1) / 2) + matrix[:, 2]
        matrix = np.hstack([matrix[:, :2] * back, shift[:, None]])
    warped = cv2.warpAffine(
        pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return warped.astype(np.uint8, copy=False)
