"""One call of `train`: what is trained, where it stands, where it is written."""

import dataclasses
import math
import shlex
import time
from collections.abc import Mapping
from typing import Any

from sketchcli import config as settings
from sketchcli import files, paths
from sketchcli.config import AugmentationConfig, TrainConfig
from sketchcli.data import splits
from sketchcli.data.appearance import look, spread
from sketchcli.data.batches import batches_per_epoch
from sketchcli.data.prepared import PreparedSet, hold_out, photo_hashes
from sketchcli.device import Device, check_device
from sketchcli.engine.events import Event, Found, Note, Reporter, Validated
from sketchcli.engine.reporting import sample_sheets
from sketchcli.engine.runs import Run
from sketchcli.engine.training import diagnosis, networks
from sketchcli.engine.training.budget import Costs
from sketchcli.engine.training.checkpointing import Checkpointer, Progress, hashes_learnt_before
from sketchcli.engine.training.distributed import Ranks
from sketchcli.engine.training.trainer import Trainer
from sketchcli.engine.training.validation import Validation, Validator
from sketchcli.errors import CheckpointError, InterruptedRunError, TrainingError, UsageError
from sketchcli.models.building import count_parameters

ROLLBACKS_AT_MOST = 3
FINISH_SECONDS = 5.0  # for the last state and the report, beside two measurements


