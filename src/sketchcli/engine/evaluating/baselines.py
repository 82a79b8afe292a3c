"""Predictors that learn nothing: a model that does not beat them has learnt nothing either."""

import numpy as np

from sketchcli import images
from sketchcli.data.prepared import StoredSplit
from sketchcli.engine.evaluating.measuring import Read

BLOCK = 64  # test sketches that are looked for at a time


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
    """The nearest training sketch of each sketch, by its row."""
    found: list[int] = []
    for start in range(0, len(split), BLOCK):
        part = range(start, min(start + BLOCK, len(split)))
        wanted = split.sketches.take(part).reshape(len(part), -1).astype(np.float32)
        nearest, least = np.zeros(len(part), np.int64), np.full(len(part), np.inf)
        for index, sketch in enumerate(training.sketches):
            distance = ((wanted - sketch.ravel()) ** 2).mean(axis=1)
            is_nearer = distance < least
            nearest[is_nearer], least[is_nearer] = index, distance[is_nearer]
        found += nearest.tolist()
    return found
