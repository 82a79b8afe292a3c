"""The default generator: a residual trunk between an encoder and a decoder with skips.

U-Net's skips (Ronneberger et al. 2015, figure 1) carry the strokes to the output; the residual
blocks (Johnson et al. 2016) at an eighth of the size see the whole face. Instance norm keeps no
running statistics, so that training and inference agree; nearest-neighbour enlargement followed
by a convolution draws no checkerboard (Odena et al. 2016).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.models.blocks import pad_to_multiple

STRIDE = 8


@dataclass(frozen=True)
class Config:
    """Dimensions of the network."""

    width: int = 32  # channels at full size; each reduction doubles them
    blocks: int = 2  # more learn a small set by heart
    dropout: float = 0.0  # of whole channels, after each block


class ResidualBlock(nn.Module):
    """Two convolutions whose output is added to the input."""

    def __init__(self, channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.InstanceNorm2d(channels, affine=True)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features in, features of the same shape out."""
        inner = functional.relu(self.first_norm(self.first(features)))
        change: Tensor = self.second_norm(self.second(inner))
        return features + functional.dropout2d(change, self.dropout, self.training)


class Generator(nn.Module):
    """Sketch to photo: `(B, 1, H, W)` to `(B, 3, H, W)`, both in [-1, 1]."""

    stride = STRIDE  # sides that are no multiples of it are extended

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.encode_full = convolution(1, w, kernel=7)
        self.encode_half = convolution(w, 2 * w, stride=2)
        self.encode_quarter = convolution(2 * w, 4 * w, stride=2)
        self.encode_eighth = convolution(4 * w, 8 * w, stride=2)
        self.trunk = nn.Sequential(
            *(ResidualBlock(8 * w, dropout=config.dropout) for _ in range(config.blocks))
        )
        self.decode_quarter = convolution(8 * w + 4 * w, 4 * w)
        self.decode_half = convolution(4 * w + 2 * w, 2 * w)
        self.decode_full = convolution(2 * w + w, w)
        self.output = nn.Conv2d(w, 3, 7, padding=3, padding_mode="replicate")

    def forward(self, sketch: Tensor) -> Tensor:
        """Draw the photo of a sketch."""
        height, width = sketch.shape[-2:]
        full = self.encode_full(pad_to_multiple(sketch, STRIDE))
        half = self.encode_half(full)
        quarter = self.encode_quarter(half)
        features = self.trunk(self.encode_eighth(quarter))
        features = self.decode_quarter(beside(features, quarter))
        features = self.decode_half(beside(features, half))
        features = self.decode_full(beside(features, full))
        photo: Tensor = self.output(features)
        return photo.float().tanh()[..., :height, :width]


def beside(features: Tensor, skipped: Tensor) -> Tensor:
    """Enlarge features to twice their size and put the encoder's beside them."""
    return torch.cat([functional.interpolate(features, scale_factor=2.0), skipped], dim=1)


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, instance norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )
