"""The networks of a run: built, placed, started from others' weights, partly frozen."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recomputed

from sketchcli import checkpoint, registry
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.device import Device
from sketchcli.engine.evaluating.tools import file_of
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
