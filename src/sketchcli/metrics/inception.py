"""What the FID Inception sees in a picture: the 2048 numbers of its last pooling (pool3).

FID, KID, precision and recall compare two sets of these.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sketchcli.errors import DataError
from sketchcli.images import Floats, Pixels
from sketchcli.metrics._filters import filled
from sketchcli.metrics._inception_network import FEATURES, SIZE, InceptionNetwork
from sketchcli.registry import Entry

NAMES = (
    "fid",
    "kid",
    "precision",
    "recall",
)


INCEPTION_PROTOCOL = (
    "FID Inception v3 (TensorFlow, 2015-12-05), pool3, 2048 features, float32; pictures resized to "
    "299x299 bilinearly (INTER_LINEAR), (x - 128) / 128"
)
BATCH = 16


def load_inception(file: Path) -> InceptionNetwork:
    """The network, from the file that `fetch-data fid-inception` made.

    Raises:
        CheckpointError: The file is missing, damaged, or another network's.
    """
    with torch.device("meta"):
        network = InceptionNetwork()
    return filled(network, file)


class Inception:
    """The extractor: it needs to know nothing of the real photos."""

    def __init__(self, file: Path) -> None:
        self.network = load_inception(file)

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """Nothing, `(N, 0)`."""
        return np.empty((len(real), 0))

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """The features `(N, 2048)` of uint8 pictures `(N, H, W, 3)`."""
        del places
        return describe(pictures, self.network)


def open_inception(files: Mapping[str, Path]) -> Inception:
    """The extractor, from the file of `fid-inception`.

    Raises:
        CheckpointError: The network's file is missing, damaged, or another network's.
    """
    return Inception(files["fid-inception"])


@torch.inference_mode()
def describe(pictures: Pixels, network: InceptionNetwork) -> Floats:
    """The features `(N, 2048)` of uint8 pictures `(N, H, W, 3)`.

    A picture that is broadcast, as the mean training photo is, is looked at once.
    """
    if len(pictures) > 1 and pictures.strides[0] == 0:
        return describe(pictures[:1].copy(), network).repeat(len(pictures), axis=0)
    features = np.empty((len(pictures), FEATURES), np.float32)
    for start in range(0, len(pictures), BATCH):
        part = slice(start, start + BATCH)
        features[part] = network(_prepared(pictures[part])).numpy()
    return features


def _prepared(pictures: Pixels) -> torch.Tensor:
    """`(B, 3, 299, 299)` in [-1, 1), as the TensorFlow graph scales them."""
    planes = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)
    resized = functional.interpolate(planes, (SIZE, SIZE), mode="bilinear", align_corners=False)
    return (resized - 128) / 128


# Fréchet Inception distance (Heusel et al. 2017, equation 6): between two normal distributions.
#
#     FID = |mu_1 - mu_2|² + tr(C_1) + tr(C_2) - 2 tr((C_1 C_2)^½)
#
# It is exact: no square root of a matrix is taken, and the covariances need no full rank. It is
# biased upwards where the pictures are few: compare only figures of equal counts.

FID_PROTOCOL = "exact Fréchet distance of FID Inception features; biased upwards for few pictures"


def fid(generated: Floats, real: Floats) -> float:
    """The distance of features `(N, D)` from `(M, D)`, 0 for equal sets.

    Raises:
        DataError: One side has a single picture.
    """
    return frechet_distance(generated, real)


# The Fréchet distance between two sets of features, each taken for a normal distribution.
#
# Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions".

SMALLEST = 2  # pictures on either side: one has no covariance
BLOCK = 4096  # rows that are triangulated at once


def frechet_distance(first: Floats, second: Floats) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of features `(N, D)` and `(M, D)`.

    Without a matrix square root: with A and B the centred features over sqrt(n - 1), C1 is A'A, C2
    is B'B, and tr (C1 C2)^½ is the sum of the singular values of AB'. These are those of the
    product of the triangular factors of A and B, which is no larger than `D x D` for any number of
    pictures.

    Raises:
        DataError: One side has a single picture.
    """
    if min(len(first), len(second)) < SMALLEST:
        raise DataError(
            "a Fréchet distance is one of sets of two pictures or more", hint="score more pictures"
        )
    means = [features.mean(axis=0, dtype=np.float64) for features in (first, second)]
    triangles = [_triangle(first, means[0]), _triangle(second, means[1])]
    shared = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    spread = sum(np.square(triangle).sum() for triangle in triangles) - 2 * shared
    # Of equal sets, rounding may leave a little less than nothing.
    return max(0.0, float(np.square(means[0] - means[1]).sum() + spread))


