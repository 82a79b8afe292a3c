"""Construction of networks from the names and options in a configuration.

Generator and discriminator are also combined for training, and batch norms folded for generating.
How much memory a network will take is known before it takes any.
"""

import weakref
from dataclasses import asdict, fields, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sketchcli import errors, registry
from sketchcli.config import KINDS, SKETCH_TO_PHOTO, Domains, ModelConfig, Options
from sketchcli.errors import UsageError
from sketchcli.models.blocks import DiscriminatorOutput
from sketchcli.registry import Named

LARGEST_OPTION = 2048  # limit for a network's options, such as its width or number of blocks


def build_generator(config: ModelConfig, domains: Domains = SKETCH_TO_PHOTO) -> nn.Module:
    """Return the generator that a configuration names, for the channels of the domains."""
    room = registry.load(registry.GENERATORS, config.generator)
    options = _options(room, config.generator_options)
    network: nn.Module = room.Generator(options, *domains.channels)
    return network


def build_discriminator(
    config: ModelConfig, image_size: tuple[int, int], domains: Domains = SKETCH_TO_PHOTO
) -> nn.Module:
    """Return the discriminator that a configuration names, for images of `(height, width)`."""
    room = registry.load(registry.DISCRIMINATORS, config.discriminator)
    options = _options(room, config.discriminator_options)
    network: nn.Module = room.Discriminator(options, image_size, *domains.channels)
    return network


def spelled_out(config: ModelConfig) -> ModelConfig:
    """Return the configuration with all options of both networks, so that no default can change."""
    generator = registry.load(registry.GENERATORS, config.generator)
    discriminator = registry.load(registry.DISCRIMINATORS, config.discriminator)
    return replace(
        config,
        generator_options=asdict(_options(generator, config.generator_options)),
        discriminator_options=asdict(_options(discriminator, config.discriminator_options)),
    )


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _options(room: Named, options: Options) -> Any:  # noqa: ANN401 - the module's Config
    known = {field.name: type(field.default) for field in fields(room.Config)}
    given = {
        key: float(value) if known.get(key) is float and type(value) is int else value
        for key, value in options.items()
    }
    problems = [_problem(key, value, known.get(key)) for key, value in given.items()]
    if any(problems):
        name = room.__name__.rpartition(".")[2]
        message = "; ".join(filter(None, problems))
        stranger = next((key for key in options if key not in known), "")
        raise UsageError(f"{name}: {message}", hint=errors.did_you_mean(stranger, known))
    return room.Config(**given)


def _problem(key: str, value: object, kind: type | None) -> str:
    if kind is None:
        return f"unknown option '{key}'"
    if type(value) is not kind:
        return f"'{key}' must be {KINDS[kind]}, not {value!r}"
    if type(value) is int and value < 1:
        return f"'{key}' must be at least 1, not {value!r}"
    if type(value) is int and value > LARGEST_OPTION:
        return f"'{key}' must be at most {LARGEST_OPTION}"
    if type(value) is float and not 0 <= value < 1:
        return f"'{key}' must be in [0, 1), not {value!r}"
    return ""


class CombinedModel(nn.Module):
    """The generator followed by the frozen discriminator, to train the generator."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, sketch: Tensor) -> tuple[Tensor, Tensor]:
        """Return photos `(B, C, H, W)` in [-1, 1] and the probability `(B,)` that each is real."""
        photo = self.generator(sketch)
        return photo, self.judge(sketch, photo).probability

    def judge(self, sketch: Tensor, photo: Tensor) -> DiscriminatorOutput:
        """Return the frozen discriminator's output for photos.

        Gradients pass through it to the photos; its parameters and statistics do not change.
        """
        was_training = self.discriminator.training
        learning = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator.eval().requires_grad_(False)
        try:
            verdict: DiscriminatorOutput = self.discriminator(sketch, photo)
        finally:
            self.discriminator.train(was_training)
            for parameter in learning:
                parameter.requires_grad_(True)
        return verdict


def fold_batch_norms(network: nn.Module) -> int:
    """Fold every batch norm after a convolution in a sequence, in place; return their number.

    In evaluation mode, which the network must be in, a batch norm scales and shifts each channel,
    which the convolution's weights can do faster (Jacob et al. 2018, section 3.2).
    """
    count = 0
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for index, (layer, norm) in enumerate(pairwise(list(sequence))):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(
                layer, nn.Conv2d | nn.ConvTranspose2d
            ):
                is_transposed = isinstance(layer, nn.ConvTranspose2d)
                sequence[index] = fuse_conv_bn_eval(layer, norm, transpose=is_transposed)
                sequence[index + 1] = nn.Identity()
                count += 1
    return count


# A file of a few kilobytes can describe a network whose activations take gigabytes.

FLOAT = 4  # bytes
OVERHEAD = 1.5  # measured: copies in other memory formats, tensors between layers, the allocator
ABSURD = 2**60  # bytes; more than torch can count
MEASURED = 32  # least side of the image with which a network in memory is measured, pixels


def parameter_bytes(network: nn.Module) -> int:
    """Return the bytes of a network's tensors."""
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def photo_bytes(
    network: nn.Module, size: tuple[int, int], domains: Domains, *, enough: float
) -> float:
    """Return about how many bytes generating one photo of `(height, width)` takes.

    An upper bound, as if no layer reduced the size, is enough if it is at most `enough`, or absurd.
    Otherwise the network is run and measured: at this size on the `meta` device, whose tensors take
    no memory (but whose first use takes a second); at a small size on others.
    """
    stride = int(getattr(network, "stride", 1))
    layers = [getattr(m, "out_channels", getattr(m, "out_features", 0)) for m in network.modules()]
    height, width = (-(-side // stride) * stride for side in size)
    bound = 2 * FLOAT * height * width * (sum(layers) + 2 * max(layers))
    if not enough < bound < ABSURD:
        return bound
    device, channels = next(network.parameters()).device, domains.input.channels
    if device.type == "meta":
        return OVERHEAD * _peak(network, torch.empty(1, channels, *size, device=device))
    side = -(-MEASURED // stride) * stride
    peak = _peak(network, torch.zeros(1, channels, side, side, device=device))
    return OVERHEAD * peak * height * width / side**2


@torch.inference_mode()
def _peak(network: nn.Module, sketch: Tensor) -> int:
    """Return the most bytes of layers' inputs and outputs that exist at one time.

    A TorchDispatchMode would count all tensors, but importing what it needs takes a second.
    """
    live: dict[int, int] = {}  # the bytes of each storage
    peak = 0

    def count(_layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal peak
        for tensor in (*inputs, output):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = int(storage._cdata)  # noqa: SLF001 - its identity
                if key not in live:
                    live[key] = storage.nbytes()
                    weakref.finalize(storage, live.pop, key)
        peak = max(peak, sum(live.values()))

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    try:
        network(sketch)
    finally:
        for hook in hooks:
            hook.remove()
    return peak
