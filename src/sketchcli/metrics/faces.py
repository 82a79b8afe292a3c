"""Identity metrics: SFace's 128 features of the face, cropped where the REAL photo has it.

SFace is by Zhong et al. ("SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
2021), here in the 8-bit version of OpenCV's model zoo. The similarity of two faces is the cosine of
the angle between their features. The face is detected only on the real photo, and the generated
photo is cropped at the same place, so that it neither gains nor suffers from the detection.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sketchcli import images
from sketchcli.errors import DataError
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.metrics._filters import Values
from sketchcli.portraits.finding_faces import FaceFinder
from sketchcli.registry import Entry

NAMES = ("face-similarity", "rank-1", "rank-5", "verification-eer")

FEATURES = 128
LONGER_SIDE = 320
# Size in pixels of the crop that SFace was trained on, and x and y of the two eyes, the nose and
# the corners of the mouth in it; from OpenCV's FaceRecognizerSF.
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
    """Extractor that locates faces on the real photos and describes images at these places."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.finder, self.network = FaceFinder(files["yunet"]), load_faces(files["sface"])

    def look(self, real: Pixels) -> Values:
        """Return the maps `(N, 2, 3)` from photos at 320 px to SFace's crop; NaN: no face."""
        places = np.full((len(real), 2, 3), np.nan)
        for index, photo in enumerate(real):
            face = self.finder.find(_resized(photo))
            if face is not None:
                places[index] = similarity(face.points.astype(np.float64), CUT_POINTS)
        return places

    def describe(self, pictures: Pixels, places: Values) -> Floats:
        """Return the features `(N, 128)` of uint8 images `(N, H, W, 3)`, cropped at the places."""
        features = np.full((len(pictures), FEATURES), np.nan, np.float32)
        for index in np.flatnonzero(np.isfinite(places).all(axis=(1, 2))):
            # Batches would let an image's features depend on its neighbours.
            # Black beyond the image, as FaceRecognizerSF makes it.
            cut = cv2.warpAffine(_resized(pictures[index]), places[index], (CUT, CUT))
            features[index] = _read(self.network, cut.astype(np.uint8, copy=False))
        return features


def load_faces(file: Path) -> cv2.dnn.Net:
    """Return SFace, from its ONNX file.

    `cv2.FaceRecognizerSF` fails on the 8-bit file because it does not name the input.
    """
    hint = "run: sketch2img fetch-data sface"
    try:
        network = cv2.dnn.readNetFromONNX(np.fromfile(file, dtype=np.uint8))
        shape = _read(network, np.zeros((CUT, CUT, 3), np.uint8)).shape
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}", hint=hint) from error
    except cv2.error as error:
        raise DataError(f"{file} is not the network SFace", hint=hint) from error
    if shape != (FEATURES,):
        raise DataError(f"{file} is not the network SFace", hint=hint)
    return network


def similarity(start: Values, end: Values) -> Values:
    """Return the `(2, 3)` matrix that best rotates, scales and shifts points `(P, 2)` onto others.

    The fit is least squares without reflection (Umeyama 1991, equations 40 to 42): in two
    dimensions a complex number rotates and scales, and the best one has a closed form.
    """
    first, second = start.mean(axis=0), end.mean(axis=0)
    a, b = ((points - mean) @ (1, 1j) for points, mean in ((start, first), (end, second)))
    turn = np.vdot(a, b) / np.vdot(a, a)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.hstack([linear, (second - linear @ first)[:, None]])


def _resized(picture: Pixels) -> Pixels:
    return images.resize(picture, images.inner_size(picture.shape, (LONGER_SIDE, LONGER_SIDE)))


def _read(network: cv2.dnn.Net, cut: Pixels) -> Floats:
    network.setInput(cut.transpose(2, 0, 1)[None].astype(np.float32), "data")
    return np.array(network.forward(), np.float32).reshape(-1)


# Every generated photo is compared with every real photo of the split, the gallery.
# The pair (i, i) is genuine: the generated photo should show the person of its own real photo. The
# pairs (i, j) are impostors. A person who is in the split under two names counts as two people.

BLOCK = 4_000_000  # similarities computed at once


@dataclass(frozen=True, eq=False)
class Roc:
    """Rates `(P,)` of both kinds of error, from the lowest threshold to the highest.

    Each cosine occurs twice as a threshold, for just at and just above a genuine pair's cosine.
    Between two points the curve is a straight line.
    """

    false_accepts: Values  # fraction of impostors at or above the threshold; falls from 1 to 0
    false_rejects: Values  # fraction of genuine pairs below it; rises from 0 to 1
    thresholds: Values  # cosines

    @property
    def equal_error_rate(self) -> float:
        """Rate at which false accepts equal false rejects; NaN without a curve."""
        if not len(self.thresholds):
            return float("nan")
        excess = self.false_rejects - self.false_accepts
        after = int(np.argmax(excess >= 0))  # the excess rises from -1 to 1
        before = after - 1
        weight = -excess[before] / (excess[after] - excess[before])
        rates = self.false_rejects[[before, after]]
        return float(rates[0] + weight * (rates[1] - rates[0]))


