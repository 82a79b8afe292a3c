"""Conditional PatchGAN (Isola et al. 2017, section 3.2.2) with spectral norm (Miyato et al. 2018).

It sees sketch and photo together and judges overlapping patches of 70 pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from sketchcli.models.blocks import Verdict, check_side

# Spectral norm bounds each layer by its worst case, which photos are far from: without a gain their
# activations fade to a hundredth by the last layer, and with them the generator's gradients.
GAIN = 2.0
SMALLEST_SIDE = 24  # of less, the last convolution leaves nothing


@dataclass(frozen=True)
class Config:
    """Dimensions of the network."""

    width: int = 48  # channels of the first convolution


class Discriminator(nn.Module):
    """Sketch and photo to a map of logits.

    Args:
        config: Dimensions.
        image_size: Height and width; beyond the smallest, they change nothing here.

    Raises:
        UsageError: The pictures are smaller than 24 pixels.
    """

    def __init__(self, config: Config, image_size: tuple[int, int]) -> None:
        super().__init__()
        check_side(image_size, SMALLEST_SIDE, "prepare a larger size")
        w = config.width
        self.layers = nn.ModuleList(
            [
                convolution(1 + 3, w, stride=2),
                convolution(w, 2 * w, stride=2),
                convolution(2 * w, 4 * w, stride=2),
                convolution(4 * w, 8 * w, stride=1),
            ]
        )
        self.output = nn.Conv2d(8 * w, 1, 4, padding=1)

    def forward(self, sketch: Tensor, photo: Tensor) -> Verdict:
        """Judge photos, `(B, 3, H, W) in [-1, 1]`; logits are `(B, 1, H / 8, W / 8)`."""
        features = [torch.cat([sketch, photo], dim=1)]
        for layer in self.layers:
            features.append(GAIN * functional.leaky_relu(layer(features[-1]), 0.2))
        return Verdict(self.output(features[-1]), tuple(features[1:]))


def convolution(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    """4x4 convolution with spectral norm."""
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))
