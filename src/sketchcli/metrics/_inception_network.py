"""The Inception v3 that defines FID and KID: TensorFlow's graph of 2015-12-05, up to pool3.

The pooling layers of that graph differ from those of the paper (Szegedy et al. 2016) and of
torchvision: the average pools exclude the padding, and the last block has a maximum pool. The
conversion folds the batch normalisations into the convolutions.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE = 299
FEATURES = 2048


class Convolution(nn.Conv2d):
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


class Parallel(nn.ModuleList):
    """Parallel branches over the same features, whose outputs are concatenated."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([branch(features) for branch in self], dim=1)


class InceptionNetwork(nn.Sequential):
    """Network from images `(B, 3, 299, 299)`, scaled to [-1, 1), to features `(B, 2048)`."""

    def __init__(self) -> None:
        super().__init__(
            Convolution(3, 32, 3, 2),
            Convolution(32, 32, 3, is_padded=False),
            Convolution(32, 64, 3),
            nn.MaxPool2d(3, 2),
            Convolution(64, 80),
            Convolution(80, 192, 3, is_padded=False),
            nn.MaxPool2d(3, 2),
            _block_a(192, 32),
            _block_a(256, 64),
            _block_a(288, 64),
            Parallel(
                Convolution(288, 384, 3, 2),
                _chain(288, (64, 1), (96, 3), (96, 3, 2)),
                nn.MaxPool2d(3, 2),
            ),
            *(_block_c(width) for width in (128, 160, 160, 192)),
            Parallel(
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
        *(Convolution(ours, *layer) for ours, layer in zip(channels, layers, strict=False))
    )


def _block_a(before: int, pooled: int) -> Parallel:
    return Parallel(
        Convolution(before, 64),
        _chain(before, (48, 1), (64, 5)),
        _chain(before, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(_mean_pool(), Convolution(before, pooled)),
    )


def _block_c(width: int) -> Parallel:
    return Parallel(
        Convolution(768, 192),
        _chain(768, (width, 1), (width, ACROSS), (192, DOWN)),
        _chain(768, (width, 1), (width, DOWN), (width, ACROSS), (width, DOWN), (192, ACROSS)),
        nn.Sequential(_mean_pool(), Convolution(768, 192)),
    )


def _block_e(before: int, pool: nn.Module) -> Parallel:
    return Parallel(
        Convolution(before, 320),
        nn.Sequential(Convolution(before, 384), _fork()),
        nn.Sequential(Convolution(before, 448), Convolution(448, 384, 3), _fork()),
        nn.Sequential(pool, Convolution(before, 192)),
    )


def _fork() -> Parallel:
    return Parallel(Convolution(384, 384, (1, 3)), Convolution(384, 384, (3, 1)))


def _mean_pool() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
