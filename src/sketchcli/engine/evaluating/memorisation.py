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
from sketchcli.engine.results import MemorisationScore
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
class Distances:
    """How far pictures are from the training photos, picture by picture.

    Args:
        least: `(N,)`: from the nearest one.
        usual: `(N,)`: from all, on average.
    """

    least: NDArray[np.float64]
    usual: NDArray[np.float64]

    @property
    def nearness(self) -> NDArray[np.float64]:
        """Distance over what is usual, `(N,)`: 0 for a copy, at most 1."""
        ratios = np.ones(len(self.usual))
        np.divide(self.least, self.usual, out=ratios, where=self.usual > 0)
        return ratios


class Examiner:
    """Knows the training photos, and how near to one of them a new photo is by chance.

    Args:
        real: Thumbnails of the real test photos, `(N, 16, 16, 3)`.
        training: Thumbnails of all training photos, `(M, 16, 16, 3)`.
    """

    def __init__(self, real: Pixels, training: Pixels) -> None:
        self.real, self.training = real, training
        self.limit = np.quantile(distances(real, training).nearness, BY_CHANCE)

    def score(self, generated: Pixels) -> MemorisationScore:
        """How many of some pictures count as copies, and how many are far from the truth.

        Where 5 % of the test photos are training photos themselves, none can count as a copy.

        Args:
            generated: Thumbnails `(N, 16, 16, 3)`, in the order of the real photos.
        """
        found = distances(generated, self.training)
        to_truth = np.abs(generated.astype(np.float64) - self.real).mean(axis=(1, 2, 3))
        return MemorisationScore(
            share_copied=float((found.nearness < self.limit).mean()),
            share_nearer=float((found.least < to_truth).mean()),
        )


def thumbnails(photos: Iterable[Pixels]) -> Pixels:
    """uint8 `(N, 16, 16, 3)`, from photos `(H, W, 3)`; 77 MB of 100,000 photos of any size."""
    return np.stack([images.resize(photo, (SIDE, SIDE)) for photo in photos])


def distances(pictures: Pixels, training: Pixels) -> Distances:
    """Compare thumbnails `(N, 16, 16, 3)` with those of all training photos, `(M, 16, 16, 3)`."""
    least, total = np.full(len(pictures), np.inf), np.zeros(len(pictures))
    for start in range(0, len(pictures), ROWS):
        part = slice(start, start + ROWS)
        ours = _flat(pictures[part])
        for first in range(0, len(training), COLUMNS):
            # Sums of whole numbers below 2^24 are exact in float32, in any order.
            found = torch.cdist(ours, _flat(training[first : first + COLUMNS]), p=1)
            least[part] = np.minimum(least[part], found.amin(dim=1).numpy())
            total[part] += found.double().sum(dim=1).numpy()
    values = pictures[0].size
    return Distances(least / values, total / (values * len(training)))


def _flat(pictures: Pixels) -> torch.Tensor:
    return torch.from_numpy(pictures.astype(np.float32)).flatten(1)