def _triangle(features: Floats, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """R, `D` columns and rows or fewer, with R'R the covariance, found block by block."""
    triangle: NDArray[np.float64] = np.empty((0, features.shape[1]))
    for start in range(0, len(features), BLOCK):
        rows = features[start : start + BLOCK] - mean
        together = np.concatenate([triangle, rows])
        triangle = np.asarray(np.linalg.qr(together, mode="r"), np.float64)
    scaled: NDArray[np.float64] = triangle / np.sqrt(len(features) - 1)
    return scaled


# Kernel Inception distance (Binkowski et al. 2018, equation 4): the unbiased squared MMD.
#
# The kernel is (x . y / d + 1)³ over the d features. The estimate is taken over the whole sets:
# other programs average it over random subsets, which has the same expectation and adds a spread.

KID_PROTOCOL = "unbiased MMD², kernel (x.y/d + 1)³, over the whole sets (no subsets), times 1000"
KID_FEWEST = 2  # pictures on either side: one has no partner to be compared with
KERNEL_BLOCK = 2048  # rows of a kernel matrix that are held at once


def kid(generated: Floats, real: Floats) -> float:
    """A thousand times the distance between features `(N, D)` and `(M, D)`; 0 is the best.

    Being unbiased, it may fall below 0 for sets that are alike.

    Raises:
        DataError: One side has a single picture.
    """
    if min(len(generated), len(real)) < KID_FEWEST:
        raise DataError("KID compares sets of two pictures or more", hint="score more pictures")
    within = _mean_within(generated) + _mean_within(real)
    between = _sum(generated, real) / (len(generated) * len(real))
    return 1000 * (within - 2 * between)


def _mean_within(features: Floats) -> float:
    """The mean kernel of all pairs of two different pictures of one set."""
    count, width = features.shape
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    own = float(_kernel(squares, width).sum())
    return float((_sum(features, features) - own) / (count * (count - 1)))


def _sum(first: Floats, second: Floats) -> float:
    """The sum of the kernel over all pairs."""
    total = 0.0
    for top in range(0, len(first), KERNEL_BLOCK):
        rows = first[top : top + KERNEL_BLOCK].astype(np.float64)
        for left in range(0, len(second), KERNEL_BLOCK):
            columns = second[left : left + KERNEL_BLOCK].astype(np.float64)
            total += float(_kernel(rows @ columns.T, first.shape[1]).sum())
    return total


def _kernel(products: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    shifted = products / width + 1
    return shifted * shifted * shifted


NEIGHBOURS = 3  # k, as in the paper


# Precision (Kynkaanniemi et al. 2019, equation 2): how much of what is generated looks real.

PRECISION_PROTOCOL = (
    f"share of generated pictures among the real ones, {NEIGHBOURS} nearest neighbours"
)


def precision(generated: Floats, real: Floats) -> float:
    """The share, in [0, 1], of features `(N, D)` that lie among the real ones `(M, D)`.

    Raises:
        DataError: There are fewer than four real pictures.
    """
    return share_within(generated, manifold=real)


# Recall (Kynkaanniemi et al. 2019, equation 2): how much of what is real can be generated.

RECALL_PROTOCOL = (
    f"share of real pictures among the generated ones, {NEIGHBOURS} nearest neighbours"
)


def recall(generated: Floats, real: Floats) -> float:
    """The share, in [0, 1], of real features `(M, D)` that lie among the generated ones `(N, D)`.

    Raises:
        DataError: There are fewer than four generated pictures.
    """
    return share_within(real, manifold=generated)


# Where a set of features lies: in the union of balls around them (Kynkaanniemi et al. 2019).
#
# The ball around a feature reaches to its k-th nearest neighbour in its own set (equation 1).

Values = NDArray[np.float64]
FEWEST = NEIGHBOURS + 1  # pictures on either side
BALLS_BLOCK = 1024  # rows and columns of a distance matrix that are held at once
ROUNDING = 1e-12  # of the squared lengths: what is nearer than this is the same


def share_within(points: Floats, manifold: Floats) -> float:
    """The share of points `(N, D)` that lie in a ball of the manifold `(M, D)`.

    Raises:
        DataError: The manifold has too few features for a k-th neighbour.
    """
    if len(manifold) < FEWEST:
        raise DataError(
            f"precision and recall compare sets of {FEWEST} pictures or more",
            hint="score more pictures",
        )
    centre = manifold.mean(axis=0, dtype=np.float64)  # nearer to 0, fewer digits cancel
    radii = np.concatenate(
        [_radii(_centred(manifold, rows, centre), manifold, centre) for rows in _blocks(manifold)]
    )
    inside = [
        _is_inside(_centred(points, rows, centre), manifold, centre, radii)
        for rows in _blocks(points)
    ]
    return float(np.concatenate(inside).mean())


def _radii(rows: Values, manifold: Floats, centre: Values) -> Values:
    """The squared distance of each row of the manifold to its k-th nearest neighbour there."""
    nearest = np.empty((len(rows), 0))
    for part in _blocks(manifold):
        squares = _squared_distances(rows, _centred(manifold, part, centre))
        nearest = np.concatenate([nearest, squares], axis=1)
        if nearest.shape[1] > FEWEST:  # the row itself, at distance 0, and its neighbours
            nearest = np.partition(nearest, NEIGHBOURS, axis=1)[:, :FEWEST]
    radii: Values = nearest.max(axis=1)
    return radii


def _is_inside(rows: Values, manifold: Floats, centre: Values, radii: Values) -> NDArray[np.bool_]:
    found = np.zeros(len(rows), np.bool_)
    for part in _blocks(manifold):
        squares = _squared_distances(rows, _centred(manifold, part, centre))
        found |= (squares <= radii[part]).any(axis=1)
    return found


def _blocks(features: Floats) -> Iterator[slice]:
    for start in range(0, len(features), BALLS_BLOCK):
        yield slice(start, start + BALLS_BLOCK)


def _centred(features: Floats, rows: slice, centre: Values) -> Values:
    """Some of the rows, in float64 and about the centre."""
    shifted: Values = features[rows] - centre
    return shifted


def _squared_distances(rows: Values, columns: Values) -> Values:
    """Between rows `(N, D)` and columns `(M, D)`: `(N, M)`."""
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(columns).sum(axis=1)
    squares = lengths - 2 * rows @ columns.T
    return np.where(squares < ROUNDING * lengths, 0, squares)


ENTRIES = {
    "fid": Entry(
        TITLE="FID",
        DIRECTION="lower",
        PROTOCOL=FID_PROTOCOL,
        FEATURES="inception",
        IS_OF_A_NUMBER=True,  # of pictures: never named without it
        FEW=2048,  # fewer pictures than features: say so beside the figure
        compare=fid,
    ),
    "kid": Entry(
        TITLE="KID x1000",
        DIRECTION="lower",
        PROTOCOL=KID_PROTOCOL,
        FEATURES="inception",
        compare=kid,
    ),
    "precision": Entry(
        TITLE="precision",
        DIRECTION="higher",
        PROTOCOL=PRECISION_PROTOCOL,
        FEATURES="inception",
        IS_SHARE=True,
        compare=precision,
    ),
    "recall": Entry(
        TITLE="recall",
        DIRECTION="higher",
        PROTOCOL=RECALL_PROTOCOL,
        FEATURES="inception",
        IS_SHARE=True,
        compare=recall,
    ),
}

EXTRACTOR = Entry(
    TITLE="FID Inception (pool3)",
    PROTOCOL=INCEPTION_PROTOCOL,
    NETWORKS=("fid-inception",),
    load=load_inception,
    open_extractor=open_inception,
)
