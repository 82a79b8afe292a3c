"""Conditional PatchGAN (Isola et al. 2017, section 3.2.2) with spectral norm (Miyato et al. 2018).

It sees sketch and photo together and classifies overlapping patches of 70x70 pixels. With
`width=64` and `norm="batch"` it equals pix2pix's own, including batch norm and initial weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from sketchcli.config import SMALLEST_SIDE
from sketchcli.errors import UsageError
from sketchcli.models.blocks import DiscriminatorOutput, check_side, initialise_like_pix2pix

# Spectral norm bounds each layer by its worst case, which photos are far from: without a gain their
# activations, and the generator's gradients, would shrink to a hundredth by the last layer.
GAIN = 2.0
NORMS = ("spectral", "batch", "none")


@dataclass(frozen=True)
class Config:
    """Dimensions of the network."""

    width: int = 48  # channels of the first convolution
    norm: str = "spectral"  # normalisation: spectral, batch or none


class Discriminator(nn.Module):
    """A network that maps a sketch and a photo to a map of logits.

    The image size, height and width, is only checked against the smallest size.
    """

    def __init__(
        self, config: Config, image_size: tuple[int, int], inputs: int = 1, outputs: int = 3
    ) -> None:
        super().__init__()
        check_side(image_size, SMALLEST_SIDE)
        w, norm = config.width, config.norm
        if norm not in NORMS:
            raise UsageError(f"unknown norm '{norm}'", hint=f"choose from: {', '.join(NORMS)}")
        self.gain = GAIN if norm == "spectral" else 1.0
        self.layers = nn.ModuleList(
            [
                convolution(
                    inputs + outputs, w, stride=2, norm="none" if norm == "batch" else norm
                ),
                convolution(w, 2 * w, stride=2, norm=norm),
                convolution(2 * w, 4 * w, stride=2, norm=norm),
                convolution(4 * w, 8 * w, stride=1, norm=norm),
            ]
        )
        self.output = nn.Conv2d(8 * w, 1, 4, padding=1)
        if norm == "batch":
            initialise_like_pix2pix(self)

    def forward(self, sketch: Tensor, photo: Tensor) -> DiscriminatorOutput:
        """Return logits `(B, 1, H / 8, W / 8)` for photos `(B, outputs, H, W)` in [-1, 1]."""
        features = [torch.cat([sketch, photo], dim=1)]
        for layer in self.layers:
            features.append(self.gain * functional.leaky_relu(layer(features[-1]), 0.2))
        return DiscriminatorOutput(self.output(features[-1]), tuple(features[1:]))


def convolution(inputs: int, outputs: int, *, stride: int, norm: str) -> nn.Module:
    """Return a 4x4 convolution with its norm."""
    if norm == "batch":
        plain = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=False)
        return nn.Sequential(plain, nn.BatchNorm2d(outputs))
    layer = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1)
    return spectral_norm(layer) if norm == "spectral" else layer
