"""Predictors that learn nothing: a model that does not beat them has learnt nothing either."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.data.prepared import StoredSplit
from sketchcli.engine.evaluating.measuring import Read

BLOCK = 4_000_000  # pixels that are compared at a time, on either side


def sketch_itself(split: StoredSplit) -> Read:
    """The sketches, as if they were the photos."""
    return lambda rows: np.stack([images.to_rgb(split.sketches[row]) for row in rows])


def mean_photo(training: StoredSplit) -> Read:
    """The mean of all training photos, for every sketch."""
    total = np.zeros(training.photos.shape[1:], np.float64)
    for photo in training.photos:
        total += photo
    mean = np.rint(total / len(training)).astype(np.uint8)
    return lambda rows: np.broadcast_to(mean, (len(rows), *mean.shape))


def nearest_photo(training: StoredSplit, split: StoredSplit) -> Read:
    """The photo of the training sketch with the least squared difference."""
    nearest = nearest_rows(training, split)
    return lambda rows: training.photos.take(nearest[rows.start : rows.stop])


def nearest_rows(training: StoredSplit, split: StoredSplit) -> list[int]:
    """The nearest training sketch of each sketch, by its row; of equally near ones the first."""
    found: list[int] = []
    for part in _blocks(split):
        ours = _flat(split, part)
        nearest, least = np.zeros(len(part), np.int64), np.full(len(part), np.inf)
        for others in _blocks(training):
            theirs = _flat(training, others)
            # The squared difference, but for |ours|²; of whole numbers, and so without rounding.
            distances = np.square(theirs).sum(axis=1) - 2 * ours @ theirs.T
            best = distances.argmin(axis=1)
            lowest = distances.min(axis=1)
            is_nearer = lowest < least
            nearest[is_nearer], least[is_nearer] = others.start + best[is_nearer], lowest[is_nearer]
        found += nearest.tolist()
    return found


def _blocks(split: StoredSplit) -> Iterator[range]:
    height, width = split.sketches.shape[1:3]
    step = max(1, BLOCK // (height * width))
    for start in range(0, len(split), step):
        yield range(start, min(start + step, len(split)))


def _flat(split: StoredSplit, rows: range) -> NDArray[np.float64]:
    return split.sketches.take(rows).reshape(len(rows), -1).astype(np.float64)
