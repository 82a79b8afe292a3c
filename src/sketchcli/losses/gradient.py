"""How far the edges of two photos are apart, from fine to coarse."""

import torch
from torch import Tensor
from torch.nn import functional

SCALES = 3


def gradient_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of the slopes of photos `(B, 3, H, W)` in [-1, 1], a scalar.

    The slopes are the differences of horizontal and of vertical neighbours, at full size, half and
    a quarter (Mathieu et al. 2016, equation 6, on three scales).
    """
    first, second, losses = fake.float(), real.float(), []
    for _ in range(SCALES):
        losses.append(_slope_distance(first, second))
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    return torch.stack(losses).mean()


def _slope_distance(first: Tensor, second: Tensor) -> Tensor:
    across = functional.l1_loss(first.diff(dim=-1), second.diff(dim=-1))
    down = functional.l1_loss(first.diff(dim=-2), second.diff(dim=-2))
    return across + down
