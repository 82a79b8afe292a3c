"""FID, KID, precision and recall, on the 2048 features of the FID Inception's last pooling."""

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
    "FID Inception v3 (TensorFlow, 2015-12-05), pool3, 2048 features, float32; images resized to "
    "299x299 bilinearly (INTER_LINEAR), (x - 128) / 128"
)
BATCH = 16


def load_inception(file: Path) -> InceptionNetwork:
    """Return the network, from the file that `fetch-data fid-inception` wrote; see `filled`."""
    with torch.device("meta"):
        network = InceptionNetwork()
    return filled(network, file)


class Inception:
    """Extractor that describes an image without using the real photos."""

    def __init__(self, file: Path) -> None:
        self.network = load_inception(file)

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """Return an empty array `(N, 0)`."""
        return np.empty((len(real), 0))

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """Return the features `(N, 2048)` of uint8 images `(N, H, W, 3)`."""
        del places
        return describe(pictures, self.network)


def open_inception(files: Mapping[str, Path]) -> Inception:
    """Return the extractor, from the file of `fid-inception`; see `load_inception`."""
    return Inception(files["fid-inception"])


@torch.inference_mode()
def describe(pictures: Pixels, network: InceptionNetwork) -> Floats:
    """Return the features `(N, 2048)` of uint8 images `(N, H, W, 3)`.

    A broadcast image, such as the mean training photo, is processed only once.
    """
    if len(pictures) > 1 and pictures.strides[0] == 0:
        return describe(pictures[:1].copy(), network).repeat(len(pictures), axis=0)
    features = np.empty((len(pictures), FEATURES), np.float32)
    for start in range(0, len(pictures), BATCH):
        part = slice(start, start + BATCH)
        features[part] = network(_prepared(pictures[part])).numpy()
    return features


def _prepared(pictures: Pixels) -> torch.Tensor:
    """Return `(B, 3, 299, 299)` in [-1, 1), scaled as by the TensorFlow graph."""
    planes = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)
    resized = functional.interpolate(planes, (SIZE, SIZE), mode="bilinear", align_corners=False)
    return (resized - 128) / 128


# The Fréchet Inception distance (FID) is that of Heusel et al. 2017, equation 6.
# It is biased upwards for few images, so only scores with equal numbers of images are comparable.

FID_PROTOCOL = "exact Fréchet distance of FID Inception features; biased upwards for few images"


def fid(generated: Floats, real: Floats) -> float:
    """Return the distance between features `(N, D)` and `(M, D)`, 0 for equal sets.

    Raises:
        DataError: If one side has a single image.
    """
    return frechet_distance(generated, real)


# The Fréchet distance treats two sets of features as normal distributions.
# Dowson and Landau 1982, "The Fréchet distance between multivariate normal distributions".

SMALLEST = 2  # images on either side; a single one has no covariance
BLOCK = 4096  # rows that are triangulated at once


def frechet_distance(first: Floats, second: Floats) -> float:
    """Return |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of features `(N, D)` and `(M, D)`.

    It is exact: the covariances need not have full rank, and no matrix square root is taken. With A
    and B the centred features over sqrt(n - 1), C1 is A'A, C2 is B'B, and tr (C1 C2)^½ is the sum
    of the singular values of AB'. The product of the triangular factors of A and B has the same
    ones, and is no larger than `D x D` for any number of images.

    Raises:
        DataError: If one side has a single image.
    """
    if min(len(first), len(second)) < SMALLEST:
        raise DataError(
            "a Fréchet distance needs two or more images on each side", hint="evaluate more images"
        )
    means = [features.mean(axis=0, dtype=np.float64) for features in (first, second)]
    triangles = [_triangle(first, means[0]), _triangle(second, means[1])]
    shared = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    spread = sum(np.square(triangle).sum() for triangle in triangles) - 2 * shared
    # For equal sets, rounding may give a slightly negative value.
    return max(0.0, float(np.square(means[0] - means[1]).sum() + spread))


