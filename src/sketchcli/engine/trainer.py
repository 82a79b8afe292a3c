"""The two networks, their optimisers, and one step of each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli import checkpoint
from sketchcli.config import TrainConfig
from sketchcli.data.augmentation import DiscriminatorAugmentation
from sketchcli.device import Device
from sketchcli.engine.ema import WeightAverage
from sketchcli.engine.schedules import rate_factor
from sketchcli.errors import CheckpointError
from sketchcli.losses.adversarial import discriminator_loss, generator_loss
from sketchcli.losses.feature_matching import feature_matching_loss
from sketchcli.losses.reconstruction import reconstruction_loss
from sketchcli.models.blocks import Verdict
from sketchcli.models.building import build_discriminator, build_generator
from sketchcli.models.combined import CombinedModel


@dataclass(frozen=True)
class GeneratorLosses:
    """The generator's weighted total, and its unweighted parts."""

    total: Tensor
    parts: dict[str, Tensor]


class Trainer:
    """Everything that changes while a model is trained.

    Args:
        config: The run's settings.
        image_size: Height and width of the pictures.
        device: Where to compute, and with which numbers.
    """

    def __init__(self, config: TrainConfig, *, image_size: tuple[int, int], device: Device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        generator = device.place(build_generator(config.model))
        discriminator = device.place(build_discriminator(config.model, image_size))
        self.combined = CombinedModel(generator, discriminator).train()
        self.average = WeightAverage(generator, config.ema_half_life)
        self.generator_optimizer = self._adam(generator)
        self.discriminator_optimizer = self._adam(discriminator)

    @property
    def generator(self) -> nn.Module:
        """The network that draws photos."""
        return self.combined.generator

    @property
    def discriminator(self) -> nn.Module:
        """The network that judges them."""
        return self.combined.discriminator

    def generate(self, sketch: Tensor, photo: Tensor) -> Tensor:
        """Photos `(B, 3, H, W) in [-1, 1]` of sketches, of the real photos' size."""
        with self.device.autocast():
            fake: Tensor = self.generator(sketch)
        if fake.shape[-2:] != photo.shape[-2:]:
            fake = functional.interpolate(fake, photo.shape[-2:], mode="bilinear", antialias=True)
        return fake

    def discriminator_step(
        self, sketch: Tensor, real: Tensor, fake: Tensor, view: DiscriminatorAugmentation | None
    ) -> Tensor:
        """Teach the discriminator to tell real from generated; return its loss."""
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        judged_real = self._judge(self.discriminator, sketch, real, view)
        judged_fake = self._judge(self.discriminator, sketch, fake.detach(), view)
        kind = self.config.loss.adversarial
        loss = discriminator_loss(kind, judged_real.logits, judged_fake.logits)
        loss.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimizer.step()
        return loss.detach()

    def generator_step(
        self, sketch: Tensor, real: Tensor, fake: Tensor, view: DiscriminatorAugmentation | None
    ) -> GeneratorLosses:
        """Teach the generator to pass for real and to be right; return its losses."""
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = self._generator_losses(sketch, real, fake, view)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.generator_optimizer.step()
        return losses

    def set_rates(self, epoch: float) -> None:
        """Set both learning rates to what the schedule says."""
        optimizer = self.config.optimizer
        rate = optimizer.lr * rate_factor(optimizer, epoch=epoch, epochs=self.config.epochs)
        for group in self.generator_optimizer.param_groups:
            group["lr"] = rate
        for group in self.discriminator_optimizer.param_groups:
            group["lr"] = rate * optimizer.discriminator_lr_factor

    def state(self) -> dict[str, Tensor]:
        """Every tensor that is needed to go on."""
        tensors: dict[str, Tensor] = {}
        for name, network in self._networks().items():
            tensors |= checkpoint.with_prefix(name, network.state_dict())
        for name, optimizer in self._optimizers().items():
            tensors |= checkpoint.with_prefix(name, checkpoint.optimizer_tensors(optimizer))
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` took.

        Raises:
            CheckpointError: The tensors are of other networks.
        """
        try:
            self._restore(tensors)
        except (RuntimeError, KeyError, IndexError, ValueError) as error:
            raise CheckpointError("a state that does not fit its settings") from error

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        for name, network in self._networks().items():
            network.load_state_dict(checkpoint.without_prefix(name, tensors))
        for name, optimizer in self._optimizers().items():
            moments = checkpoint.without_prefix(name, tensors)
            checkpoint.restore_optimizer(optimizer, moments)

    def _generator_losses(
        self, sketch: Tensor, real: Tensor, fake: Tensor, view: DiscriminatorAugmentation | None
    ) -> GeneratorLosses:
        loss, judge = self.config.loss, self.combined.judge
        judged = self._judge(judge, sketch, fake, view)
        parts = {
            "adversarial": generator_loss(loss.adversarial, judged.logits),
            "reconstruction": reconstruction_loss(loss.reconstruction, fake, real),
        }
        total = loss.adversarial_weight * parts["adversarial"]
        total = total + loss.reconstruction_weight * parts["reconstruction"]
        if loss.feature_matching_weight:
            with torch.no_grad():
                expected = self._judge(judge, sketch, real, view)
            matching = feature_matching_loss(judged.features, expected.features)
            parts["feature_matching"] = matching
            total = total + loss.feature_matching_weight * matching
        return GeneratorLosses(total, parts)

    def _judge(
        self,
        judge: Callable[[Tensor, Tensor], Verdict],
        sketch: Tensor,
        photo: Tensor,
        view: DiscriminatorAugmentation | None,
    ) -> Verdict:
        if view is not None:
            sketch, photo = view(sketch, photo)
        with self.device.autocast():
            return judge(sketch, photo)

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        settings = self.config.optimizer
        betas = (settings.beta1, settings.beta2)
        return torch.optim.Adam(network.parameters(), settings.lr, betas, settings.eps, fused=True)

    def _networks(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average.network,
        }

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
