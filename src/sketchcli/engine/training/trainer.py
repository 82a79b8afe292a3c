"""The two networks, their optimisers, and one step of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli import checkpoint
from sketchcli.config import SKETCH_TO_PHOTO, Domains, TrainConfig
from sketchcli.data.batches import DiscriminatorAugmentation
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.training import networks
from sketchcli.engine.training.distributed import ALONE, Ranks
from sketchcli.engine.training.networks import WeightAverage, build_optimizer, rate_factor
from sketchcli.errors import SketchError, UsageError
from sketchcli.losses import (
    PerceptualLoss,
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_loss,
    r1_penalty,
    reconstruction_loss,
    structure_loss,
)
from sketchcli.models.blocks import DiscriminatorOutput
from sketchcli.models.building import CombinedModel, build_discriminator, build_generator

Judge = Callable[[Tensor, Tensor], DiscriminatorOutput]
SMALLEST_SCALE = 1.0  # loss scale above which an overflow is attributed to the scale
SCALER = {"scale": "scale", "held": "_growth_tracker"}  # saved name -> name in GradScaler's state


@dataclass(frozen=True)
class Figures:
    """Means over a batch from one network's step: its loss, the loss terms and further values."""

    loss: float
    parts: dict[str, float] = field(default_factory=dict)
    is_skipped: bool = False  # whether the step was skipped for a NaN or infinite loss or gradient