def _triangle(features: Floats, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R with R'R the covariance, at most `D x D`, computed block by block."""
    triangle: NDArray[np.float64] = np.empty((0, features.shape[1]))
    for start in range(0, len(features), BLOCK):
        rows = features[start : start + BLOCK] - mean
        together = np.concatenate([triangle, rows])
        triangle = np.asarray(np.linalg.qr(together, mode="r"), np.float64)
    scaled: NDArray[np.float64] = triangle / np.sqrt(len(features) - 1)
    return scaled


# The kernel Inception distance (KID) is the unbiased MMD² of Binkowski et al. 2018, equation 4.
# Its kernel is (x . y / d + 1)³ over the d features. It is estimated from all images; other
# programs average over random subsets, which has the same expectation but adds variance.

KID_PROTOCOL = "unbiased MMD², kernel (x.y/d + 1)³, over all images (no subsets), times 1000"
KID_FEWEST = 2  # images on either side; a single one has no partner to be compared with
KERNEL_BLOCK = 2048  # rows of a kernel matrix that are held at once


def kid(generated: Floats, real: Floats) -> float:
    """Return 1000 times the distance between features `(N, D)` and `(M, D)`; 0 is the best.

    Because it is unbiased, it may be negative for similar sets.

    Raises:
        DataError: If one side has a single image.
    """
    if min(len(generated), len(real)) < KID_FEWEST:
        raise DataError("KID needs two or more images on each side", hint="evaluate more images")
    within = _mean_within(generated) + _mean_within(real)
    between = _sum(generated, real) / (len(generated) * len(real))
    return 1000 * (within - 2 * between)


def _mean_within(features: Floats) -> float:
    """Return the mean kernel over all pairs of different images on one side."""
    count, width = features.shape
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    own = float(_kernel(squares, width).sum())
    return float((_sum(features, features) - own) / (count * (count - 1)))


def _sum(first: Floats, second: Floats) -> float:
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


# Precision and recall are those of Kynkaanniemi et al. 2019, equation 2.

PRECISION_PROTOCOL = (
    f"fraction of generated photos among the real ones, {NEIGHBOURS} nearest neighbours"
)


def precision(generated: Floats, real: Floats) -> float:
    """Return the fraction of generated features `(N, D)` that lie among the real ones `(M, D)`.

    Raises:
        DataError: If there are fewer than four real photos.
    """
    return share_within(generated, manifold=real)


RECALL_PROTOCOL = (
    f"fraction of real photos among the generated ones, {NEIGHBOURS} nearest neighbours"
)


def recall(generated: Floats, real: Floats) -> float:
    """Return the fraction of real features `(M, D)` that lie among the generated ones `(N, D)`.

    Raises:
        DataError: If there are fewer than four generated photos.
    """
    return share_within(real, manifold=generated)


# The manifold of a set of features is a union of balls around them (Kynkaanniemi et al. 2019).
# The ball around a feature reaches to its k-th nearest neighbour in its own set (equation 1).

Values = NDArray[np.float64]
FEWEST = NEIGHBOURS + 1  # images on either side
BALLS_BLOCK = 1024  # rows and columns of a distance matrix that are held at once
ROUNDING = 1e-12  # relative to the squared lengths; smaller squared distances count as 0


def share_within(points: Floats, manifold: Floats) -> float:
    """Return the fraction of points `(N, D)` that lie in a ball of the manifold `(M, D)`.

    Raises:
        DataError: If the manifold has too few features for a k-th neighbour.
    """
    if len(manifold) < FEWEST:
        raise DataError(
            f"precision and recall need {FEWEST} or more images on each side",
            hint="evaluate more images",
        )
    centre = manifold.mean(axis=0, dtype=np.float64)  # closer to 0, fewer digits cancel
    radii = np.concatenate(
        [_radii(_centred(manifold, rows, centre), manifold, centre) for rows in _blocks(manifold)]
    )
    inside = [
        _is_inside(_centred(points, rows, centre), manifold, centre, radii)
        for rows in _blocks(points)
    ]
    return float(np.concatenate(inside).mean())


def _radii(rows: Values, manifold: Floats, centre: Values) -> Values:
    """Return each row's squared distance to its k-th nearest neighbour in the manifold."""
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
    shifted: Values = features[rows] - centre
    return shifted


def _squared_distances(rows: Values, columns: Values) -> Values:
    """Return the squared distances `(N, M)` between rows `(N, D)` and columns `(M, D)`."""
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(columns).sum(axis=1)
    squares = lengths - 2 * rows @ columns.T
    return np.where(squares < ROUNDING * lengths, 0, squares)


ENTRIES = {
    "fid": Entry(
        TITLE="FID",
        DIRECTION="lower",
        PROTOCOL=FID_PROTOCOL,
        FEATURES="inception",
        IS_OF_A_NUMBER=True,  # it is never reported without the number of images
        FEW=2048,  # fewer images than features are noted beside the score
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
