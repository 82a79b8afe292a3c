"""Building networks from their names, and the two put together."""

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from types import ModuleType
from typing import TYPE_CHECKING

from torch import Tensor, nn

from sketchcli import registry
from sketchcli.config import ModelConfig, Options
from sketchcli.errors import UsageError

if TYPE_CHECKING:
    from sketchcli.models.blocks import Verdict


class CombinedModel(nn.Module):
    """The generator followed by the frozen discriminator."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, sketch: Tensor) -> tuple[Tensor, Tensor]:
        """Photos `(B, 3, H, W) in [-1, 1]`, and the probability `(B,)` that each is real."""
        photo = self.generator(sketch)
        with self.frozen_discriminator():
            verdict: Verdict = self.discriminator(sketch, photo)
        return photo, verdict.probability

    @contextlib.contextmanager
    def frozen_discriminator(self) -> Iterator[nn.Module]:
        """Let gradients pass through the discriminator but change nothing in it.

        Its parameters collect no gradients, and its running statistics stand still.
        """
        was_training = self.discriminator.training
        learning = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.discriminator.eval().requires_grad_(requires_grad=False)
        try:
            yield self.discriminator
        finally:
            self.discriminator.train(was_training)
            for parameter in learning:
                parameter.requires_grad_(requires_grad=True)


def build_generator(config: ModelConfig) -> nn.Module:
    """The generator that a config names.

    Raises:
        UsageError: Unknown name or options.
    """
    room = registry.load(registry.GENERATORS, config.generator)
    network: nn.Module = room.Generator(_options(room, config.generator_options))
    return network


def build_discriminator(config: ModelConfig, image_size: tuple[int, int]) -> nn.Module:
    """The discriminator that a config names, for pictures of `(height, width)`.

    Raises:
        UsageError: Unknown name or options, or a size that the network cannot take.
    """
    room = registry.load(registry.DISCRIMINATORS, config.discriminator)
    network: nn.Module = room.Discriminator(
        _options(room, config.discriminator_options), image_size
    )
    return network


def _options(room: ModuleType, options: Options) -> object:
    known = {field.name: type(field.default) for field in fields(room.Config)}
    problems = [f"unknown option '{key}'" for key in options if key not in known]
    problems += [
        f"'{key}' must be {known[key].__name__}, not {value!r}"
        for key, value in options.items()
        if key in known and type(value) is not known[key]
    ]
    problems += [
        f"'{key}' must be at least 1, not {value!r}"
        for key, value in options.items()
        if type(value) is int and value < 1
    ]
    if problems:
        name = room.__name__.rpartition(".")[2]
        raise UsageError(f"{name}: {'; '.join(problems)}", hint=f"known: {', '.join(known)}")
    return room.Config(**options)
