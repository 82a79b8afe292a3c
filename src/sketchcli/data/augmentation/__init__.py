"""Random changes of training pairs, on whole batches.

Sketch and photo always move together; the sketch alone gets another pencil and another paper; the
discriminator sees photos changed once more.
"""

import torch
from torch import Tensor

from sketchcli.config import AugmentationConfig
from sketchcli.data.augmentation.discriminator import DiscriminatorAugmentation
from sketchcli.data.augmentation.geometry import mix, warp
from sketchcli.data.augmentation.sketches import roughen

__all__ = ["DiscriminatorAugmentation", "augment_pairs"]


def augment_pairs(
    sketch: Tensor, photo: Tensor, config: AugmentationConfig, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blend and warp pairs; then roughen the sketches.

    Args:
        sketch: `(B, 1, H, W) in [-1, 1]`.
        photo: `(B, 3, H, W) in [-1, 1]`.
        config: How much of each; what has none draws nothing.
        random: The source of all draws, on the CPU.
    """
    if config.mixing:
        sketch, photo = mix(sketch, photo, config.mixing, random)
    sketch, photo = warp(sketch, photo, config, random)
    return roughen(sketch, config, random), photo
