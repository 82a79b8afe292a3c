"""What the FID Inception sees in a picture: the 2048 numbers of its last pooling (pool3).

FID, KID, precision and recall compare two sets of these.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sketchcli.images import Floats, Pixels
from sketchcli.metrics._features._inception_network import FEATURES, SIZE, InceptionNetwork
from sketchcli.metrics._loading import filled

TITLE = "FID Inception (pool3)"
PROTOCOL = (
    "FID Inception v3 (TensorFlow, 2015-12-05), pool3, 2048 features, float32; pictures resized to "
    "299x299 bilinearly (INTER_LINEAR), (x - 128) / 128"
)
NETWORKS = ("fid-inception",)
BATCH = 16


def load(file: Path) -> InceptionNetwork:
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
        self.network = load(file)

    def look(self, real: Pixels) -> NDArray[np.float64]:
        """Nothing, `(N, 0)`."""
        return np.empty((len(real), 0))

    def describe(self, pictures: Pixels, places: NDArray[np.float64]) -> Floats:
        """The features `(N, 2048)` of uint8 pictures `(N, H, W, 3)`."""
        del places
        return describe(pictures, self.network)


def open_extractor(files: Mapping[str, Path]) -> Inception:
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