class Session:
    """One call of `train`: what is trained, where it stands, where it is written.

    Args:
        config: All settings.
        dataset: The prepared pairs.
        run: The folder.
        device: Where to compute, and with which numbers.
        ranks: The processes that train together; the first one writes and reports.
        reporter: Told of everything.
        ends_at: When it must have ended, by the monotonic clock; None: whenever it does.

    Raises:
        UsageError: The settings do not fit the set, the networks, or the number of processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: PreparedSet,
        *,
        run: Run,
        device: Device,
        ranks: Ranks,
        reporter: Reporter,
        ends_at: float | None = None,
    ) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        self.device, self.ranks = device, ranks
        self.training = dataset.split(splits.TRAIN)
        self.pairs = hold_out(dataset, config.data.validation_pairs, seed=config.seed)
        self.batch_size = min(config.data.batch_size, len(self.pairs.trained))
        self.batches = batches_per_epoch(len(self.pairs.trained), self.batch_size)
        if self.batch_size < ranks.count:
            raise UsageError(
                f"a step of {self.batch_size} pairs cannot be shared by {ranks.count} processes",
                hint=f"choose a --batch-size of {ranks.count} or more, or fewer processes",
            )
        self.perceptual = networks.perceptual_loss(config, dataset.description.size, device)
        self.trainer = self.new_trainer()
        trained_on = photo_hashes(self.training.photos[row] for row in self.pairs.trained)
        self.keeper = Checkpointer(
            run,
            config,
            dataset.description,
            trained_on=trained_on,
            batches=self.batches,
            precision=device.precision,
            looks=look(self.training.sketches[row] for row in spread(self.pairs.trained)),
            learnt_before=hashes_learnt_before(run, trained_on)
            if run.states
            else networks.learnt_from(config.init_from),
        )
        few = self.pairs.trained[: len(self.pairs.looked_at)]
        validator = Validator(config, self.pairs, self.training.take(few), device)
        self.watch = RunLogger(run, ranks, reporter, validator, self.keeper)
        self.progress = Progress(config.epochs)
        self.strength = AdaptiveStrength(config.augmentation)
        self.saved_at = time.monotonic()
        self.ends_at, self.step_seconds, self.measurement_seconds = ends_at, 0.0, 0.0

    def new_trainer(self, ranks: Ranks | None = None) -> Trainer:
        """Networks and optimisers as they are before the first step; by default, of all ranks."""
        config = self.config
        if self.run.states:  # which hold what was learnt: other weights may have gone meanwhile
            config = dataclasses.replace(config, init_from="")
        return Trainer(
            config,
            image_size=self.dataset.description.size,
            device=self.device,
            ranks=ranks or self.ranks,
            perceptual=self.perceptual,
        )

    def release(self) -> None:
        """Let networks and optimisers go, and their memory: nothing more can be trained."""
        self.__dict__.pop("trainer", None)

    @property
    def epochs_done(self) -> int:
        """Whole epochs trained so far."""
        return self.progress.step // self.batches

    @property
    def has_waited_enough(self) -> bool:
        """Whether the score has not got better for as long as the settings allow."""
        patience = self.config.validation.patience
        return bool(patience) and self.progress.waited >= patience

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.epochs_done >= self.progress.epochs or self.has_waited_enough

    def costs(self) -> Costs:
        """What the parts of the rest of the run take."""
        return Costs(
            self.step_seconds,
            self.batches,
            self.measurement_seconds,
            self.config.validation.every,
            FINISH_SECONDS + 2 * self.measurement_seconds,
        )

    def measure(self) -> Validation:
        """Measure on the looked-at pairs, and remember how long that takes."""
        started = time.monotonic()
        found = self.watch.validator.measure(
            self.trainer.average.network, self.trainer.discriminator
        )
        self.measurement_seconds = time.monotonic() - started
        return found

    def begin(self) -> None:
        """Go on where the run folder holds a state; otherwise write down the settings.

        Raises:
            CheckpointError: The state cannot be used, or not every process finds the same one.
            DeviceError: The device draws another photo than the CPU does.
        """
        check_device(self.trainer.average.network, self.device, self.dataset.description.size)
        model = self.config.model
        self.watch.note(
            f"generator {model.generator} ({count_parameters(self.trainer.generator):,} "
            f"parameters), discriminator {model.discriminator} "
            f"({count_parameters(self.trainer.discriminator):,}); "
            f"{self.ranks.describe()}{self.device.describe()}"
        )
        if self.ranks.count > 1 and self.config.loss.adversarial == "relativistic":
            self.watch.note(
                "the relativistic loss compares photos with those of their own process alone",
                is_warning=True,
            )
        if self.run.states:
            self.restore()
            if self.epochs_done > self.config.epochs:
                raise CheckpointError(
                    f"{self.run.folder}: already trained for {self.epochs_done} epochs",
                    hint="ask for as many or more, or choose another --run-dir",
                )
            self.watch.note(f"going on after epoch {self.epochs_done} of {self.progress.epochs}")
        if not self.ranks.is_same(self.progress.step):
            raise CheckpointError(
                f"{self.run.folder}: not every process finds the same state in it",
                hint="choose a --run-dir on a disk that all machines share",
            )
        if not self.ranks.is_first:
            return
        with files.writing(self.run.folder):
            self.run.samples.mkdir(parents=True, exist_ok=True)
            self.run.clear_parts()
            if self.epochs_done < self.progress.epochs:
                self.run.result.unlink(missing_ok=True)  # not finished while it goes on
        self.run.cut_log(self.progress.images_seen)  # first: a folder with a log is a run's
        files.write_text(self.run.config, settings.to_toml(self.config))

    def restore(self) -> None:
        """Put the last good state back."""
        self.progress = self.keeper.restore(self.trainer, self.watch.report)
        self.progress.epochs = self.config.epochs
        self.strength.restore(self.progress.strength)

    def plan(self, epochs: int) -> None:
        """Train so many epochs in all: now, and in every later call that goes on with the run."""
        if epochs == self.config.epochs:
            return
        self.config = dataclasses.replace(self.config, epochs=epochs)
        self.progress.epochs = epochs
        if self.ranks.is_first:
            files.write_text(self.run.config, settings.to_toml(self.config))

    def roll_back(self) -> None:
        """Go back to the last good state, with half the learning rate.

        Raises:
            TrainingError: That has not helped.
        """
        tried = self.progress
        if tried.rollbacks >= ROLLBACKS_AT_MOST:
            raise TrainingError(
                f"the losses of epoch {self.epochs_done + 1} are not finite, at a "
                f"{2**tried.rollbacks}th of the learning rate either; the last good state is kept",
                hint="choose a lower --lr, or look for odd pictures in the set",
            )
        self.trainer = self.new_trainer()
        if self.run.states:
            self.restore()
        else:
            self.progress = Progress(tried.epochs)
            self.strength = AdaptiveStrength(self.config.augmentation)
        self.progress.rollbacks = tried.rollbacks + 1
        self.progress.rate_scale = tried.rate_scale / 2
        self.progress.skipped = tried.skipped
        if self.ranks.is_first:
            self.run.cut_log(self.progress.images_seen)
        self.watch.note(
            "too many steps in a row were not finite: back to epoch "
            f"{self.epochs_done + 1}, with half the learning rate",
            is_warning=True,
        )

    def save(self, *, is_end: bool = False) -> None:
        """Keep everything as it is now; after a step that went wrong, only at the run's end."""
        if self.ranks.is_first and (is_end or not self.progress.skipped_in_a_row):
            self.keeper.save(self.trainer, self.progress)
            sample_sheets.write_curves(self.run.curves, self.run.read_log())
        self.saved_at = time.monotonic()

    def stop(self, epoch: int) -> None:
        """Save, and say how to go on."""
        self.save()
        self.ranks.wait()  # a process that has ended makes torchrun stop the one that writes
        raise InterruptedRunError(
            f"stopped in epoch {epoch + 1} of {self.progress.epochs}; everything is saved",
            hint=f"to go on, type: {self.command_to_go_on()}, or the same command with --run-dir "
            f"{shlex.quote(str(self.run.folder))}",
        )

    def command_to_go_on(self) -> str:
        """What a user types to go on with this run."""
        folder, run = self.dataset.folder, self.run.folder
        is_at_home = paths.is_in_room(paths.prepared_home(), folder)  # where its pairs tell it
        named = [] if is_at_home else [str(folder)]
        name = paths.named(paths.runs_home(), run)
        return shlex.join(["sketch2img", "train", *named, "--resume", name])


