"""Face detection (YuNet), and alignment of images by the eyes to CUHK's crops.

YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023) detects faces at almost any
scale, but locates the eyes of small or tilted ones only roughly: for tilts of up to 20 degrees, the
8-bit network is off by 5 degrees. Therefore each face is detected again, upright and enlarged.
"""

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

# Size of a CUHK crop (CUFS, Wang and Tang 2009) in pixels, and x and y of the eyes in it.
CROP_HEIGHT, CROP_WIDTH = 250, 200
CROP_EYES = np.array([[75, 125], [125, 125]], np.float32)
CROP_EYE_DISTANCE = 50
ASPECT = CROP_WIDTH / CROP_HEIGHT
FEATHER = 0.12  # fraction of a pasted face's width over which it blends into its surroundings

# Measured on CUHK, Congress portraits, drawn faces and 150 facades: faces and sketches of faces
# score 0.84 or more at the first of these scales, facades 0.73 or less at every scale.
SCORE = 0.75
LONGER_SIDES = (160, 320, 640)  # pixels; the larger sizes find small faces in large images

# The refinement uses a square of 256 pixels with the eyes at these places. The bias is YuNet's
# offset from CUHK's eyes there (median over CUHK's photos and sketches, in eye distances).
WINDOW = 256
WINDOW_EYES = np.array([[73, 115], [183, 115]], np.float32)
BIAS = np.array([[-0.008, 0.038], [0.040, 0.022]], np.float32)
LOOKS = 2  # refinements; the first detection's tilt may be far off, and a third changes nothing


@dataclass(frozen=True)
class Face:
    """A face, in pixels of its image."""

    eyes: Points  # (2, 2): x and y of the eye on the image's left, then of the other
    landmarks: Points  # (5, 2): these eyes, the nose and the corners of the mouth
    points: Points  # (5, 2): the landmarks before refinement, by which SFace's crops are aligned
    box: tuple[float, float, float, float]  # x, y, width and height


class FaceFinder:
    """Detector of an image's largest face by YuNet's ONNX file; do not share it among threads."""

    def __init__(self, model: Path) -> None:
        hint = "run: sketch2img fetch-data yunet"
        try:
            network = np.fromfile(model, dtype=np.uint8)
        except OSError as error:
            raise DataError(f"{model}: {error.strerror or error}", hint=hint) from error
        nothing = np.zeros(0, np.uint8)
        try:
            self._network = cv2.FaceDetectorYN.create("onnx", network, nothing, (32, 32), SCORE)
            self._network.detect(np.zeros((32, 32, 3), np.uint8))
        except (cv2.error, ValueError) as error:
            raise DataError(f"{model} is not the network YuNet", hint=hint) from error

    def find(self, rgb: Pixels) -> Face | None:
        """Return the largest confident face in a photo or sketch `(H, W, 3)`, or None."""
        for longer in LONGER_SIDES:
            scale = longer / max(rgb.shape[:2])
            size = np.array([max(1, round(side * scale)) for side in rgb.shape[:2]])
            back = rgb.shape[1::-1] / size[::-1]
            faces = self._detect(images.resize(rgb, (int(size[0]), int(size[1]))), back)
            if faces:
                break
        else:
            return None
        face = max(faces, key=lambda face: face.box[2] * face.box[3])
        landmarks = face.landmarks
        for _ in range(LOOKS):
            landmarks = self._look_again(rgb, landmarks)
        return replace(face, eyes=landmarks[:2], landmarks=landmarks)

    def _detect(self, rgb: Pixels, scale: NDArray[np.float64]) -> list[Face]:
        """Return all confident faces, with coordinates multiplied by `scale` (x, y)."""
        self._network.setInputSize((rgb.shape[1], rgb.shape[0]))
        found = self._network.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1]
        rows = cast("NDArray[np.float32] | None", found)  # the stub omits None
        return [] if rows is None else [_face(row, scale) for row in rows]

    def _look_again(self, rgb: Pixels, landmarks: Points) -> Points:
        """Return the landmarks that YuNet finds when the face is upright and fills the image."""
        there = _similarity(landmarks[:2], WINDOW_EYES)
        faces = self._detect(_warped(rgb, there, (WINDOW, WINDOW)), np.ones(2))
        if not faces:
            return landmarks
        face = min(faces, key=lambda face: float(np.abs(face.eyes - WINDOW_EYES).sum()))
        distance = float(np.linalg.norm(face.eyes[1] - face.eyes[0]))
        back = np.asarray(cv2.invertAffineTransform(there))
        eyes = face.eyes - BIAS * np.float32(distance)
        found = np.concatenate([eyes, face.landmarks[2:]])
        return (found @ back[:, :2].T + back[:, 2]).astype(np.float32)


