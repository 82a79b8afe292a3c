"""Building blocks that several networks share."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from sketchcli.errors import UsageError


@dataclass(frozen=True)
class DiscriminatorOutput:
    """A discriminator's output for a batch of photos."""

    logits: Tensor  # `(B, ...)`, positive for real photos; a PatchGAN returns one per patch
    features: tuple[Tensor, ...] = ()  # activations of the inner layers, for feature matching

    @property
    def probability(self) -> Tensor:
        """Mean over its patches of the probability that a photo is real, `(B,)` in [0, 1]."""
        return self.logits.float().sigmoid().flatten(1).mean(dim=1)


def pad_to_multiple(pixels: Tensor, stride: int) -> Tensor:
    """Pad height and width at the bottom and right to multiples of `stride`.

    >>> import torch
    >>> pad_to_multiple(torch.zeros(1, 1, 30, 33), 8).shape
    torch.Size([1, 1, 32, 40])
    """
    height, width = pixels.shape[-2:]
    bottom, right = -height % stride, -width % stride
    if not bottom and not right:
        return pixels
    return functional.pad(pixels, (0, right, 0, bottom), mode="replicate")


def check_side(image_size: tuple[int, int], least: int, other: str = "") -> None:
    """Raise UsageError if a side is shorter than the `least` pixels that a network supports."""
    height, width = image_size
    if min(height, width) < least:
        near = f"{max(width, least)}x{max(height, least)}"
        raise UsageError(
            f"images of {width}x{height} pixels are too small for this discriminator, which needs "
            f"at least {least} pixels in width and height",
            hint=f"run preprocess again with --size {near}{other}",
        )


def keras_batch_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with Keras's defaults, where momentum is one minus PyTorch's: 0.99."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def initialise_like_keras(network: nn.Module) -> None:
    """Set Glorot-uniform weights and zero biases (Glorot and Bengio 2010, equation 16)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialise_like_pix2pix(network: nn.Module) -> None:
    """Set weights from N(0, 0.02), norm scales from N(1, 0.02), zero biases (Isola et al. 2017)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
