"""FID, KID, precision and recall, on the 2048 features of the FID Inception's last pooling."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.errors import DataError
from sketchcli.images import Floats, Pixels
from sketchcli.metrics._filters import Values, filled
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


def _prepared(pictures: Pixels) -> Tensor:
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


# The Inception v3 that defines FID and KID is TensorFlow's graph of 2015-12-05, up to pool3.
# The pooling layers of that graph differ from those of the paper (Szegedy et al. 2016) and of
# torchvision: the average pools exclude the padding, and the last block has a maximum pool. The
# conversion folds the batch normalisations into the convolutions.

SIZE = 299
FEATURES = 2048


class _Convolution(nn.Conv2d):
    """Convolution with a ReLU, padded so that it keeps height and width unless told otherwise."""

    def __init__(
        self,
        before: int,
        after: int,
        size: int | tuple[int, int] = 1,
        stride: int = 1,
        *,
        is_padded: bool = True,
    ) -> None:
        padding = "same" if is_padded and stride == 1 else "valid"
        super().__init__(before, after, size, stride=stride, padding=padding)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(super().forward(features), inplace=True)


class _Parallel(nn.ModuleList):
    """Parallel branches over the same features, whose outputs are concatenated."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([branch(features) for branch in self], dim=1)


class InceptionNetwork(nn.Sequential):
    """Network from images `(B, 3, 299, 299)`, scaled to [-1, 1), to features `(B, 2048)`."""

    def __init__(self) -> None:
        super().__init__(
            _Convolution(3, 32, 3, 2),
            _Convolution(32, 32, 3, is_padded=False),
            _Convolution(32, 64, 3),
            nn.MaxPool2d(3, 2),
            _Convolution(64, 80),
            _Convolution(80, 192, 3, is_padded=False),
            nn.MaxPool2d(3, 2),
            _block_a(192, 32),
            _block_a(256, 64),
            _block_a(288, 64),
            _Parallel(
                _Convolution(288, 384, 3, 2),
                _chain(288, (64, 1), (96, 3), (96, 3, 2)),
                nn.MaxPool2d(3, 2),
            ),
            *(_block_c(width) for width in (128, 160, 160, 192)),
            _Parallel(
                _chain(768, (192, 1), (320, 3, 2)),
                _chain(768, (192, 1), (192, ACROSS), (192, DOWN), (192, 3, 2)),
                nn.MaxPool2d(3, 2),
            ),
            _block_e(1280, _mean_pool()),
            _block_e(2048, nn.MaxPool2d(3, 1, padding=1)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


ACROSS, DOWN = (1, 7), (7, 1)  # height and width of long, thin kernels


def _chain(before: int, *layers: tuple[Any, ...]) -> nn.Sequential:
    """Return convolutions in a row, each from its number of channels, size and stride."""
    channels = [before, *(layer[0] for layer in layers)]
    return nn.Sequential(
        *(_Convolution(ours, *layer) for ours, layer in zip(channels, layers, strict=False))
    )


def _block_a(before: int, pooled: int) -> _Parallel:
    return _Parallel(
        _Convolution(before, 64),
        _chain(before, (48, 1), (64, 5)),
        _chain(before, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(_mean_pool(), _Convolution(before, pooled)),
    )


def _block_c(width: int) -> _Parallel:
    return _Parallel(
        _Convolution(768, 192),
        _chain(768, (width, 1), (width, ACROSS), (192, DOWN)),
        _chain(768, (width, 1), (width, DOWN), (width, ACROSS), (width, DOWN), (192, ACROSS)),
        nn.Sequential(_mean_pool(), _Convolution(768, 192)),
    )


def _block_e(before: int, pool: nn.Module) -> _Parallel:
    return _Parallel(
        _Convolution(before, 320),
        nn.Sequential(_Convolution(before, 384), _fork()),
        nn.Sequential(_Convolution(before, 448), _Convolution(448, 384, 3), _fork()),
        nn.Sequential(pool, _Convolution(before, 192)),
    )


def _fork() -> _Parallel:
    return _Parallel(_Convolution(384, 384, (1, 3)), _Convolution(384, 384, (3, 1)))


def _mean_pool() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


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
        PROTOCOL="fraction of generated images among the real ones, 3 nearest neighbours",
        FEATURES="inception",
        IS_SHARE=True,
        compare=precision,
    ),
    "recall": Entry(
        TITLE="recall",
        DIRECTION="higher",
        PROTOCOL="fraction of real images among the generated ones, 3 nearest neighbours",
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
