"""Who a picture shows: SFace's 128 numbers of the face, cut out where the REAL photo has it.

SFace: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition",
2021, as OpenCV's model zoo has it, in 8 bits. Two faces are as alike as the cosine of the angle
between their numbers. The face is looked for on the real photo alone, and the generated picture is
cut in the same place: it must neither profit nor suffer from the detection.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.errors import DataError
from sketchcli.images import Floats, Pixels
from sketchcli.images.opencv import cv2
from sketchcli.portraits.finding_faces import FaceFinder
from sketchcli.registry import Entry

NAMES = (
    "face-similarity",
    "rank-1",
    "rank-5",
    "verification-eer",
)


FACES_PROTOCOL = (
    "SFace (2021-12, 8 bits), 128 features; pictures resized until the longer side is 320 px; of "
    "both pictures the same 112x112 px, where YuNet (2023-03, 8 bits) finds five points on the "
    "real photo; a pair without a face on the real photo is left out"
)
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
        self.finder, self.network = FaceFinder(detector), load_faces(network)

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


def open_faces(files: Mapping[str, Path]) -> Faces:
    """The extractor, from the ONNX files of `yunet` and `sface`.

    Raises:
        DataError: A network's file is missing, damaged, or another network's.
    """
    return Faces(files["yunet"], files["sface"])


def load_faces(file: Path) -> cv2.dnn.Net:
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


# Whether the generated face is the real one's: the cosine of their SFace features, in [-1, 1].
#
# OpenCV's zoo takes two photographs for the same person's from .363 on.


def face_similarity(generated: Floats, real: Floats) -> NDArray[np.float64]:
    """One value for each pair, `(N,)`, from features `(N, D)`; NaN where there are none."""
    return cosines(generated, real)


# Identification: how often no photo of the gallery is more similar than the own one, in [0, 1].
#
# The larger the gallery, the harder: a figure is worth little without its size.


def rank_1(generated: Floats, real: Floats) -> NDArray[np.float64]:
    """One value for each pair, `(N,)`, 1 or 0, from features `(N, D)`; NaN where there are none.

    It depends on all pairs: the real photos are the gallery.
    """
    return rank(generated, real, among=1)


# Identification: how often the own photo is among the five most similar of the gallery, in [0, 1].
#
# The larger the gallery, the harder: a figure is worth little without its size.

RANK_5_PROTOCOL = (
    "share of the generated pictures whose own photo is among the five most similar ones "
    "(SFace cosine); the gallery is of as many photos as pictures are compared"
)


def rank_5(generated: Floats, real: Floats) -> NDArray[np.float64]:
    """One value for each pair, `(N,)`, 1 or 0, from features `(N, D)`; NaN where there are none.

    It depends on all pairs: the real photos are the gallery.
    """
    return rank(generated, real, among=5)


# Equal error rate of telling pictures of the right person from pictures of another, in [0, 1].
#
# The cosine of the SFace features is compared with a threshold; at one threshold as large a share
# of the genuine pairs is refused as of the impostors is accepted. 0 is perfect, .5 is guessing.

VERIFICATION_EER_PROTOCOL = (
    "equal error rate of the SFace cosine; genuine: a generated picture and its own photo, "
    "impostors: with every other photo of the split"
)


def verification_eer(generated: Floats, real: Floats) -> float:
    """One value from features `(N, D)` and `(N, D)`; rows with NaN are left out."""
    return roc(generated, real).equal_error_rate


# Faces against a gallery: every generated picture beside every real photo of the split.
#
# The pair (i, i) is genuine: the generated picture should show the person of its own photo. The
# pairs (i, j) are impostors. A person who is in the split under two names counts as two people.

Values = NDArray[np.float64]
BLOCK = 4_000_000  # similarities at a time


@dataclass(frozen=True, eq=False)
class Roc:
    """How often two kinds of error are made, from the lowest threshold to the highest.

    Args:
        false_accepts: `(P,)`: share of the impostors at or above the threshold; falls from 1 to 0.
        false_rejects: `(P,)`: share of the genuine pairs below it; rises from 0 to 1.
        thresholds: `(P,)`: cosines; a threshold stands twice, just at and just above a genuine
            pair's cosine. Between two points the curve is a straight line.
    """

    false_accepts: Values
    false_rejects: Values
    thresholds: Values

    @property
    def equal_error_rate(self) -> float:
        """Where the curve has as many false accepts as false rejects; NaN without a curve."""
        if not len(self.thresholds):
            return float("nan")
        excess = self.false_rejects - self.false_accepts
        after = int(np.argmax(excess >= 0))  # the curve begins at -1 and ends at 1
        before = after - 1
        weight = -excess[before] / (excess[after] - excess[before])
        rates = self.false_rejects[[before, after]]
        return float(rates[0] + weight * (rates[1] - rates[0]))


def usable(generated: Floats, real: Floats) -> NDArray[np.bool_]:
    """Which of the pairs `(N,)` have numbers on both sides: `(N, D)` and `(N, D)`."""
    return np.isfinite(cosines(generated, real))


def cosines(generated: Floats, real: Floats) -> Values:
    """Cosine of each pair, `(N,)`; NaN where a side has no features."""
    return _rounded(np.einsum("nd,nd->n", _unit(generated), _unit(real)))


def rank(generated: Floats, real: Floats, *, among: int) -> Values:
    """Whether a picture's own photo is among the most similar of the gallery: `(N,)`, 1 or 0.

    Photos that are exactly as similar as its own one share the places that are left, so that a
    network that sees no difference scores what guessing does, and not everything or nothing.
    NaN where a side has no features; such photos are not in the gallery.

    Args:
        generated: Features `(N, D)`.
        real: Features `(N, D)`; the gallery.
        among: How many of the most similar photos are looked at.
    """
    scores = np.full(len(real), np.nan)
    kept = usable(generated, real)
    found = []
    for rows, block in _similarities(generated[kept], real[kept]):
        mine = block[np.arange(len(block)), np.arange(rows.start, rows.stop)][:, None]
        ahead, level = (block > mine).sum(axis=1), (block == mine).sum(axis=1)
        found.append(np.clip((among - ahead) / level, 0, 1))
    if found:
        scores[kept] = np.concatenate(found)
    return scores


def roc(generated: Floats, real: Floats) -> Roc:
    """The errors of telling genuine pairs from impostors by their cosine.

    Exact, from all N (N - 1) impostors, in blocks. Without an impostor the curve has no points.

    Args:
        generated: Features `(N, D)`; rows with NaN, on either side, are left out.
        real: Features `(N, D)`.
    """
    kept = usable(generated, real)
    generated, real = generated[kept], real[kept]
    if len(real) < 2:
        return Roc(np.empty(0), np.empty(0), np.empty(0))
    genuine = cosines(generated, real)
    levels, counts = np.unique(genuine, return_counts=True)
    at, above = _impostors(generated, real, levels)
    below = np.concatenate([[0], np.cumsum(counts)]) / len(genuine)
    # A false accept is counted at each level, then just above it.
    return Roc(
        np.concatenate([[1], np.stack([at, above], axis=1).ravel(), [0]]),
        np.concatenate([[0], np.stack([below[:-1], below[1:]], axis=1).ravel(), [1]]),
        np.concatenate([[-1], levels.repeat(2), [1]]),
    )


def _impostors(generated: Floats, real: Floats, levels: Values) -> tuple[Values, Values]:
    """Shares `(L,)` of the impostors at or above each level, and above it."""
    at, above = (np.zeros(len(levels) + 1, np.int64) for _ in range(2))
    for rows, block in _similarities(generated, real):
        is_other = np.arange(len(real)) != np.arange(rows.start, rows.stop)[:, None]
        impostors = np.sort(block[is_other])  # in order, they are looked up several times faster
        at += _passed(np.searchsorted(levels, impostors, side="right"), len(levels))
        above += _passed(np.searchsorted(levels, impostors, side="left"), len(levels))
    impostor_count = len(real) * (len(real) - 1)
    return at[1:] / impostor_count, above[1:] / impostor_count


def _passed(levels: NDArray[np.intp], most: int) -> NDArray[np.int64]:
    """How many pass at least 0, 1, ... `most` levels, from how many each of them passes."""
    return np.cumsum(np.bincount(levels, minlength=most + 1)[::-1])[::-1]


def _similarities(generated: Floats, real: Floats) -> Iterator[tuple[slice, Values]]:
    """Cosines of some generated pictures with every real photo, `(rows, N)`."""
    ours, gallery = _unit(generated), _unit(real).T
    step = max(1, BLOCK // max(1, len(real)))
    for start in range(0, len(ours), step):
        rows = slice(start, min(start + step, len(ours)))
        yield rows, _rounded(ours[rows] @ gallery)


def _unit(features: Floats) -> Values:
    """Rows of length 1; NaN where there is no direction."""
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Values = np.divide(rows, lengths, out=np.full_like(rows, np.nan), where=lengths > 0)
    return unit


def _rounded(values: Values) -> Values:
    """To float32's precision: equal faces must be equally similar, in whatever block they are."""
    return values.astype(np.float32).astype(np.float64)


