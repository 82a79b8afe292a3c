"""LPIPS on VGG16: the perceptual distance nearest to what a VGG loss trains for."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sketchcli.images import Pixels
from sketchcli.metrics._loading import filled
from sketchcli.metrics._lpips import Lpips, convolutions, distances

TITLE = "LPIPS (VGG)"
DIRECTION = "lower"
PROTOCOL = "LPIPS v0.1, VGG16 with its learned heads, at the pictures' own size, float32"
NETWORKS = ("lpips-vgg",)
CHANNELS = (64, 128, 256, 512, 512)
SMALLEST_SIDE = 16


def build() -> Lpips:
    """The graph (Simonyan and Zisserman 2015, configuration D), without its tensors."""
    with torch.device("meta"):
        stages = (
            convolutions(3, 64, 64),
            nn.Sequential(nn.MaxPool2d(2), convolutions(64, 128, 128)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(128, 256, 256, 256)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(256, 512, 512, 512)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(512, 512, 512, 512)),
        )
        return Lpips(TITLE, stages, CHANNELS, SMALLEST_SIDE)


def load(file: Path) -> Lpips:
    """The network, from the file that `fetch-data lpips-vgg` made.

    Raises:
        CheckpointError: The file is missing, damaged, or another network's.
    """
    return filled(build(), file)


def score(generated: Pixels, real: Pixels, network: Lpips) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    Raises:
        DataError: The pictures are smaller than 16 pixels.
    """
    return distances(generated, real, network)
