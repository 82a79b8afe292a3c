"""Batch norm over the parts of a batch that several processes hold.

`torch.nn.SyncBatchNorm` does the same, on GPUs alone, and knows no second derivative.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.autograd.function import Function, FunctionCtx


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of all processes' pictures together."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise `(B, C, H, W)`; B may be another in every process."""
        if not self.training:
            return super().forward(pixels)
        values = pixels.float()
        count = torch.full((1,), values.numel() / values.shape[1], device=values.device)
        dist.all_reduce(count)
        mean = summed(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = summed(centred.square().sum(dim=(0, 2, 3))) / count
        self.take_in(mean, variance * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        output = centred * scale[:, None, None] + self.bias[:, None, None]
        return output.to(pixels.dtype)

    @torch.no_grad()
    def take_in(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards a batch's, as `nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)


def share_batch_norms(network: nn.Module) -> None:
    """Let a network's batch norms see all processes' pictures.

    Their parameters, statistics and names stay.
    """
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm


class _Summed(Function):
    """The sum over all processes; so is its gradient, and the gradient's."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor) -> Tensor:
        del ctx
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:  # noqa: ANN401 - as Function's
        del ctx
        return summed(gradients[0])


def summed(values: Tensor) -> Tensor:
    """The sum of all processes' values, through which gradients flow back to each."""
    total: Tensor = _Summed.apply(values)  # type: ignore[no-untyped-call]
    return total