# What a run says of itself while it trains: the log, the listener, measurements, diagnoses.


@dataclasses.dataclass(frozen=True)
class RunLogger:
    """Logs, reports and measures a run; in the first of several processes alone."""

    run: Run
    ranks: Ranks
    report: Reporter
    validator: Validator
    keeper: Checkpointer

    def note(self, message: str, *, is_warning: bool = False) -> None:
        """Report a sentence."""
        self.ranks.first_report(self.report)(Note(message, is_warning))

    def tell(self, progress: Progress, kind: str, event: Event) -> None:
        """Log and report an event."""
        if self.ranks.is_first:
            values = finite(dataclasses.asdict(event))
            self.run.append_log(kind=kind, images_seen=progress.images_seen, **values)
            self.report(event)

    def take_in(self, epoch: int, found: Validation, trainer: Trainer, progress: Progress) -> None:
        """Write a measurement down, keep the best weights, act on what the doctor finds."""
        sample = self.run.samples / f"epoch-{epoch + 1:04d}.png"
        sample_sheets.write_samples(sample, self.validator.pairs, found.generated)
        is_best = self.count(epoch, found, progress)
        if is_best:
            self.keeper.save_best(trainer, progress)
        event = Validated(
            epoch + 1,
            progress.epochs,
            self.validator.is_held_out,
            found.scores,
            found.score,
            is_best,
            found.training_scores,
            found.colour_shift,
            found.diversity,
            found.sketch_use,
            found.real_sign_held_out,
            f"samples/{sample.name}",
        )
        self.tell(progress, "validation", event)
        for finding in diagnosis.diagnose(self.run.read_log()):
            self.treat(epoch, finding, progress)

    def count(self, epoch: int, found: Validation, progress: Progress) -> bool:
        """Take a measurement into the run's progress; return whether it is the best so far.

        One on pairs that are trained on tells nothing, and is never the best.
        """
        if not self.validator.is_held_out:
            return False
        progress.scores = found.scores
        is_best = progress.best_score is None or found.score > progress.best_score
        if is_best:
            progress.best_score, progress.best_epoch = found.score, epoch + 1
        progress.waited = 0 if is_best else progress.waited + 1
        return is_best

    def treat(self, epoch: int, finding: diagnosis.Finding, progress: Progress) -> None:
        """Report what is wrong; unless the settings forbid it, lower the learning rates."""
        acts = self.keeper.config.validation.doctor == "act"
        treatment = finding.treatment if acts else ""
        if treatment == diagnosis.WEAKEN_DISCRIMINATOR:
            progress.discriminator_scale /= 2
        elif treatment == diagnosis.LOWER_RATE:
            progress.rate_scale /= 2
        message = finding.message + finding.done if treatment else finding.message
        self.tell(progress, "finding", Found(epoch + 1, finding.name, message, treatment))


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Values with None in the place of every number that JSON has no word for.

    >>> finite({"loss": float("nan"), "parts": [1.0, float("inf")]})
    {'loss': None, 'parts': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# How strongly the discriminator's view is augmented: as strongly as it overfits.
#
# Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: where
# the discriminator calls more than a wanted share of the real photos real, it has begun to know
# them, and they are changed more often.

BATCHES = 4  # between two adjustments


class AdaptiveStrength:
    """The probability of each change of the discriminator's view; 1 where it does not adapt.

    Args:
        config: Whether it adapts, to what, and how fast.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config
        self.value = 0.0 if config.adaptive else 1.0
        self.signs, self.images, self.batches = 0.0, 0, 0

    def update(self, real_sign: float, images: int) -> None:
        """Take in a batch; adjust after every fourth.

        Args:
            real_sign: Mean sign of the discriminator's logits of real photos, in [-1, 1].
            images: Of the batch.
        """
        if not self.config.adaptive:
            return
        self.signs += real_sign
        self.images += images
        self.batches += 1
        if self.batches == BATCHES:
            is_overfitting = self.signs / BATCHES > self.config.adaptive_target
            change = self.images / self.config.adaptive_images
            moved = self.value + (change if is_overfitting else -change)
            self.value = min(1.0, max(0.0, moved))
            self.signs, self.images, self.batches = 0.0, 0, 0

    def state(self) -> dict[str, float]:
        """All that `restore` needs."""
        return {
            "value": self.value,
            "signs": self.signs,
            "images": self.images,
            "batches": self.batches,
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` took; from the beginning where it is empty."""
        if state and self.config.adaptive:
            self.value, self.signs = state["value"], state["signs"]
            self.images, self.batches = int(state["images"]), int(state["batches"])
