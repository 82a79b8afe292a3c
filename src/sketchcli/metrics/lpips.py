"""LPIPS, version 0.1 (Zhang et al. 2018, equation 1): a learned distance between two images.

    d(x, y) = sum over five stages l of the mean over positions of  w_l . (f_l(x) - f_l(y))²

f_l are the features after the last ReLU of stage l, scaled to length 1 at every position; w_l are
weights learned from human judgements, one per channel.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.images import Pixels
from sketchcli.metrics._filters import filled
from sketchcli.registry import Entry

NAMES = ("lpips-alex", "lpips-vgg")

# ImageNet's mean and standard deviation, for images in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
TINY = 1e-10  # added to each length, so that a position without features is not divided by 0
BATCH = 16


class Lpips(nn.Module):
    """The distance over the stages of one backbone, each ending before its last ReLU.

    `channels` has one number per stage, `smallest` is the least height and width in pixels.
    """

    def __init__(self, stages: Sequence[nn.Module], channels: Sequence[int], smallest: int) -> None:
        super().__init__()
        self.smallest = smallest
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ParameterList(nn.Parameter(torch.empty(count)) for count in channels)
        self.last: tuple[Pixels, slice, list[Tensor]] | None = None

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distances `(B,)`, in float64, of images `(B, 3, H, W)` in [0, 255]."""
        return self.between(self.directions(first), self.directions(second))

    def directions(self, pictures: Tensor) -> list[Tensor]:
        """Return each stage's features `(B, channels, h, w)`, of length 1 at every position."""
        shift, scale = (pictures.new_tensor(each).view(1, 3, 1, 1) for each in (SHIFT, SCALE))
        found, features = [], (pictures / 127.5 - 1 - shift) / scale
        for stage in self.stages:
            features = functional.relu(stage(features), inplace=True)
            found.append(features / (features.norm(dim=1, keepdim=True) + TINY))
        return found

    def between(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Return the distances `(B,)`, in float64, of two results of `directions`."""
        distances = second[0].new_zeros(len(second[0]), dtype=torch.float64)
        for ours, theirs, head in zip(first, second, self.heads, strict=True):
            squares = (ours - theirs).square().mean(dim=(2, 3), dtype=torch.float64)
            distances += squares @ head.double()
        return distances


@torch.inference_mode()
def distances(generated: Pixels, real: Pixels, network: Lpips) -> NDArray[np.float64]:
    """Return one value per image, `(N,)`, of uint8 `(N, H, W, 3)`."""
    found = np.empty(len(real))
    is_one = generated.strides[0] == 0  # a broadcast image, such as the mean training photo
    for start in range(0, len(real), BATCH):
        part = slice(start, start + BATCH)
        ours = network.directions(_planes(generated[:1] if is_one else generated[part]))
        # `eval` compares one method after the other with the same real photos.
        if network.last is None or network.last[0] is not real or network.last[1] != part:
            network.last = real, part, network.directions(_planes(real[part]))
        found[part] = network.between(ours, network.last[2]).numpy()
    return found


def convolutions(*channels: int, size: int = 3) -> nn.Sequential:
    """Return convolutions that keep height and width, with ReLUs between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, size, padding=size // 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def _planes(pictures: Pixels) -> Tensor:
    """Return `(B, 3, H, W)` in [0, 255], in memory channels last as the images are."""
    return torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2)


# Two backbones: LPIPS on AlexNet is the perceptual distance that most papers report, in [0, about
# 1.5]; LPIPS on VGG16 is the one closest to the objective of a VGG loss.

LPIPS_ALEX_SMALLEST_SIDE, LPIPS_VGG_SMALLEST_SIDE = 31, 16


def build_alex() -> Lpips:
    """Return the graph (Krizhevsky 2014, as in torchvision), without its tensors."""
    with torch.device("meta"):
        stages = (
            nn.Sequential(nn.Conv2d(3, 64, 11, stride=4, padding=2)),
            nn.Sequential(nn.MaxPool2d(3, 2), convolutions(64, 192, size=5)),
            nn.Sequential(nn.MaxPool2d(3, 2), convolutions(192, 384)),
            convolutions(384, 256),
            convolutions(256, 256),
        )
        return Lpips(stages, (64, 192, 384, 256, 256), LPIPS_ALEX_SMALLEST_SIDE)


def build_vgg() -> Lpips:
    """Return the graph (Simonyan and Zisserman 2015, configuration D), without its tensors."""
    with torch.device("meta"):
        stages = (
            convolutions(3, 64, 64),
            nn.Sequential(nn.MaxPool2d(2), convolutions(64, 128, 128)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(128, 256, 256, 256)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(256, 512, 512, 512)),
            nn.Sequential(nn.MaxPool2d(2), convolutions(512, 512, 512, 512)),
        )
        return Lpips(stages, (64, 128, 256, 512, 512), LPIPS_VGG_SMALLEST_SIDE)


ENTRIES = {
    "lpips-alex": Entry(
        TITLE="LPIPS (AlexNet)",
        DIRECTION="lower",
        PROTOCOL="LPIPS v0.1, AlexNet with its learned heads, at the images' own size, float32",
        NETWORKS=("lpips-alex",),
        SMALLEST_SIDE=LPIPS_ALEX_SMALLEST_SIDE,
        load=lambda file: filled(build_alex(), file),
        score=distances,
    ),
    "lpips-vgg": Entry(
        TITLE="LPIPS (VGG)",
        DIRECTION="lower",
        PROTOCOL="LPIPS v0.1, VGG16 with its learned heads, at the images' own size, float32",
        NETWORKS=("lpips-vgg",),
        SMALLEST_SIDE=LPIPS_VGG_SMALLEST_SIDE,
        load=lambda file: filled(build_vgg(), file),
        score=distances,
    ),
}
