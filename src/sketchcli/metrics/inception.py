"""FID, KID, precision and recall, on the 2048 features of the FID Inception's last pooling."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from sketchcli.errors import DataError
from sketchcli.images import Floats, Pixels
from sketchcli.metrics._filters import Values, filled
from sketchcli.metrics._inception_network import FEATURES, SIZE, InceptionNetwork
from sketchcli.registry import Entry

NAMES = ("fid", "kid", "precision", "recall")

BATCH = 16


class Inception:
    """Extractor that describes an image without using the real photos."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        with torch.device("meta"):
            network = InceptionNetwork()
        self.network = filled(network, files["fid-inception"])

    def look(self, real: Pixels) -> Values:
        """Return an empty array `(N, 0)`."""
        return np.empty((len(real), 0))

    @torch.inference_mode()
    def describe(self, pictures: Pixels, places: Values) -> Floats:
        """Return the features `(N, 2048)` of uint8 images `(N, H, W, 3)`.

        A broadcast image, such as the mean training photo, is processed only once.
        """
        if len(pictures) > 1 and pictures.strides[0] == 0:
            return self.describe(pictures[:1].copy(), places).repeat(len(pictures), axis=0)
        features = np.empty((len(pictures), FEATURES), np.float32)
        for start in range(0, len(pictures), BATCH):
            part = slice(start, start + BATCH)
            features[part] = self.network(_prepared(pictures[part])).numpy()
        return features


def _prepared(pictures: Pixels) -> torch.Tensor:
    """Return `(B, 3, 299, 299)` in [-1, 1), scaled as by the TensorFlow graph."""
    planes = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)
    resized = functional.interpolate(planes, (SIZE, SIZE), mode="bilinear", align_corners=False)
    return (resized - 128) / 128


# The Fréchet Inception distance (FID) is that of Heusel et al. 2017, equation 6.
# It is biased upwards for few images, so only scores with equal numbers of images are comparable.
# It treats two sets of features as normal distributions (Dowson and Landau 1982, "The Fréchet
# distance between multivariate normal distributions").

SMALLEST = 2  # images on either side; a single one has no covariance
BLOCK = 4096  # rows that are triangulated at once


def fid(generated: Floats, real: Floats) -> float:
    """Return |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of features `(N, D)` and `(M, D)`.

    It is exact: the covariances need not have full rank, and no matrix square root is taken. With
    A and B the centred features over sqrt(n - 1), C1 is A'A, C2 is B'B, and tr (C1 C2)^½ is the sum
    of the singular values of AB'. The product of the triangular factors of A and B has the same
    ones, and is no larger than `D x D` for any number of images.
    """
    if min(len(generated), len(real)) < SMALLEST:
        raise DataError(
            "a Fréchet distance needs two or more images on each side", hint="evaluate more images"
        )
    means = [features.mean(axis=0, dtype=np.float64) for features in (generated, real)]
    triangles = [_triangle(generated, means[0]), _triangle(real, means[1])]
    shared = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    spread = sum(np.square(triangle).sum() for triangle in triangles) - 2 * shared
    # For equal sets, rounding may give a slightly negative value.
    return max(0.0, float(np.square(means[0] - means[1]).sum() + spread))


def _triangle(features: Floats, mean: Values) -> Values:
    """Return R with R'R the covariance, at most `D x D`, computed block by block."""
    triangle: Values = np.empty((0, features.shape[1]))
    for rows in _blocks(features, BLOCK):
        together = np.concatenate([triangle, rows - mean])
        triangle = np.asarray(np.linalg.qr(together, mode="r"), np.float64)
    return np.asarray(triangle / np.sqrt(len(features) - 1))


def _blocks(features: Floats, size: int) -> Iterator[Values]:
    for start in range(0, len(features), size):
        yield features[start : start + size].astype(np.float64)


# The kernel Inception distance (KID) is the unbiased MMD² of Binkowski et al. 2018, equation 4.
# Its kernel is (x . y / d + 1)³ over the d features. It is estimated from all images; other
# programs average over random subsets, which has the same expectation but adds variance.

KERNEL_BLOCK = 2048  # rows of a kernel matrix that are held at once


def kid(generated: Floats, real: Floats) -> float:
    """Return 1000 times the distance between features `(N, D)` and `(M, D)`; 0 is the best.

    Because it is unbiased, it may be negative for similar sets. It needs two images on each side.
    """
    if min(len(generated), len(real)) < SMALLEST:  # a single image has no partner
        raise DataError("KID needs two or more images on each side", hint="evaluate more images")
    within = _mean_within(generated) + _mean_within(real)
    between = _sum(generated, real) / (len(generated) * len(real))
    return 1000 * (within - 2 * between)


