"""Whether a model repeats its training photos: is a result nearer to one of them than to the truth?

The distance of two photos is the mean absolute difference of their 16x16 colour thumbnails, in
[0, 255]: the eye's overall impression, which forgives a shift of a pixel.

Being nearer to a training photo than to the truth does not make a copy: the mean of all photos is,
always, and so is many a blurred result, because it is nearer to everything. A copy is nearer to one
training photo than to the rest. How much nearer new photos are by chance, the real test photos
say, which nobody can have copied.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.images import Pixels

PROTOCOL = (
    "mean absolute difference of 16x16 colour thumbnails (0-255); nearness: distance to the "
    "nearest training photo over the mean distance to all; copied: below the 5 % quantile of the "
    "real test photos' own nearness"
)
SIDE = 16
BY_CHANCE = 0.05  # share of real test photos that count as copies
ROWS, COLUMNS = 2048, 1024  # pictures and training photos that are compared at a time


@dataclass(frozen=True, eq=False)
class Nearest:
    """The training photos nearest to some pictures, picture by picture.

    Args:
        rows: `(N,)`: which training photo it is; of equally near ones the first.
        distances: `(N,)`: how far it is.
        usual: `(N,)`: how far all training photos are, on average.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    usual: NDArray[np.float64]

    @property
    def nearness(self) -> NDArray[np.float64]:
        """Distance over what is usual, `(N,)`: 0 for a copy, at most 1."""
        return _over(self.distances, self.usual, otherwise=1)


@dataclass(frozen=True, eq=False)
class Memorisation:
    """How near generated pictures are to training photos, and to the truth.

    Args:
        generated: Their nearest training photos.
        real: Those of the real test photos, for comparison.
        to_truth: `(N,)`: how far each generated picture's own real photo is.
    """

    generated: Nearest
    real: Nearest
    to_truth: NDArray[np.float64]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Distance to the training photo over that to the truth, `(N,)`; infinite on the truth."""
        return _over(self.generated.distances, self.to_truth, otherwise=np.inf)

    @property
    def share_nearer(self) -> float:
        """Share of the pictures that are nearer to a training photo than to the truth."""
        return float((self.generated.distances < self.to_truth).mean())

    @property
    def share_copied(self) -> float:
        """Share of the pictures that count as copies; of new photos about .05 do, by chance.

        Where as many test photos are training photos themselves, no picture can count as one.
        """
        limit = np.quantile(self.real.nearness, BY_CHANCE)
        return float((self.generated.nearness < limit).mean())


def thumbnails(photos: Iterable[Pixels]) -> Pixels:
    """uint8 `(N, 16, 16, 3)`, from photos `(H, W, 3)`; 77 MB of 100,000 photos of any size."""
    return np.stack([images.resize(photo, (SIDE, SIDE)) for photo in photos])


def examine(generated: Pixels, real: Pixels, training: Pixels) -> Memorisation:
    """Compare generated pictures with the training photos and with the truth.

    Args:
        generated: Thumbnails `(N, 16, 16, 3)`.
        real: Thumbnails of their real photos, `(N, 16, 16, 3)`.
        training: Thumbnails of all training photos, `(M, 16, 16, 3)`.
    """
    difference = np.abs(generated.astype(np.float64) - real)
    return Memorisation(
        _nearest(generated, training), _nearest(real, training), difference.mean(axis=(1, 2, 3))
    )


def _nearest(pictures: Pixels, training: Pixels) -> Nearest:
    rows = np.zeros(len(pictures), np.int64)
    least, total = np.full(len(pictures), np.inf), np.zeros(len(pictures))
    for start in range(0, len(pictures), ROWS):
        part = slice(start, start + ROWS)
        ours = _flat(pictures[part])
        for first in range(0, len(training), COLUMNS):
            # Sums of whole numbers below 2^24 are exact in float32, in any order.
            distances = torch.cdist(ours, _flat(training[first : first + COLUMNS]), p=1)
            found = distances.min(dim=1)
            is_nearer = found.values.numpy() < least[part]
            rows[part][is_nearer] = first + found.indices.numpy()[is_nearer]
            least[part][is_nearer] = found.values.numpy()[is_nearer]
            total[part] += distances.double().sum(dim=1).numpy()
    values = pictures[0].size
    return Nearest(rows, least / values, total / (values * len(training)))


def _flat(pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(pictures.astype(np.float32)).flatten(1)


def _over(
    first: NDArray[np.float64], second: NDArray[np.float64], *, otherwise: float
) -> NDArray[np.float64]:
    ratios = np.full(len(second), otherwise, np.float64)
    np.divide(first, second, out=ratios, where=second > 0)
    return ratios
