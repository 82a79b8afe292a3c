"""The published student system's discriminator: one probability for a whole photo."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from sketchcli.models.blocks import (
    DiscriminatorOutput,
    check_side,
    initialise_like_keras,
    keras_batch_norm,
)

KERNEL, STRIDE = 4, 2
SMALLEST_SIDE = 46  # pixels that four convolutions without padding need


@dataclass(frozen=True)
class Config:
    """Dimensions of the network; the default is that of the source."""

    width: int = 64  # channels of the first convolution


class Discriminator(nn.Module):
    """A network that maps a photo to one logit and ignores the sketch.

    The image size, height and width, determines the size of the dense layer.
    """

    def __init__(
        self, config: Config, image_size: tuple[int, int], inputs: int = 1, outputs: int = 3
    ) -> None:
        super().__init__()
        del inputs  # the source's discriminator is not conditional
        check_side(image_size, SMALLEST_SIDE, ", or use --preset modern")
        w = config.width
        layers = [nn.Conv2d(outputs, w, KERNEL, stride=STRIDE), nn.LeakyReLU(0.2)]
        for before, after in pairwise([w, 2 * w, 4 * w, 4 * w]):
            layers.append(nn.Conv2d(before, after, KERNEL, stride=STRIDE))
            layers += [keras_batch_norm(after), nn.LeakyReLU(0.2)]  # the source's order
        self.convolutions = nn.Sequential(*layers)
        height, width = (side_after_convolutions(side) for side in image_size)
        self.dense = nn.Linear(4 * w * height * width, 1)
        initialise_like_keras(self)

    def forward(self, sketch: Tensor, photo: Tensor) -> DiscriminatorOutput:
        """Return logits `(B, 1)` for photos `(B, outputs, H, W)` in [-1, 1]."""
        del sketch
        features: Tensor = self.convolutions(photo)
        return DiscriminatorOutput(self.dense(features.flatten(1)))


def side_after_convolutions(side: int) -> int:
    """Return the length of a side, in pixels, after four convolutions.

    >>> side_after_convolutions(128)
    6
    """
    for _ in range(4):
        side = (side - KERNEL) // STRIDE + 1
    return side