def _mean_within(features: Floats) -> float:
    """Return the mean kernel over all pairs of different images on one side."""
    count, width = features.shape
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    own = _kernel_sum(squares, width)
    return (_sum(features, features) - own) / float(count * (count - 1))


def _sum(first: Floats, second: Floats) -> float:
    return sum(
        _kernel_sum(rows @ columns.T, first.shape[1])
        for rows in _blocks(first, KERNEL_BLOCK)
        for columns in _blocks(second, KERNEL_BLOCK)
    )


def _kernel_sum(products: Values, width: int) -> float:
    shifted = products / width + 1
    return float((shifted * shifted * shifted).sum())


# Precision and recall are those of Kynkaanniemi et al. 2019, equation 2.
# The manifold of a set of features is a union of balls around them. The ball around a feature
# reaches to its k-th nearest neighbour in its own set (equation 1).

NEIGHBOURS = 3  # k, as in the paper
FEWEST = NEIGHBOURS + 1  # images on either side
BALLS_BLOCK = 512  # rows of a distance matrix that are held at once
ROUNDING = 1e-12  # relative to the squared lengths; smaller squared distances count as 0


def precision(generated: Floats, real: Floats) -> float:
    """Return the fraction of generated features `(N, D)` that lie among the real ones `(M, D)`."""
    if len(real) < FEWEST:
        raise DataError(
            f"precision and recall need {FEWEST} or more images on each side",
            hint="evaluate more images",
        )
    centre = real.mean(axis=0, dtype=np.float64)  # closer to 0, fewer digits cancel
    # The nearest is the photo itself, at distance 0.
    nearest = [
        np.partition(block, NEIGHBOURS, axis=1)[:, NEIGHBOURS]
        for block in _squared_distances(real, real, centre)
    ]
    radii = np.concatenate(nearest)
    is_inside = [
        (block <= radii).any(axis=1) for block in _squared_distances(generated, real, centre)
    ]
    return float(np.concatenate(is_inside).mean())


def recall(generated: Floats, real: Floats) -> float:
    """Return the fraction of real features `(M, D)` that lie among the generated ones `(N, D)`."""
    return precision(real, generated)


def _squared_distances(points: Floats, manifold: Floats, centre: Values) -> Iterator[Values]:
    """Yield the squared distances of some points `(N, D)` from all of the manifold `(M, D)`."""
    for rows in _blocks(points, BALLS_BLOCK):
        yield np.concatenate(
            [_between(rows - centre, part - centre) for part in _blocks(manifold, BALLS_BLOCK)],
            axis=1,
        )


def _between(rows: Values, columns: Values) -> Values:
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(columns).sum(axis=1)
    squares = lengths - 2 * rows @ columns.T
    return np.where(squares < ROUNDING * lengths, 0, squares)


ENTRIES = {
    "fid": Entry(
        TITLE="FID",
        DIRECTION="lower",
        PROTOCOL="exact Fréchet distance of FID Inception features; biased upwards for few images",
        FEATURES="inception",
        IS_OF_A_NUMBER=True,  # it is never reported without the number of images
        FEW=2048,  # fewer images than features are noted beside the score
        compare=fid,
    ),
    "kid": Entry(
        TITLE="KID x1000",
        DIRECTION="lower",
        PROTOCOL="unbiased MMD², kernel (x.y/d + 1)³, over all images (no subsets), times 1000",
        FEATURES="inception",
        compare=kid,
    ),
    "precision": Entry(
        TITLE="precision",
        DIRECTION="higher",
        PROTOCOL="fraction of generated photos among the real ones, 3 nearest neighbours",
        FEATURES="inception",
        IS_SHARE=True,
        compare=precision,
    ),
    "recall": Entry(
        TITLE="recall",
        DIRECTION="higher",
        PROTOCOL="fraction of real photos among the generated ones, 3 nearest neighbours",
        FEATURES="inception",
        IS_SHARE=True,
        compare=recall,
    ),
}

EXTRACTOR = Entry(
    TITLE="FID Inception (pool3)",
    PROTOCOL="FID Inception v3 (TensorFlow, 2015-12-05), pool3, 2048 features, float32; images "
    "resized to 299x299 bilinearly (INTER_LINEAR), (x - 128) / 128",
    NETWORKS=("fid-inception",),
    open_extractor=Inception,
)
