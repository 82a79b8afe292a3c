"""The networks of a run: initial weights, freezing, optimisers, schedules and EMA."""

import contextlib
import copy
import functools
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint as recomputed

from sketchcli import checkpoint, registry
from sketchcli import config as settings
from sketchcli.config import Domains, OptimizerConfig, TrainConfig, domains_from_dict
from sketchcli.device import Device
from sketchcli.engine.evaluating.features import file_of
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.runs import Run, find_weights
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.losses import PerceptualLoss

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def start_from(
    weights: str, domains: Domains, generator: nn.Module, discriminator: nn.Module
) -> None:
    """Load the weights of another run (a file, or the run's folder or name) into the generator.

    The discriminator is loaded from the training state next to the weights if all shapes match; a
    discriminator of another kind starts from scratch.
    """
    file = find_weights(Path(weights))
    tensors, about = checkpoint.load(file)
    try:
        theirs = domains_from_dict(about.get("domains"))
    except (LookupError, TypeError, ValueError) as error:
        fault = f"{file} does not describe its inputs ({error})"
        raise CheckpointError(fault, hint="choose other weights with --init-from") from error
    if theirs.channels != domains.channels:
        again = "--input-channels {} --target-channels {}".format(*theirs.channels)
        if theirs == domains.reversed:
            again = "the opposite direction (--reverse, or without it)"
        raise CheckpointError(
            f"{file}: the weights turn {theirs}, but the dataset has {domains}",
            hint=f"omit --init-from, or run preprocess again with another --name and {again}",
        )
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{file}: the weights belong to another generator ({reason})",
            hint="give the same --generator and options as that run, or omit them",
        ) from error
    with contextlib.suppress(CheckpointError):  # the training state is optional
        found, _ = checkpoint.load(Run(file.parent).state, only=("discriminator.",))
        judge = checkpoint.without_prefix("discriminator", found)
        shapes = {name: tensor.shape for name, tensor in judge.items()}
        if shapes == {name: tensor.shape for name, tensor in discriminator.state_dict().items()}:
            discriminator.load_state_dict(judge)


