"""Draws that every augmentation is made of."""

import torch
from torch import Tensor


def between(count: int, random: torch.Generator) -> Tensor:
    """Draws from [-1, 1), `(count,)`."""
    return 2 * torch.rand(count, generator=random) - 1


def share(count: int, random: torch.Generator) -> Tensor:
    """Draws from [0, 1), `(count,)`."""
    return torch.rand(count, generator=random)


def each(values: Tensor, pixels: Tensor) -> Tensor:
    """One value for each picture, ready to be multiplied."""
    return values.to(pixels.device).view(-1, 1, 1, 1)
