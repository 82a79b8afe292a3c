"""Who a picture shows: SFace's 128 numbers of the face, cut out where the REAL photo has it.

SFace: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
2021, as OpenCV's model zoo has it, in 8 bits. Two faces are as alike as the cosine of the angle
between their numbers. The face is looked for on the real photo alone, and the generated picture is
cut in the same place: it must neither profit nor suffer from the detection.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.errors import DataError
from sketchcli.faces import FaceFinder
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2

TITLE = "SFace"
PROTOCOL = (
    "SFace (2021-12, 8 bits), 128 features; pictures resized until the longer side is 320 px; of "
    "both pictures the same 112x112 px, where YuNet (2023-03, 8 bits) finds five points on the "
    "real photo; a pair without a face on the real photo is left out"
)
NETWORKS = ("yunet", "sface")
FEATURES = 128
LONGER_SIDE = 320

# Where the two eyes, the nose and the corners of the mouth (x, y) are in the cut that SFace was
# trained on, and its size; from OpenCV's FaceRecognizerSF.
CUT = 112
CUT_POINTS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


class Faces:
    """The extractor: it looks for the face on the real photos, and describes pictures there."""

    def __init__(self, detector: Path, network: Path) -> None:
        self.finder, self.network = FaceFinder(detector), load(network)

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """From each photo's pixels to SFace's cut: `(N, 2, 3)`, NaN where there is no face.

        The pixels are those of the photo at 320 px.
        """
        places = np.full((len(real), 2, 3), np.nan)
        for index, photo in enumerate(real):
            face = self.finder.find(_resized(photo))
            if face is not None:
                places[index] = similarity(face.points.astype(np.float64), CUT_POINTS)
        return places

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """The features `(N, 128)` of uint8 pictures `(N, H, W, 3)`, each cut at its place."""
        features = np.full((len(pictures), FEATURES), np.nan, np.float32)
        for index in np.flatnonzero(np.isfinite(places).all(axis=(1, 2))):
            # One at a time, so that no picture's features depend on its neighbours.
            features[index] = _read(self.network, _cut(pictures[index], places[index]))
        return features


def open_extractor(files: Mapping[str, Path]) -> Faces:
    """The extractor, from the ONNX files of `yunet` and `sface`.

    Raises:
        DataError: A network's file is missing, damaged, or another network's.
    """
    return Faces(files["yunet"], files["sface"])


def load(file: Path) -> cv2.dnn.Net:
    """SFace, from its ONNX file.

    `cv2.FaceRecognizerSF` fails on the 8-bit file: it does not name the input.

    Raises:
        DataError: The file is missing, damaged, or another network's.
    """
    hint = "type: sketch2img fetch-data sface"
    try:
        network = cv2.dnn.readNetFromONNX(np.fromfile(file, dtype=np.uint8))
        shape = _read(network, np.zeros((CUT, CUT, 3), np.uint8)).shape
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}", hint=hint) from error
    except cv2.error as error:
        raise DataError(f"{file}: not the network SFace", hint=hint) from error
    if shape != (FEATURES,):
        raise DataError(f"{file}: not the network SFace", hint=hint)
    return network


def similarity(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """The `(2, 3)` matrix that turns, scales and shifts points nearest to others.

    Least squares without reflection (Umeyama 1991, equations 40 to 42; in two dimensions a
    complex number turns and scales, and the best one has a closed form).

    Args:
        start: `(P, 2)`: x and y.
        end: `(P, 2)`: where they should be.
    """
    first, second = start.mean(axis=0), end.mean(axis=0)
    a, b = ((points - mean) @ (1, 1j) for points, mean in ((start, first), (end, second)))
    turn = np.vdot(a, b) / np.vdot(a, a)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.hstack([linear, (second - linear @ first)[:, None]])


def _resized(picture: Pixels) -> Pixels:
    scale = LONGER_SIDE / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return images.resize(picture, (height, width))


def _cut(picture: Pixels, place: NDArray[np.float64]) -> Pixels:
    """`(112, 112, 3)`; black beyond the picture, as FaceRecognizerSF has it."""
    cut = cv2.warpAffine(_resized(picture), place, (CUT, CUT), flags=cv2.INTER_LINEAR)
    return cut.astype(np.uint8, copy=False)


def _read(network: cv2.dnn.Net, cut: Pixels) -> Floats:
    network.setInput(cut.transpose(2, 0, 1)[None].astype(np.float32), "data")
    features: Floats = np.array(network.forward(), np.float32).reshape(-1)
    return features