def freeze(generator: nn.Module, parts: str) -> None:
    """Exclude parts of a generator from training.

    `parts` lists the beginnings of parameter names, separated by commas: `encode, trunk.0`.
    """
    wanted = [part.strip() for part in parts.split(",") if part.strip()]
    names = [name for name, _ in generator.named_parameters()]
    for part in wanted:
        if not any(name.startswith(part) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise UsageError(
                f"--freeze: the generator has no part '{part}'", hint=f"choose from: {known}"
            )
    frozen = [p for n, p in generator.named_parameters() if n.startswith(tuple(wanted))]
    if len(frozen) == len(names):
        raise UsageError("--freeze leaves no parameters to train", hint="freeze fewer parts")
    for parameter in frozen:
        parameter.requires_grad = False


def perceptual_loss(
    config: TrainConfig, size: tuple[int, int], device: Device
) -> PerceptualLoss | None:
    """Return the perceptual loss for images of a size; None if the settings give it no weight."""
    name = config.loss.perceptual_network
    if not config.loss.perceptual_weight:
        return None
    file = file_of(name)
    if file is None:
        raise UsageError(
            f"the perceptual loss of this run needs the network {name}, which was not found",
            hint=f"run: sketch2img fetch-data {name}",
        )
    network = registry.load(registry.METRICS, name).load(file)
    return PerceptualLoss(device.place(network), size)


def what_can_be_had(
    config: TrainConfig, size: tuple[int, int], report: Reporter, *, photos: str
) -> TrainConfig:
    """Return the settings of a new run, without the perceptual loss if that is not available.

    `photos` is what the dataset calls its targets.
    """
    if not config.loss.perceptual_weight:
        return config
    name = config.loss.perceptual_network
    smallest: int = registry.load(registry.METRICS, name).SMALLEST_SIDE
    is_here = file_of(name) is not None
    if is_here and min(size) >= smallest:
        return config
    reason = (
        f"its network needs images of at least {smallest} pixels"
        if is_here
        else f"for better {photos}, run: sketch2img fetch-data {name}"
    )
    report(Note(f"training without the perceptual loss: {reason}", is_warning=not is_here))
    return settings.merge(config, {"loss": {"perceptual_weight": 0.0}})


def recompute_activations(generator: nn.Module) -> None:
    """Let a generator recompute its layers' activations instead of storing them.

    Layers with batch norm are excluded: their running statistics would count a batch twice.
    """
    for child in generator.children():
        is_container = isinstance(child, nn.ModuleList) or (
            isinstance(child, nn.Sequential) and not isinstance(child[0], nn.Conv2d)
        )
        for layer in child.children() if is_container else [child]:
            is_normed = any(isinstance(module, BATCH_NORMS) for module in layer.modules())
            if not is_normed and any(True for _ in layer.parameters()):
                layer.forward = functools.partial(recomputed, layer.forward, use_reentrant=False)


def build_optimizer(
    config: OptimizerConfig, network: nn.Module, *, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return an optimiser of a network's trainable parameters; the network is already placed.

    The weight decay applies to weights only, not to biases and the scales of norms.
    """
    learning = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": learning, "weight_decay": weight_decay}]
    if weight_decay:
        groups = [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
        ]
    lr, betas, eps = config.lr, (config.beta1, config.beta2), config.eps
    if config.name == "adam":
        return torch.optim.Adam(groups, lr, betas, eps, fused=True)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr, betas, eps, fused=True)
    if config.name == "rmsprop":
        return torch.optim.RMSprop(groups, lr, alpha=config.beta2, eps=eps)
    # Fused Adagrad exists only on the CPU.
    is_fused = all(p.device.type == "cpu" for p in network.parameters())
    return torch.optim.Adagrad(groups, lr, eps=eps, fused=is_fused)


def rate_factor(config: OptimizerConfig, *, epoch: float, epochs: int) -> float:
    """Return the factor that the base learning rate is multiplied by.

    The schedules are `constant`; `linear` and `cosine`, which fall to zero over the last part of
    the run; `step`, which falls by a factor at regular intervals; and `inverse-epoch`,
    1 / (1 + 0.001 x epoch) by whole epochs. `epoch` includes the fraction of the current epoch.

    >>> rate_factor(OptimizerConfig(schedule="linear", decay_from=0.5), epoch=75, epochs=100)
    0.5
    >>> rate_factor(OptimizerConfig(schedule="step", step_every=0.25), epoch=60, epochs=100)
    0.25
    """
    done = min(1.0, epoch / epochs)
    fallen = max(0.0, (done - config.decay_from) / max(1e-9, 1.0 - config.decay_from))
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "linear":
        return 1.0 - fallen
    if config.schedule == "cosine":
        return (1.0 + math.cos(math.pi * fallen)) / 2
    if config.schedule == "step":
        steps = math.floor(done / config.step_every) if config.step_every else 0
        return config.step_factor**steps
    return 1.0 / (1.0 + 0.001 * int(epoch))  # inverse-epoch, the decay of the source


# The generator's weights are averaged exponentially over the run (EMA).

RAMP_UP = 0.1  # early half-life as a fraction of the images seen (Karras et al. 2020)


class WeightAverage:
    """An exponential moving average (EMA) of a network's weights, held in `network`.

    `half_life` counts images until a weight's contribution halves; 0 copies the network.
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.half_life = half_life

    @torch.no_grad()
    def update(self, network: nn.Module, *, batch_size: int, images_seen: int) -> None:
        """Move the average towards the weights after a batch; copy the network's buffers."""
        half_life = min(self.half_life, RAMP_UP * images_seen)
        keep = 0.5 ** (batch_size / half_life) if half_life else 0.0
        for average, current in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(current, 1 - keep)
        for mean, now in zip(self.network.buffers(), network.buffers(), strict=True):
            mean.copy_(now)
