"""Optimisers from their names."""

import torch
from torch import nn

from sketchcli import errors
from sketchcli.config import OPTIMIZERS as KINDS
from sketchcli.config import OptimizerConfig
from sketchcli.errors import UsageError


def build_optimizer(
    config: OptimizerConfig, network: nn.Module, *, weight_decay: float
) -> torch.optim.Optimizer:
    """An optimiser of a network's parameters that learn.

    Args:
        config: Its name, rate and memory.
        network: On its device already.
        weight_decay: Of weights; biases and the scales of norms do not decay.

    Raises:
        UsageError: Unknown name.
    """
    groups = _groups(network, weight_decay)
    lr, betas, eps = config.lr, (config.beta1, config.beta2), config.eps
    if config.name == "adam":
        return torch.optim.Adam(groups, lr, betas, eps, fused=True)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr, betas, eps, fused=True)
    if config.name == "rmsprop":
        return torch.optim.RMSprop(groups, lr, alpha=config.beta2, eps=eps)
    if config.name == "adagrad":
        is_fused = all(p.device.type == "cpu" for p in network.parameters())  # nowhere else
        return torch.optim.Adagrad(groups, lr, eps=eps, fused=is_fused)
    raise UsageError(
        f"unknown optimiser '{config.name}'", hint=errors.did_you_mean(config.name, KINDS)
    )


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    learning = [p for p in network.parameters() if p.requires_grad]
    if not weight_decay:
        return [{"params": learning, "weight_decay": 0.0}]
    decaying = [p for p in learning if p.ndim > 1]
    other = [p for p in learning if p.ndim <= 1]
    return [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": other, "weight_decay": 0.0},
    ]
