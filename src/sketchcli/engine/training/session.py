"""The state of a run during one call of `train`: networks, data, progress, log, augmentation."""

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
from sketchcli.engine.reporting import run_report, sample_sheets
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
FINISH_SECONDS = 5.0  # time for the last checkpoint and the report, without its two validations


class Session:
    """The objects and the progress of one call of `train`.

    `ends_at` is the time limit in seconds of the monotonic clock; None: there is no limit.
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
                f"a batch of {self.batch_size} pairs is too small for {ranks.count} processes",
                hint=f"use a --batch-size of at least {ranks.count}, or start fewer processes",
            )
        self.perceptual = networks.perceptual_loss(config, dataset.description.size, device)
        self.trainer = self.new_trainer()
        trained_on = photo_hashes(self.training.photos[row] for row in self.pairs.trained)
        self.checkpointer = Checkpointer(
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
        self.watch = RunLogger(run, ranks, reporter, validator, self.checkpointer)
        self.progress = Progress(config.epochs)
        self.strength = AdaptiveStrength(config.augmentation)
        self.saved_at = time.monotonic()
        self.ends_at, self.step_seconds, self.measurement_seconds = ends_at, 0.0, 0.0

    def new_trainer(self, ranks: Ranks | None = None) -> Trainer:
        """Return a trainer before its first step, for all processes by default."""
        config = self.config
        if self.run.states:  # the initial weights are not needed and may have been deleted
            config = dataclasses.replace(config, init_from="")
        return Trainer(
            config,
            image_size=self.dataset.description.size,
            device=self.device,
            ranks=ranks or self.ranks,
            perceptual=self.perceptual,
        )

    def release(self) -> None:
        """Release the memory of networks and optimisers, after which no training is possible."""
        self.__dict__.pop("trainer", None)

    @property
    def epochs_done(self) -> int:
        """Completed epochs."""
        return self.progress.step // self.batches

    @property
    def has_waited_enough(self) -> bool:
        """Whether the validation score has not improved for as long as the patience allows."""
        patience = self.config.validation.patience
        return bool(patience) and self.progress.waited >= patience

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.epochs_done >= self.progress.epochs or self.has_waited_enough

    def costs(self) -> Costs:
        """Return the durations of the parts of the run as measured so far."""
        return Costs(
            self.step_seconds,
            self.batches,
            self.measurement_seconds,
            self.config.validation.every,
            FINISH_SECONDS + 2 * self.measurement_seconds,
        )

    def measure(self) -> Validation:
        """Validate and record how long that takes."""
        started = time.monotonic()
        found = self.watch.validator.measure(
            self.trainer.average.network, self.trainer.discriminator
        )
        self.measurement_seconds = time.monotonic() - started
        return found

    def begin(self) -> None:
        """Resume the run if its folder holds a training state; prepare the folder for the rest."""
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
                "the relativistic loss compares photos only within each process",
                is_warning=True,
            )
        if self.run.states:
            self.restore()
            if self.epochs_done > self.config.epochs:
                raise CheckpointError(
                    f"{self.run.folder}: the run was already trained for {self.epochs_done} epochs",
                    hint="set --epochs to at least that number, or choose another --run-dir",
                )
            self.watch.note(f"resuming after epoch {self.epochs_done}/{self.progress.epochs}")
        if not self.ranks.is_same(self.progress.step):
            raise CheckpointError(
                f"{self.run.folder}: the processes find different training states",
                hint="choose a --run-dir on a disk that all machines share",
            )
        if not self.ranks.is_first:
            return
        with files.writing(self.run.folder):
            self.run.samples.mkdir(parents=True, exist_ok=True)
            self.run.clear_parts()
            if self.epochs_done < self.progress.epochs:
                self.run.result.unlink(missing_ok=True)  # its presence marks a finished run
        # The log comes first because a folder with a log counts as a run.
        self.watch.lines[:] = self.run.cut_log(self.progress.images_seen)
        files.write_text(self.run.config, settings.to_toml(self.config))

    def restore(self) -> None:
        """Restore the last good training state."""
        self.progress = self.checkpointer.restore(self.trainer, self.watch.report)
        self.progress.epochs = self.config.epochs
        self.strength.restore(self.progress.strength)

    def plan(self, epochs: int) -> None:
        """Set the epochs of the whole run, for this call and for every later one that resumes."""
        if epochs == self.config.epochs:
            return
        self.config = dataclasses.replace(self.config, epochs=epochs)
        self.progress.epochs = epochs
        if self.ranks.is_first:
            files.write_text(self.run.config, settings.to_toml(self.config))

    def roll_back(self) -> None:
        """Return to the last good training state with half the learning rate, at most 3 times."""
        tried = self.progress
        if tried.rollbacks >= ROLLBACKS_AT_MOST:
            raise TrainingError(
                f"losses are still NaN or infinite in epoch {self.epochs_done + 1}, even at "
                f"1/{2**tried.rollbacks} of the learning rate; the last good training state was "
                "kept",
                hint="use a lower --lr, or check the dataset for unusual images",
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
            self.watch.lines[:] = self.run.cut_log(self.progress.images_seen)
        self.watch.note(
            "too many consecutive steps had NaN or infinite values; returning to epoch "
            f"{self.epochs_done + 1} with half the learning rate",
            is_warning=True,
        )

    def save(self, *, is_end: bool = False) -> None:
        """Save a checkpoint; directly after a skipped step, only if the run ends."""
        if self.ranks.is_first and (is_end or not self.progress.skipped_in_a_row):
            self.checkpointer.save(self.trainer, self.progress)
            run_report.write_curves(self.run.curves, self.watch.lines)
        self.saved_at = time.monotonic()

    def stop(self, epoch: int) -> None:
        """Save a checkpoint and raise InterruptedRunError with instructions to resume."""
        self.save()
        self.ranks.wait()  # if one process ended early, torchrun would stop the writing process
        raise InterruptedRunError(
            f"stopped in epoch {epoch + 1}/{self.progress.epochs}; everything is saved",
            hint=f"to resume, run: {self.command_to_go_on()}, or the same command again with "
            f"--run-dir {shlex.quote(str(self.run.folder))}",
        )

    def command_to_go_on(self) -> str:
        """Return the command that resumes this run."""
        folder, run = self.dataset.folder, self.run.folder
        # A dataset in the data folder need not be named: it is recognised by its pairs.
        is_at_home = paths.is_in_room(paths.prepared_home(), folder)
        named = [] if is_at_home else [str(folder)]
        name = paths.named(paths.runs_home(), run)
        return shlex.join(["sketch2img", "train", *named, "--resume", name])


# A run writes its log, reports to the user, and records its validations and diagnoses.


@dataclasses.dataclass(frozen=True)
class RunLogger:
    """Logs, reports and validates a run, in the main process only.

    The log file is for people and for resuming. What the run itself looks up is in `lines`, which
    leaves out single batches: neither a validation nor a save takes longer as the run grows.
    """

    run: Run
    ranks: Ranks
    report: Reporter
    validator: Validator
    checkpointer: Checkpointer
    lines: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def note(self, message: str, *, is_warning: bool = False) -> None:
        """Report a sentence."""
        self.ranks.first_report(self.report)(Note(message, is_warning))

    def tell(self, progress: Progress, kind: str, event: Event) -> None:
        """Log and report an event."""
        if self.ranks.is_first:
            values = finite(dataclasses.asdict(event))
            line = {"kind": kind, "images_seen": progress.images_seen, **values}
            self.run.append_log(line)
            if kind != "batch":
                self.lines.append(line)
            self.report(event)

    def take_in(self, epoch: int, found: Validation, trainer: Trainer, progress: Progress) -> None:
        """Record a validation, save the best weights and act on the training doctor's findings."""
        sample = self.run.samples / f"epoch-{epoch + 1:04d}.png"
        sample_sheets.write_samples(sample, self.validator.pairs, found.generated)
        is_best = self.count(epoch, found, progress)
        if is_best:
            self.checkpointer.save_best(trainer, progress)
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
        for finding in diagnosis.diagnose(self.lines):
            self.treat(epoch, finding, progress)

    def count(self, epoch: int, found: Validation, progress: Progress) -> bool:
        """Add a validation to the run's progress; return whether it is the best so far.

        A validation on training pairs says nothing about quality and is never the best.
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
        """Report a finding; unless the settings forbid it, apply its treatment."""
        acts = self.checkpointer.config.validation.doctor == "act"
        treatment = finding.treatment if acts else ""
        if treatment == diagnosis.WEAKEN_DISCRIMINATOR:
            progress.discriminator_scale /= 2
        elif treatment == diagnosis.LOWER_RATE:
            progress.rate_scale /= 2
        message = finding.message + finding.done if treatment else finding.message
        self.tell(progress, "finding", Found(epoch + 1, finding.name, message, treatment))


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Replace every NaN or infinite number, which JSON cannot express, by None.

    >>> finite({"loss": float("nan"), "parts": [1.0, float("inf")]})
    {'loss': None, 'parts': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# The discriminator's inputs are augmented as strongly as it overfits (adaptive discriminator
# augmentation, ADA; Karras et al. 2020, "Training generative adversarial networks with limited
# data", section 3): if it classifies more than a target fraction of the real photos as real, it has
# begun to memorise them, and they are augmented more often.

BATCHES = 4  # batches between two adjustments


class AdaptiveStrength:
    """The probability of each augmentation of the discriminator's inputs; 1 if not adaptive."""

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config
        self.value = 0.0 if config.adaptive else 1.0
        self.signs, self.images, self.batches = 0.0, 0, 0

    def update(self, real_sign: float, images: int) -> None:
        """Add a batch of `images` photos; adjust the probability after every fourth batch.

        `real_sign` is the mean sign of the discriminator's logits of real photos, in [-1, 1].
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
        """Return all that `restore` needs."""
        return {
            "value": self.value,
            "signs": self.signs,
            "images": self.images,
            "batches": self.batches,
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Restore what `state` returned; keep the initial values if it is empty."""
        if state and self.config.adaptive:
            self.value, self.signs = state["value"], state["signs"]
            self.images, self.batches = int(state["images"]), int(state["batches"])
