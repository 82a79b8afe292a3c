"""The networks of a run: built, placed, started from others' weights, partly frozen."""

import contextlib
import copy
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recomputed

from sketchcli import checkpoint, errors, registry
from sketchcli import config as settings
from sketchcli.config import OPTIMIZERS, SCHEDULES, DataConfig, OptimizerConfig, TrainConfig
from sketchcli.device import Device
from sketchcli.engine.evaluating.features import file_of
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.runs import Run, find_weights
from sketchcli.errors import CheckpointError, UsageError
from sketchcli.losses import PerceptualLoss

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def start_from(weights: str, generator: nn.Module, discriminator: nn.Module) -> None:
    """Fill networks with those of another run.

    Args:
        weights: A file, a run's folder or its name.
        generator: Takes the weights.
        discriminator: Takes those of the state beside the weights, where all of them fit; one of
            another kind learns anew.

    Raises:
        CheckpointError: There are no such weights, or they are of another network.
    """
    file = find_weights(Path(weights))
    tensors, _ = checkpoint.load(file)
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{file}: the weights of another generator ({reason})",
            hint="choose the same --generator and options, or leave them out",
        ) from error
    with contextlib.suppress(CheckpointError):  # there is no state, or none that can be read
        found, _ = checkpoint.load(Run(file.parent).state, only=("discriminator.",))
        judge = checkpoint.without_prefix("discriminator", found)
        if _shapes(judge) == _shapes(discriminator.state_dict()):
            discriminator.load_state_dict(judge)


def learnt_from(weights: str) -> str:
    """Marks of the photos that weights, and those that they started from, were trained on.

    Args:
        weights: As `start_from` takes them; empty: none.

    Raises:
        CheckpointError: There are no such weights.
    """
    about = checkpoint.read_about(find_weights(Path(weights))) if weights else {}
    marks: str = about.get("dataset", {}).get("trained_on", "")
    return marks


