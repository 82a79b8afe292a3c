"""The published student system's discriminator: one probability for a whole photo."""

from dataclasses import dataclass

from torch import Tensor, nn

from sketchcli.models.blocks import (
    DiscriminatorOutput,
    check_side,
    initialise_like_keras,
    keras_batch_norm,
)

KERNEL, STRIDE = 4, 2
SMALLEST_SIDE = 46  # four convolutions without padding leave nothing of less


@dataclass(frozen=True)
class Config:
    """Dimensions of the network; the default is the source's."""

    width: int = 64  # channels of the first convolution


class Discriminator(nn.Module):
    """Photo to logit; the sketch is not looked at.

    Args:
        config: Dimensions.
        image_size: Height and width; the dense layer is as large as they make it.

    Raises:
        UsageError: The pictures are smaller than 46 pixels.
    """

    is_of_one_size = True  # so that a run cannot grow with it

    def __init__(self, config: Config, image_size: tuple[int, int]) -> None:
        super().__init__()
        check_side(image_size, SMALLEST_SIDE, "prepare a larger size, or use --preset modern")
        w = config.width
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, w, KERNEL, stride=STRIDE),
            nn.LeakyReLU(0.2),
            *convolution(w, 2 * w),
            *convolution(2 * w, 4 * w),
            *convolution(4 * w, 4 * w),
        )
        height, width = (side_after_convolutions(side) for side in image_size)
        self.dense = nn.Linear(4 * w * height * width, 1)
        initialise_like_keras(self)

    def forward(self, sketch: Tensor, photo: Tensor) -> DiscriminatorOutput:
        """Judge photos, `(B, 3, H, W) in [-1, 1]`; logits are `(B, 1)`."""
        del sketch  # the source's discriminator is not conditional
        features: Tensor = self.convolutions(photo)
        return DiscriminatorOutput(self.dense(features.flatten(1)))


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """Return convolution, batch norm and LeakyReLU, in the source's order."""
    return [
        nn.Conv2d(inputs, outputs, KERNEL, stride=STRIDE),
        keras_batch_norm(outputs),
        nn.LeakyReLU(0.2),
    ]


def side_after_convolutions(side: int) -> int:
    """What four convolutions leave of a side.

    >>> side_after_convolutions(128)
    6
    """
    for _ in range(4):
        side = (side - KERNEL) // STRIDE + 1
    return side