def cut(pixels: Pixels, eyes: Points | None, size: tuple[int, int]) -> Pixels:
    """Crop a grey or RGB image like CUHK's crops, to the smallest size that covers `size` (H, W).

    Without eyes, the crop is in the centre.
    """
    height = max(size[0], round(size[1] / ASPECT))
    if eyes is not None:
        return align(pixels, eyes, height=height)
    return images.fit(pixels, (height, round(height * ASPECT)), Fit.CROP)


def align(pixels: Pixels, eyes: Points, *, height: int) -> Pixels:
    """Rotate, scale and shift an image so that its eyes are where CUHK's crops have them.

    The image is grey or RGB; areas beyond it repeat its border. `height` is that of the result, in
    pixels; its width is 0.8 times that.
    """
    width = round(height * CROP_WIDTH / CROP_HEIGHT)
    return _warped(pixels, _similarity(eyes, _crop_eyes(width, height)), (width, height))


def paste(face: Pixels, onto: Pixels, eyes: Points) -> Pixels:
    """Paste an RGB face `(h, w, 3)` back into the image from which `align` cropped it."""
    height, width = face.shape[:2]
    back = _similarity(_crop_eyes(width, height), eyes)
    size = (onto.shape[1], onto.shape[0])
    # Its opacity falls from 1 in the middle to 0 at the edge.
    rise = max(1.0, FEATHER * width)
    down, along = (np.minimum(np.arange(n), np.arange(n)[::-1]) / rise for n in (height, width))
    opacity = np.minimum(down[:, None], along).clip(0, 1).astype(np.float32)
    cover = cv2.warpAffine(opacity, back, size, flags=cv2.INTER_LINEAR)
    share = np.asarray(cover)[:, :, None]
    blend = _warped(face, back, size) * share + onto * (1 - share)
    pasted: Pixels = np.rint(blend).clip(0, 255).astype(np.uint8)
    return pasted


def _crop_eyes(width: int, height: int) -> Points:
    # Pixel centres have integer coordinates, so images scale around -0.5.
    scale = np.array([width / CROP_WIDTH, height / CROP_HEIGHT], np.float32)
    return (CROP_EYES + np.float32(0.5)) * scale - np.float32(0.5)


def loosened(eyes: Points, rng: np.random.Generator) -> Points:
    """Return eyes `(2, 2)` next to a face's own, so that `align` by them crops loosely.

    As in crops made by people, they are off by almost nothing up to 1.7 times the distance, 20
    degrees and half an eye distance.
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
    """Return the `(2, 3)` matrix that rotates, scales and shifts two points onto two others."""
    first, second = (np.asarray(points, np.float64) for points in (start, end))
    a, b = (complex(*(points[1] - points[0])) for points in (first, second))
    turn = b / a if a else complex(1)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    shift = second.mean(axis=0) - linear @ first.mean(axis=0)
    return np.hstack([linear, shift[:, None]])


def _warped(pixels: Pixels, matrix: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """Warp to `(width, height)`; an image that shrinks is first reduced with INTER_AREA."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        tall, wide = pixels.shape[:2]
        reduced = (max(1, round(tall * scale)), max(1, round(wide * scale)))
        back = np.array([wide / reduced[1], tall / reduced[0]])
        pixels = images.resize(pixels, reduced)
        # Pixel x of the reduced image covers the pixels around (x + 0.5) * back - 0.5.
        shift = matrix[:, :2] @ ((back - 1) / 2) + matrix[:, 2]
        matrix = np.hstack([matrix[:, :2] * back, shift[:, None]])
    warped = cv2.warpAffine(
        pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return warped.astype(np.uint8, copy=False)
