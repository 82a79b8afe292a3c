"""An exponential moving average of the generator's weights."""

import copy

import torch
from torch import nn

RAMP_UP = 0.1  # early on, the half-life is this share of the images seen (Karras et al. 2020)


class WeightAverage:
    """Follows a network at a distance; `network` holds the average.

    Args:
        network: The network to follow.
        half_life: Images until a weight's share of the average halves; 0 follows at once.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, network: nn.Module, *, batch_size: int, images_seen: int) -> None:
        """Move towards the network's weights after a batch; copy what is no weight."""
        half_life = min(self.half_life, RAMP_UP * images_seen)
        keep = 0.5 ** (batch_size / half_life) if half_life else 0.0
        weights = zip(self.network.parameters(), network.parameters(), strict=True)
        for average, current in weights:
            average.lerp_(current, 1 - keep)
        statistics = zip(self.network.buffers(), network.buffers(), strict=True)
        for mean, now in statistics:
            mean.copy_(now)