def cosines(generated: Floats, real: Floats) -> Values:
    """Return the cosine of each pair of features `(N, D)`, `(N,)`; NaN if a side has none.

    OpenCV's model zoo attributes two photos to the same person from 0.363 upwards.
    """
    return _rounded(np.einsum("nd,nd->n", _unit(generated), _unit(real)))


def rank(generated: Floats, real: Floats, *, among: int) -> Values:
    """Return whether the own real photo is among the `among` most similar ones: `(N,)` in [0, 1].

    The real features `(N, D)` are the gallery: the larger it is, the harder the task. Photos
    exactly as similar as the own one share the remaining places as fractions, so that a network
    that sees no difference scores what guessing does. The value is NaN if a side has no features;
    such photos are not in the gallery.
    """
    scores = np.full(len(real), np.nan)
    kept = np.flatnonzero(np.isfinite(cosines(generated, real)))
    for rows, block in _similarities(generated[kept], real[kept]):
        mine = block.diagonal(rows.start)[:, None]
        ahead, level = (block > mine).sum(axis=1), (block == mine).sum(axis=1)
        scores[kept[rows]] = np.clip((among - ahead) / level, 0, 1)
    return scores


def roc(generated: Floats, real: Floats) -> Roc:
    """Return the errors of separating genuine pairs from impostors by the cosine of `(N, D)`.

    They are exact, from all N (N - 1) impostors, in blocks. Rows with NaN on either side are
    skipped. Without an impostor the curve has no points.
    """
    kept = np.isfinite(cosines(generated, real))
    generated, real = generated[kept], real[kept]
    if len(real) < 2:
        return Roc(np.empty(0), np.empty(0), np.empty(0))
    genuine = cosines(generated, real)
    levels, counts = np.unique(genuine, return_counts=True)
    at, above = (np.zeros(len(levels), np.int64) for _ in range(2))  # impostors, at each level
    for rows, block in _similarities(generated, real):
        impostors = np.sort(block[~np.eye(len(block), len(real), rows.start, dtype=bool)])
        at += len(impostors) - np.searchsorted(impostors, levels, side="left")
        above += len(impostors) - np.searchsorted(impostors, levels, side="right")
    accepted = np.stack([at, above], axis=1).ravel() / (len(real) * (len(real) - 1))
    below = np.concatenate([[0], np.cumsum(counts)]) / len(genuine)
    # False accepts are counted at each level, then just above it.
    return Roc(
        np.concatenate([[1], accepted, [0]]),
        np.concatenate([[0], np.stack([below[:-1], below[1:]], axis=1).ravel(), [1]]),
        np.concatenate([[-1], levels.repeat(2), [1]]),
    )


def _similarities(generated: Floats, real: Floats) -> Iterator[tuple[slice, Values]]:
    """Yield the cosines of some generated photos with every real photo, `(rows, N)`."""
    ours, gallery = _unit(generated), _unit(real).T
    step = max(1, BLOCK // max(1, len(real)))
    for start in range(0, len(ours), step):
        rows = slice(start, min(start + step, len(ours)))
        yield rows, _rounded(ours[rows] @ gallery)


def _unit(features: Floats) -> Values:
    """Return the rows scaled to length 1; NaN if a row has no direction."""
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Values = np.divide(rows, lengths, out=np.full_like(rows, np.nan), where=lengths > 0)
    return unit


def _rounded(values: Values) -> Values:
    """Round to float32's precision, so that equal faces are equally similar in every block."""
    return values.astype(np.float32).astype(np.float64)


def verification_eer(generated: Floats, real: Floats) -> float:
    """Return the equal error rate (EER) of `roc`, in [0, 1]: 0 is perfect, 0.5 is guessing."""
    return roc(generated, real).equal_error_rate


ENTRIES = {
    "face-similarity": Entry(
        TITLE="face similarity",
        DIRECTION="higher",
        PROTOCOL="cosine of the SFace features of each pair, at the real image's alignment",
        FEATURES="faces",
        compare_pairs=cosines,
    ),
    **{
        f"rank-{among}": Entry(
            TITLE=f"rank-{among}",
            DIRECTION="higher",
            PROTOCOL=f"fraction of the generated images whose own real image is {place} (SFace "
            "cosine); the gallery has one real image per generated image compared",
            FEATURES="faces",
            IS_SHARE=True,
            IS_OF_A_NUMBER=True,  # it is never reported without the size of the gallery
            compare_pairs=partial(rank, among=among),
        )
        for among, place in ((1, "the most similar one"), (5, "among the five most similar ones"))
    },
    "verification-eer": Entry(
        TITLE="verification EER",
        DIRECTION="lower",
        PROTOCOL="equal error rate of the SFace cosine; genuine: a generated image and its own "
        "real image, impostors: a generated image and any other real image of the split",
        FEATURES="faces",
        IS_SHARE=True,
        compare=verification_eer,
    ),
}

EXTRACTOR = Entry(
    TITLE="SFace",
    PROTOCOL="SFace (2021-12, 8 bits), 128 features; images resized to a longer side of 320 px; "
    "the same 112x112 px crop from both images, by the five points that YuNet (2023-03, 8 bits) "
    "finds on the real image; pairs without a face on the real image are skipped",
    NETWORKS=("yunet", "sface"),
    open_extractor=Faces,
)
