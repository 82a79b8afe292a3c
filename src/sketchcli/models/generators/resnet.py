"""The published student system's generator, layer by layer.

`docs/explanation/source-system.md` explains what it re-implements and where it differs: the output
activation is tanh, because the source's ReLU cannot produce the negative half of [-1, 1].
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from sketchcli.models.blocks import initialise_like_keras, keras_batch_norm, pad_to_multiple


@dataclass(frozen=True)
class Config:
    """Dimensions of the network; the defaults are those of the source."""

    width: int = 32  # channels of the first convolution
    blocks: int = 6  # blocks of two convolutions, at a quarter of the size
    sketch_channels: int = 3  # channels of a grey sketch, which the source reads as RGB
    dropout: float = 0.0  # fraction of channels dropped after each block; the source has none


class ResidualBlock(nn.Module):
    """Two units of convolution, batch norm and ReLU whose outputs are added."""

    def __init__(self, channels: int, *, dropout: float, is_additive: bool) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = convolution(channels, channels, 3)
        self.second = convolution(channels, channels, 3)
        self.is_additive = is_additive

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        first = self.first(features)
        second: Tensor = self.second(first)
        second = functional.dropout2d(second, self.dropout, self.training)
        return first + second if self.is_additive else second


class Generator(nn.Module):
    """A network that maps `(B, inputs, H, W)` to `(B, outputs, H, W)`, both in [-1, 1]."""

    is_additive = True
    stride = 4  # sides are padded to multiples of the stride

    def __init__(self, config: Config, inputs: int = 1, outputs: int = 3) -> None:
        super().__init__()
        width = config.width
        self.sketch_channels = config.sketch_channels if inputs == 1 else inputs
        self.encoder = nn.Sequential(
            convolution(self.sketch_channels, width, 7),
            convolution(width, 2 * width, 3, stride=2),
            convolution(2 * width, 4 * width, 3, stride=2),
        )
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(4 * width, dropout=config.dropout, is_additive=self.is_additive)
                for _ in range(config.blocks)
            )
        )
        self.decoder = nn.Sequential(
            transposed_convolution(4 * width, 2 * width),
            transposed_convolution(2 * width, width),
            nn.Conv2d(width, outputs, 3, padding=1),
        )
        initialise_like_keras(self)

    def forward(self, sketch: Tensor) -> Tensor:
        """Generate photos from sketches."""
        height, width = sketch.shape[-2:]
        padded = pad_to_multiple(sketch, self.stride).expand(-1, self.sketch_channels, -1, -1)
        photo: Tensor = self.decoder(self.blocks(self.encoder(padded)))
        return photo.float().tanh()[..., :height, :width]


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Return a convolution, a batch norm and a ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2),
        keras_batch_norm(outputs),
        nn.ReLU(),
    )


def transposed_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Return a transposed 3x3 convolution that doubles the size, a batch norm and a ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1),
        keras_batch_norm(outputs),
        nn.ReLU(),
    )
