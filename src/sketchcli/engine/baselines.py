"""Predictors that learn nothing: a model that does not beat them has learnt nothing either."""

import numpy as np

from sketchcli import images
from sketchcli.data.prepared import Split, StoredSplit
from sketchcli.images import Pixels


def sketch_itself(test: Split) -> Pixels:
    """The sketches, as if they were the photos: uint8 (N, H, W, 3)."""
    return np.stack([images.to_rgb(sketch) for sketch in test.sketches])


def mean_training_photo(training: StoredSplit, test: Split) -> Pixels:
    """The mean of all training photos, for every sketch: uint8 (N, H, W, 3)."""
    total = np.zeros(training.photos.shape[1:], np.float64)
    for photo in training.photos:
        total += photo
    mean = np.rint(total / len(training)).astype(np.uint8)
    return np.broadcast_to(mean, test.photos.shape)


def nearest_training_photo(training: StoredSplit, test: Split) -> Pixels:
    """The photo of the training sketch with the least squared difference: uint8 (N, H, W, 3)."""
    wanted = test.sketches.reshape(len(test), -1).astype(np.float32)
    nearest, least = np.zeros(len(test), np.int64), np.full(len(test), np.inf)
    for index, sketch in enumerate(training.sketches):
        distance = ((wanted - sketch.ravel()) ** 2).mean(axis=1)
        is_nearer = distance < least
        nearest[is_nearer], least[is_nearer] = index, distance[is_nearer]
    return training.photos.take(nearest.tolist())