@dataclass(frozen=True)
class Part:
    """Pairs that go through the networks together; a batch is split into parts to save memory."""

    sketch: Tensor  # `(B, C, H, W)` in [-1, 1]
    photo: Tensor  # the real photos, `(B, C, H, W)` in [-1, 1]
    view: DiscriminatorAugmentation | None = None  # augmentation for the discriminator, if any
    weight: float = 1.0  # fraction of the step's pairs, over all processes

    def __len__(self) -> int:
        return len(self.sketch)

    def seen(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sketches and photos of these pairs as the discriminator sees them."""
        return self.view(self.sketch, photo) if self.view else (self.sketch, photo)

    def rows(self, start: int, stop: int) -> "Part":
        """Return the pairs from row `start` to before row `stop`."""
        view = self.view and self.view.rows(start, stop)
        weight = self.weight * (stop - start) / len(self)
        return Part(self.sketch[start:stop], self.photo[start:stop], view, weight)

    def split(self, count: int) -> Iterator["Part"]:
        """Yield `count` non-empty parts of nearly equal size, or one per pair if that is fewer."""
        count = min(count, len(self))
        edges = [round(index * len(self) / count) for index in range(count + 1)]
        for start, stop in pairwise(edges):
            yield self.rows(start, stop)


class Sums:
    """Values summed over the parts of a batch."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}

    def add(self, share: float, **values: Tensor) -> None:
        """Add the values of a part that makes up the fraction `share` of the batch."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + share * value.detach().float()

    def result(self, *, is_skipped: bool) -> Figures:
        """Return the values of the batch."""
        numbers = torch.stack(list(self.values.values())).tolist()  # waits for the device once
        parts = dict(zip(self.values, numbers, strict=True))
        return Figures(parts.pop("loss"), parts, is_skipped)


class Trainer:
    """Everything that changes while a model is trained.

    `image_size` is the height and width; `perceptual` is needed only if the settings give it a
    weight. `compiles` is False once compiling the networks has failed, which is reported.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        image_size: tuple[int, int],
        domains: Domains = SKETCH_TO_PHOTO,
        device: Device,
        ranks: Ranks = ALONE,
        perceptual: PerceptualLoss | None = None,
        report: Reporter = SILENT,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.ranks, self.perceptual = config, device, ranks, perceptual
        self.report, self.compiles = report, config.run.compile
        self._weights = _weights(config)
        generator = ranks.share_batch_norms(build_generator(config.model, domains))
        discriminator = ranks.share_batch_norms(
            build_discriminator(config.model, image_size, domains),
            has_penalty=config.loss.r1_weight > 0,
        )
        generator, discriminator = device.place(generator), device.place(discriminator)
        if config.init_from:
            networks.start_from(config.init_from, domains, generator, discriminator)
        networks.freeze(generator, config.freeze)
        self.generator, self.discriminator = generator, discriminator
        self.combined = CombinedModel(generator, discriminator).train()
        self.average = WeightAverage(generator, config.ema_half_life)
        self._networks = {
            "generator": generator,
            "discriminator": discriminator,
            "average": self.average.network,
        }
        self.generator_optimizer = build_optimizer(
            config.optimizer, generator, weight_decay=config.optimizer.weight_decay
        )
        self.discriminator_optimizer = build_optimizer(config.optimizer, discriminator)
        self._optimizers = {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        self.scaler = device.scaler()
        if config.run.checkpointing:
            networks.recompute_activations(generator)
        # The steps call these wrappers, through which the processes share gradients.
        self._draw: Callable[..., Tensor] = ranks.wrap(generator)
        self._tell: Judge = ranks.wrap(discriminator)
        self._tell_twice: Judge = self._tell  # not compiled: the penalty derives it twice
        self._awaits_compiler = self.compiles

    def step(self, parts: Sequence[Part], number: int) -> tuple[Figures, Figures]:
        """Train the discriminator, then the generator; return the values of both steps.

        A batch in several parts takes less memory but more time, because the photos are generated
        twice. The number of the step decides whether the gradient penalty applies.
        """
        if self._awaits_compiler:
            self._compile(parts, number)
        return self._step(parts, number)

    def _step(self, parts: Sequence[Part], number: int) -> tuple[Figures, Figures]:
        if len(parts) == 1:
            drawn = [self.generate(parts[0].sketch, parts[0].photo)]
        else:
            with torch.no_grad():
                drawn = [self.generate(part.sketch, part.photo) for part in parts]
        judged = Figures(0.0)
        if self.config.loss.adversarial_weight or self.config.loss.feature_matching_weight:
            judged = self.discriminator_step(parts, drawn, number)
        return judged, self.generator_step(parts, drawn if len(parts) == 1 else None)

    def generate(self, sketch: Tensor, photo: Tensor) -> Tensor:
        """Generate photos `(B, C, H, W)` in [-1, 1] from sketches, in the real photos' size."""
        with self.device.autocast():
            fake = self._draw(sketch)
        if fake.shape[-2:] != photo.shape[-2:]:
            fake = functional.interpolate(fake, photo.shape[-2:], mode="bilinear", antialias=True)
        return fake

    def discriminator_step(
        self, parts: Sequence[Part], drawn: Sequence[Tensor], number: int
    ) -> Figures:
        """Train the discriminator to distinguish real from generated photos."""
        loss, figures = self.config.loss, Sums()
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        for index, (part, fake) in enumerate(zip(parts, drawn, strict=True)):
            share = self.ranks.count * part.weight  # gradients are averaged over all processes
            with _sharing(self._tell, is_last=index == len(parts) - 1):
                of_real, of_fake = self._judge_both(part, fake.detach())
                total = discriminator_loss(loss.adversarial, of_real, of_fake)
                figures.add(
                    share,
                    loss=total,
                    real_accuracy=(of_real > 0).float().mean(),
                    fake_accuracy=(of_fake < 0).float().mean(),
                    real_sign=of_real.float().sign().mean(),
                )
                if loss.r1_weight and number % loss.r1_every == 0:
                    photo = part.photo.detach().requires_grad_()
                    penalty = r1_penalty(self._tell_twice(*part.seen(photo)).logits, photo)
                    figures.add(share, r1=penalty)
                    total = total + loss.r1_every * loss.r1_weight * penalty
                self.scaler.scale(share * total).backward()  # type: ignore[no-untyped-call]
        is_learnt = self._update(self.discriminator_optimizer, self.discriminator, figures)
        return figures.result(is_skipped=not is_learnt)

    def generator_step(
        self, parts: Sequence[Part], drawn: Sequence[Tensor] | None = None
    ) -> Figures:
        """Train the generator to minimise its weighted losses.

        `drawn` are generated photos that gradients can flow through; None: generate them now.
        """
        figures = Sums()
        self.generator_optimizer.zero_grad(set_to_none=True)
        for index, part in enumerate(parts):
            share = self.ranks.count * part.weight  # gradients are averaged over all processes
            with _sharing(self._draw, is_last=index == len(parts) - 1):
                fake = drawn[index] if drawn else self.generate(part.sketch, part.photo)
                losses = self.generator_losses(part, fake)
                total = torch.stack([self._weights[n] * v for n, v in losses.items()]).sum()
                figures.add(share, loss=total, **losses)
                self.scaler.scale(share * total).backward()  # type: ignore[no-untyped-call]
        is_learnt = self._update(self.generator_optimizer, self.generator, figures)
        self.scaler.update()
        return figures.result(is_skipped=not is_learnt)

    def generator_losses(self, part: Part, fake: Tensor) -> dict[str, Tensor]:
        """Return the generator's unweighted losses, without those whose weight is zero."""
        kinds, weights, real = self.config.loss, self._weights, part.photo
        losses: dict[str, Tensor] = {}
        if "adversarial" in weights or "feature_matching" in weights:
            judged = expected = self._judge(self.combined.judge, part, fake)
            if "feature_matching" in weights or kinds.adversarial == "relativistic":
                with torch.no_grad():  # only these losses use the output for real photos
                    expected = self._judge(self.combined.judge, part, real)
            if "adversarial" in weights:
                losses["adversarial"] = generator_loss(
                    kinds.adversarial, judged.logits, expected.logits
                )
            if "feature_matching" in weights:
                losses["feature_matching"] = feature_matching_loss(
                    judged.features, expected.features
                )
        if "reconstruction" in weights:
            losses["reconstruction"] = reconstruction_loss(kinds.reconstruction, fake, real)
        if "structure" in weights:
            losses["structure"] = structure_loss(fake, real)
        if "gradient" in weights:
            losses["gradient"] = gradient_loss(fake, real)
        if self.perceptual is not None:
            losses["perceptual"] = self.perceptual(fake, real)
        return losses

    def set_rates(
        self, done: float, *, epochs: int, scale: float = 1.0, discriminator: float = 1.0
    ) -> None:
        """Set both learning rates for the epochs done so far, a fraction of the current included.

        `scale` is a factor of both learning rates, `discriminator` one of its learning rate alone.
        """
        optimizer = self.config.optimizer
        rate = scale * optimizer.lr * rate_factor(optimizer, epoch=done, epochs=epochs)
        for group in self.generator_optimizer.param_groups:
            group["lr"] = rate
        for group in self.discriminator_optimizer.param_groups:
            group["lr"] = rate * optimizer.discriminator_lr_factor * discriminator

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that is needed to resume."""
        tensors: dict[str, Tensor] = {}
        for name, network in self._networks.items():
            tensors |= checkpoint.with_prefix(name, network.state_dict())
        for name, optimizer in self._optimizers.items():
            tensors |= checkpoint.with_prefix(name, checkpoint.optimizer_tensors(optimizer))
        if self.scaler.is_enabled():
            scaler = self.scaler.state_dict()
            for name, key in SCALER.items():
                tensors[f"scaler.{name}"] = torch.tensor(float(scaler[key]), dtype=torch.float64)
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` returned.

        Raises:
            RuntimeError, ValueError, LookupError: If a tensor does not fit or is missing.
        """
        for name, network in self._networks.items():
            network.load_state_dict(checkpoint.without_prefix(name, tensors))
        for name, optimizer in self._optimizers.items():
            moments = checkpoint.without_prefix(name, tensors)
            checkpoint.restore_optimizer(optimizer, moments)
        if self.scaler.is_enabled() and "scaler.scale" in tensors:
            found = {key: tensors[f"scaler.{name}"].item() for name, key in SCALER.items()}
            found["_growth_tracker"] = int(found["_growth_tracker"])
            self.scaler.load_state_dict(self.scaler.state_dict() | found)

    def _judge(self, judge: Judge, part: Part, photo: Tensor) -> DiscriminatorOutput:
        with self.device.autocast():
            return judge(*part.seen(photo))

    def _judge_both(self, part: Part, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the discriminator's logits of the real and of the generated photos."""
        if not self.config.loss.joint_batch:
            of_real = self._judge(self._tell, part, part.photo)
            return of_real.logits, self._judge(self._tell, part, fake).logits
        pairs = zip(part.seen(part.photo), part.seen(fake), strict=True)
        sketches, both = (torch.cat(halves) for halves in pairs)
        with self.device.autocast():
            real, generated = self._tell(sketches, both).logits.chunk(2)
        return real, generated

    def _compile(self, parts: Sequence[Part], number: int) -> None:
        """Compile both networks, unless a first step with them fails; undo that step.

        Much of what torch.compile cannot do shows only in the first backward pass. In the trial no
        gradients are exchanged between processes, which then decide together.
        """
        self._awaits_compiler = False
        before = {name: tensor.to("cpu", copy=True) for name, tensor in self.state().items()}
        eager, ranks = (self._draw, self._tell), self.ranks
        self._draw, self._tell = torch.compile(self.generator), torch.compile(self.discriminator)
        self._tell_twice, self.ranks = self.discriminator, ALONE
        gpus, failure = [self.device.torch] if self.device.torch.type == "cuda" else [], ""
        with torch.random.fork_rng(gpus):
            try:
                self._step(parts, number)
            except Exception as error:  # the compiler and its back ends raise errors of any kind
                if isinstance(error, SketchError) or is_out_of_memory(error):
                    raise
                failure = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        (self._draw, self._tell), self._tell_twice, self.ranks = eager, eager[1], ranks
        self.scaler = self.device.scaler()  # a failed step leaves it in the middle of one
        self.restore(before)
        self.compiles = ranks.all(not failure)
        if self.compiles:
            self._draw, self._tell = torch.compile(self._draw), torch.compile(self._tell)
        else:
            reason = failure or "it failed in another process"
            self.report(Note(f"training without torch.compile: {reason}", is_warning=True))

    def _update(self, optimizer: torch.optim.Optimizer, network: nn.Module, figures: Sums) -> bool:
        """Take an optimiser's step if loss and gradient are finite, in every process.

        In fp16 the loss is scaled up so that small gradients do not vanish (Micikevicius et al.
        2018, section 3.2). If the scale was too high, the gradient overflows, the step is skipped
        and the scale halved. That is how the scale is found, and nothing is wrong with the run.

        The gradients' norm is added to `figures`, which hold the loss. The result is False if the
        step was skipped for another reason than the scale.
        """
        scaler, ranks = self.scaler, self.ranks
        scaler.unscale_(optimizer)
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        figures.add(1.0, gradient_norm=norm)
        finite = torch.isfinite(torch.stack([norm, figures.values["loss"].to(norm.device)]))
        has_gradient, has_loss = finite.tolist()  # waits for the device once
        if ranks.all(has_gradient and has_loss):
            scaler.step(optimizer)
            return True
        is_scaled = scaler.is_enabled() and scaler.get_scale() > SMALLEST_SCALE
        return ranks.all(has_loss) and is_scaled


def _sharing(network: Callable[..., object], *, is_last: bool) -> AbstractContextManager[object]:
    """Let the processes exchange a network's gradients once per step, after its last part."""
    keeping = getattr(network, "no_sync", nullcontext)
    return nullcontext() if is_last else keeping()


def _weights(config: TrainConfig) -> dict[str, float]:
    """Return the weights of the generator's losses that are not zero."""
    found = {
        name.removesuffix("_weight"): float(value)
        for name, value in vars(config.loss).items()
        if name.endswith("_weight") and value and name != "r1_weight"  # of the discriminator
    }
    if not found:
        raise UsageError(
            "all losses of the generator have weight 0, so there is nothing to train",
            hint="set the weight of a loss, for example: --set loss.reconstruction_weight=60",
        )
    return found
