"""The default generator: a residual trunk between an encoder and a decoder with skip connections.

U-Net's skip connections (Ronneberger et al. 2015, figure 1) carry the strokes to the output; the
residual blocks (Johnson et al. 2016) at an eighth of the size see the whole face. Instance norm has
no running statistics, so that training and inference agree; nearest-neighbour upsampling followed
by a convolution avoids checkerboard artefacts (Odena et al. 2016).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.errors import UsageError
from sketchcli.models.blocks import pad_to_multiple

NORMS = ("instance", "none")


@dataclass(frozen=True)
class Config:
    """Dimensions of the network."""

    width: int = 32  # channels at full size; each downsampling doubles them
    blocks: int = 2  # residual blocks; four gave no better photos with 64 pairs
    dropout: float = 0.0  # fraction of channels dropped after each block
    norm: str = "instance"  # normalisation: instance or none


class ResidualBlock(nn.Module):
    """Two convolutions whose output is added to the input."""

    def __init__(self, channels: int, *, norm: str, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = convolution(channels, channels, norm=norm)
        self.second = convolution(channels, channels, norm=norm, is_active=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        change: Tensor = self.second(self.first(features))
        return features + functional.dropout2d(change, self.dropout, self.training)


class Generator(nn.Module):
    """A network that maps `(B, inputs, H, W)` to `(B, outputs, H, W)`, both in [-1, 1]."""

    stride = 8  # sides are padded to multiples of the stride

    def __init__(self, config: Config, inputs: int = 1, outputs: int = 3) -> None:
        super().__init__()
        w, norm = config.width, config.norm
        if norm not in NORMS:
            raise UsageError(f"unknown norm '{norm}'", hint=f"choose from: {', '.join(NORMS)}")
        self.encode_full = convolution(inputs, w, norm=norm, kernel=7)
        self.encode_half = convolution(w, 2 * w, norm=norm, stride=2)
        self.encode_quarter = convolution(2 * w, 4 * w, norm=norm, stride=2)
        self.encode_eighth = convolution(4 * w, 8 * w, norm=norm, stride=2)
        self.trunk = nn.Sequential(
            *(ResidualBlock(8 * w, norm=norm, dropout=config.dropout) for _ in range(config.blocks))
        )
        self.decode_quarter = convolution(8 * w + 4 * w, 4 * w, norm=norm)
        self.decode_half = convolution(4 * w + 2 * w, 2 * w, norm=norm)
        self.decode_full = convolution(2 * w + w, w, norm=norm)
        self.output = nn.Conv2d(w, outputs, 7, padding=3, padding_mode="replicate")

    def forward(self, sketch: Tensor) -> Tensor:
        """Generate photos from sketches."""
        height, width = sketch.shape[-2:]
        full = self.encode_full(pad_to_multiple(sketch, self.stride))
        half = self.encode_half(full)
        quarter = self.encode_quarter(half)
        features = self.trunk(self.encode_eighth(quarter))
        features = self.decode_quarter(beside(features, quarter))
        features = self.decode_half(beside(features, half))
        features = self.decode_full(beside(features, full))
        photo: Tensor = self.output(features)
        return photo.float().tanh()[..., :height, :width]


def beside(features: Tensor, skipped: Tensor) -> Tensor:
    """Double the size of features and concatenate the encoder's features of a skip connection."""
    return torch.cat([functional.interpolate(features, scale_factor=2.0), skipped], dim=1)


def convolution(
    inputs: int,
    outputs: int,
    *,
    norm: str,
    kernel: int = 3,
    stride: int = 1,
    is_active: bool = True,
) -> nn.Sequential:
    """Return a convolution, an instance norm and a ReLU.

    Without a norm, He initialisation (He et al. 2015, equation 10) preserves activations' scale.
    """
    is_normed = norm == "instance"
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=not is_normed
    )
    layers: list[nn.Module] = [layer]
    if is_normed:
        layers.append(nn.InstanceNorm2d(outputs, affine=True))
    else:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if is_active else "linear")
    if is_active:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)
