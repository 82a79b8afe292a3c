"""pix2pix's U-Net, as in its authors' code (Isola et al. 2017, section 6.1.1).

4x4 convolutions halve the size down to one pixel and double it again; the output of every encoder
layer is concatenated with that of its counterpart in the decoder.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from sketchcli.models.blocks import initialise_like_pix2pix, pad_to_multiple

WIDEST = 8  # largest multiple of the first layer's width
FEWEST_WITHOUT = 4  # outer levels without dropout


@dataclass(frozen=True)
class Config:
    """Dimensions of the network; the defaults are those of the authors for 128 pixels."""

    width: int = 64  # channels of the first layer
    depth: int = 7  # halvings; sides are padded to multiples of 2 ** depth
    dropout: float = 0.5  # probability of dropout in the inner decoder layers


class Generator(nn.Module):
    """A network that maps `(B, inputs, H, W)` to `(B, outputs, H, W)`, both in [-1, 1]."""

    def __init__(self, config: Config, inputs: int = 1, outputs: int = 3) -> None:
        super().__init__()
        self.stride = 2**config.depth
        channels = [config.width * min(2**level, WIDEST) for level in range(config.depth)]
        last = config.depth - 1
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (before, after) in enumerate(pairwise([inputs, *channels])):
            is_inner = 0 < level < last
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not is_inner))
            if is_inner:
                layers.append(nn.BatchNorm2d(after))
            self.down.append(nn.Sequential(*layers))
        for level in reversed(range(config.depth)):
            before = channels[level] if level == last else 2 * channels[level]
            after = channels[level - 1] if level else outputs
            doubling = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=level == 0)
            layers = [nn.ReLU(), doubling]
            if level:
                layers.append(nn.BatchNorm2d(after))
            if config.dropout and FEWEST_WITHOUT <= level < last:
                layers.append(nn.Dropout(config.dropout))
            self.up.append(nn.Sequential(*layers))
        initialise_like_pix2pix(self)

    def forward(self, sketch: Tensor) -> Tensor:
        """Generate photos from sketches."""
        height, width = sketch.shape[-2:]
        features, skipped = pad_to_multiple(sketch, self.stride), []
        for layer in self.down:
            features = layer(features)
            skipped.append(features)
        features = self.up[0](skipped.pop())
        for layer in self.up[1:]:
            features = layer(torch.cat([skipped.pop(), features], dim=1))
        photo: Tensor = features
        return photo.float().tanh()[..., :height, :width]
