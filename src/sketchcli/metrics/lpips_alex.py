"""LPIPS on AlexNet: the perceptual distance that most papers report, in [0, about 1.5]."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sketchcli.images import Pixels
from sketchcli.metrics._loading import filled
from sketchcli.metrics._lpips import Lpips, convolutions, distances

TITLE = "LPIPS (AlexNet)"
DIRECTION = "lower"
PROTOCOL = "LPIPS v0.1, AlexNet with its learned heads, at the pictures' own size, float32"
NETWORKS = ("lpips-alex",)
CHANNELS = (64, 192, 384, 256, 256)
SMALLEST_SIDE = 31


def build() -> Lpips:
    """The graph (Krizhevsky 2014, as in torchvision), without its tensors."""
    with torch.device("meta"):
        stages = (
            nn.Sequential(nn.Conv2d(3, 64, 11, stride=4, padding=2)),
            nn.Sequential(nn.MaxPool2d(3, 2), convolutions(64, 192, size=5)),
            nn.Sequential(nn.MaxPool2d(3, 2), convolutions(192, 384)),
            convolutions(384, 256),
            convolutions(256, 256),
        )
        return Lpips(TITLE, stages, CHANNELS, SMALLEST_SIDE)


def load(file: Path) -> Lpips:
    """The network, from the file that `fetch-data lpips-alex` made.

    Raises:
        CheckpointError: The file is missing, damaged, or another network's.
    """
    return filled(build(), file)


def score(generated: Pixels, real: Pixels, network: Lpips) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    Raises:
        DataError: The pictures are smaller than 31 pixels.
    """
    return distances(generated, real, network)