ENTRIES = {
    "face-similarity": Entry(
        TITLE="face similarity",
        DIRECTION="higher",
        PROTOCOL="cosine of the SFace features of each pair, at the real photo's alignment",
        FEATURES="faces",
        compare_pairs=face_similarity,
    ),
    "rank-1": Entry(
        TITLE="rank-1",
        DIRECTION="higher",
        PROTOCOL="share of the generated pictures whose own photo is the most similar one "
        "(SFace cosine); the gallery is of as many photos as pictures are compared",
        FEATURES="faces",
        IS_SHARE=True,
        IS_OF_A_NUMBER=True,  # of photos in the gallery: never named without it
        compare_pairs=rank_1,
    ),
    "rank-5": Entry(
        TITLE="rank-5",
        DIRECTION="higher",
        PROTOCOL=RANK_5_PROTOCOL,
        FEATURES="faces",
        IS_SHARE=True,
        IS_OF_A_NUMBER=True,  # of photos in the gallery: never named without it
        compare_pairs=rank_5,
    ),
    "verification-eer": Entry(
        TITLE="verification EER",
        DIRECTION="lower",
        PROTOCOL=VERIFICATION_EER_PROTOCOL,
        FEATURES="faces",
        IS_SHARE=True,
        compare=verification_eer,
    ),
}

EXTRACTOR = Entry(
    TITLE="SFace",
    PROTOCOL=FACES_PROTOCOL,
    NETWORKS=("yunet", "sface"),
    open_extractor=open_faces,
    load=load_faces,
)