def freeze(generator: nn.Module, parts: str) -> None:
    """Keep parts of a generator as they are.

    Args:
        generator: The network.
        parts: Beginnings of its parameters' names, with commas: `encode, trunk.0`.

    Raises:
        UsageError: A part that the generator does not have, or nothing left to learn.
    """
    wanted = [part.strip() for part in parts.split(",") if part.strip()]
    names = [name for name, _ in generator.named_parameters()]
    for part in wanted:
        if not any(name.startswith(part) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise UsageError(f"--freeze: the generator has no part '{part}'", hint=f"of {known}")
    frozen = [p for n, p in generator.named_parameters() if n.startswith(tuple(wanted))]
    if len(frozen) == len(names):
        raise UsageError("--freeze: nothing is left to learn", hint="freeze fewer parts")
    for parameter in frozen:
        parameter.requires_grad = False


def perceptual_loss(
    config: TrainConfig, size: tuple[int, int], device: Device
) -> PerceptualLoss | None:
    """The perceptual loss, where the settings give it a weight.

    Raises:
        UsageError: Its network is not here, or sees nothing in pictures of this size.
    """
    name = config.loss.perceptual_network
    if not config.loss.perceptual_weight:
        return None
    file = file_of(name)
    if file is None:
        raise UsageError(
            f"this run's perceptual loss needs the network {name}, which is not here",
            hint=f"type: sketch2img fetch-data {name}",
        )
    network = registry.load(registry.METRICS, name).load(file)
    return PerceptualLoss(device.place(network), size)


def what_can_be_had(config: TrainConfig, size: tuple[int, int], report: Reporter) -> TrainConfig:
    """The settings of a new run, without a perceptual loss that cannot be had.

    Args:
        config: All settings.
        size: Height and width of the pictures.
        report: Told of what is left out.
    """
    if not config.loss.perceptual_weight:
        return config
    name = config.loss.perceptual_network
    smallest: int = registry.load(registry.METRICS, name).SMALLEST_SIDE
    is_here = file_of(name) is not None
    if is_here and min(size) >= smallest:
        return config
    reason = (
        f"pictures of less than {smallest} pixels show it nothing"
        if is_here
        else f"for better photos, type: sketch2img fetch-data {name}"
    )
    report(Note(f"training without the perceptual loss: {reason}", is_warning=not is_here))
    return settings.merge(config, {"loss": {"perceptual_weight": 0.0}})


def recompute_activations(generator: nn.Module) -> None:
    """Let a generator compute its layers' activations again instead of keeping them.

    Layers with batch norm are left alone: their running statistics would count a batch twice.
    """
    for layer in _layers(generator):
        if not _counts_batches(layer):
            layer.forward = functools.partial(recomputed, layer.forward, use_reentrant=False)


def compiled(config: TrainConfig, network: nn.Module) -> Callable[..., Any]:
    """The network, through torch.compile where the settings ask for it."""
    if not config.run.compile:
        return network
    function: Callable[..., Any] = torch.compile(network)
    return function


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """Children; those of plain containers in their place."""
    for child in network.children():
        if isinstance(child, nn.ModuleList) or (
            isinstance(child, nn.Sequential) and not isinstance(child[0], nn.Conv2d)
        ):
            yield from child
        elif any(True for _ in child.parameters()):
            yield child


def _counts_batches(layer: nn.Module) -> bool:
    return any(isinstance(module, BATCH_NORMS) for module in layer.modules())


# Optimisers from their names.


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
        f"unknown optimiser '{config.name}'", hint=errors.did_you_mean(config.name, OPTIMIZERS)
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


# Learning-rate schedules: pure functions of the position in the run.

INVERSE_EPOCH_DECAY = 0.001  # the source's


def rate_factor(config: OptimizerConfig, *, epoch: float, epochs: int) -> float:
    """What the learning rate is multiplied with.

    Args:
        config: Names the schedule: `constant`; `linear` and `cosine`, which fall to zero over the
            last part of the run; `step`, which falls by a factor now and then; `inverse-epoch`,
            1 / (1 + 0.001 x epoch) by whole epochs.
        epoch: Epochs done so far, with the fraction of the current one.
        epochs: Epochs of the whole run.

    Raises:
        UsageError: Unknown schedule.

    >>> rate_factor(OptimizerConfig(schedule="linear", decay_from=0.5), epoch=75, epochs=100)
    0.5
    >>> rate_factor(OptimizerConfig(schedule="step", step_every=0.25), epoch=60, epochs=100)
    0.25
    """
    done = min(1.0, epoch / epochs)
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "linear":
        return 1.0 - _fallen(done, config.decay_from)
    if config.schedule == "cosine":
        return (1.0 + math.cos(math.pi * _fallen(done, config.decay_from))) / 2
    if config.schedule == "step":
        steps = math.floor(done / config.step_every) if config.step_every else 0
        return config.step_factor**steps
    if config.schedule == "inverse-epoch":
        return 1.0 / (1.0 + INVERSE_EPOCH_DECAY * int(epoch))
    raise UsageError(
        f"unknown schedule '{config.schedule}'",
        hint=errors.did_you_mean(config.schedule, SCHEDULES),
    )


def _fallen(done: float, start: float) -> float:
    """How much of the way down is done, from 0 until `start` to 1 at the end."""
    return max(0.0, (done - start) / max(1e-9, 1.0 - start))


# An exponential moving average of the generator's weights.

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


# Progressive growth of the image size (Karras et al. 2018).
#
# Small pictures first: they train faster, and what they teach holds for larger ones. The networks
# are fully convolutional, so nothing is added or faded in when the size doubles; with one that is
# not, a run cannot grow.

SMALLEST = 32
MULTIPLE = 8  # of the sides of a picture that is not at full size yet
Size = tuple[int, int]


def stages(size: Size, grow_from: int) -> list[Size]:
    """The sizes, height and width, that a run goes through.

    Args:
        size: The last one.
        grow_from: Shorter side of the first one; 0: there is only the last.

    Raises:
        UsageError: The first one is smaller than the networks can take.

    >>> stages((128, 128), 32)
    [(32, 32), (64, 64), (128, 128)]
    >>> stages((250, 200), 64)
    [(80, 64), (160, 128), (250, 200)]
    """
    if not grow_from:
        return [size]
    if grow_from < SMALLEST:
        raise UsageError(f"cannot grow from {grow_from} pixels", hint=f"{SMALLEST} at least")
    found, side = [], grow_from
    while side < min(size):
        scale = side / min(size)
        height, width = (round(edge * scale / MULTIPLE) * MULTIPLE for edge in size)
        found.append((height, width))
        side *= 2
    return [*found, size]


def check_can_grow(discriminator: nn.Module, size: Size, grow_from: int) -> None:
    """Refuse a growth that the networks cannot follow.

    Raises:
        UsageError: It begins too small, or the discriminator is for pictures of one size.
    """
    if len(stages(size, grow_from)) > 1 and getattr(discriminator, "is_of_one_size", False):
        raise UsageError(
            "--grow-from: this discriminator takes pictures of one size",
            hint="choose another: --set model.discriminator=patch",
        )


def size_at(done: float, config: DataConfig, size: Size) -> Size:
    """The size at a point of the run.

    The sizes before the last one share the first part of the run equally.

    Args:
        done: Share of the run, in [0, 1].
        config: Where it starts, and the share of the run until the full size.
        size: The full size, height and width.

    >>> config = DataConfig(grow_from=32, grow_share=0.5)
    >>> [size_at(done, config, (128, 128))[0] for done in (0, 0.3, 0.5, 1)]
    [32, 64, 128, 128]
    """
    sizes = stages(size, config.grow_from)
    if done >= config.grow_share or len(sizes) == 1:
        return size
    return sizes[int(done / config.grow_share * (len(sizes) - 1))]


def resize_batch(sketch: Tensor, photo: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Sketches `(B, 1, H, W)` and photos `(B, 3, H, W)`, reduced; at full size as they are.

    Every pixel becomes the mean of those that it covers.
    """
    if sketch.shape[-2:] == size:
        return sketch, photo
    return functional.adaptive_avg_pool2d(sketch, size), functional.adaptive_avg_pool2d(photo, size)
