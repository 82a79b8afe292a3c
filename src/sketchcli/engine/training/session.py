"""The state of a run during one call of `train`: networks, data, progress, log, augmentation."""

import dataclasses
import math
import shlex
import time
from dataclasses import dataclass
from typing import Any

from sketchcli import config as settings
from sketchcli import files, images, interruption, paths
from sketchcli.config import AugmentationConfig, TrainConfig
from sketchcli.data import splits
from sketchcli.data.batches import batches_per_epoch
from sketchcli.data.prepared import PreparedSet, hold_out
from sketchcli.device import Device, check_device
from sketchcli.engine.events import SILENT, Event, Found, Note, Reporter, Validated
from sketchcli.engine.reporting import run_report
from sketchcli.engine.runs import History, Line, Run
from sketchcli.engine.training import diagnosis, networks
from sketchcli.engine.training.budget import Costs
from sketchcli.engine.training.checkpointing import (
    Checkpointer,
    Progress,
    precision_as_begun,
    settings_as_begun,
)
from sketchcli.engine.training.distributed import Ranks
from sketchcli.engine.training.trainer import Trainer
from sketchcli.engine.training.validation import Validation, Validator
from sketchcli.engine.wording import counted
from sketchcli.errors import CheckpointError, InterruptedRunError, TrainingError, UsageError
from sketchcli.models.building import count_parameters

ROLLBACKS_AT_MOST = 3
SAMPLE_ROWS = 4  # of a sample sheet: sketch, generated photo, real photo
FINISH_SECONDS = 5.0  # time for the last checkpoint and the report, without its two validations


class Session:
    """The objects and the progress of one call of `train`.

    A run is resumed in its own precision, and without the perceptual loss if it was started so.
    Only the main process writes and reports.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: PreparedSet,
        run: Run,
        device: Device,
        ranks: Ranks,
        *,
        reporter: Reporter,
    ) -> None:
        device = precision_as_begun(run, device, reporter)
        size, report = dataset.description.size, reporter if ranks.is_first else SILENT
        photos = dataset.description.domains.target.many
        begun = settings_as_begun(run, config)
        config = begun or networks.what_can_be_had(config, size, report, photos=photos)
        self.config, self.dataset, self.run = config, dataset, run
        self.domains = dataset.description.domains
        self.device, self.ranks, self.report = device, ranks, report
        self.training = dataset.split(splits.TRAIN)
        self.pairs = hold_out(dataset, config.data.validation_pairs, seed=config.seed)
        self.batch_size = min(config.data.batch_size, len(self.pairs.trained))
        self.batches = batches_per_epoch(len(self.pairs.trained), self.batch_size)
        if self.batch_size < ranks.count:
            raise UsageError(
                f"a batch of {self.batch_size} pairs is too small for {ranks.count} processes",
                hint=f"use a --batch-size of at least {ranks.count}, or start fewer processes",
            )
        self.perceptual = networks.perceptual_loss(config, size, device)
        self.trainer = self._new_trainer(compiles=config.run.compile)
        self.checkpointer = Checkpointer(run, config, dataset, self.pairs, device.precision)
        few = self.pairs.trained[: len(self.pairs.looked_at)]
        self.validator = Validator(config, self.pairs, self.training.take(few), device)
        self.history, self.doctor = History(), diagnosis.Doctor(self.domains)
        self.progress = Progress(config.epochs)
        self.strength = AdaptiveStrength(config.augmentation)
        self.saved_at = time.monotonic()
        self.ends_at: float | None = None  # time limit on the monotonic clock
        self.step_seconds = self.validation_seconds = 0.0

    def _new_trainer(self, *, compiles: bool) -> Trainer:
        config = settings.merge(self.config, {"run": {"compile": compiles}})
        if self.run.states:  # the initial weights are not needed and may have been deleted
            config = dataclasses.replace(config, init_from="")
        return Trainer(
            config,
            image_size=self.dataset.description.size,
            domains=self.domains,
            device=self.device,
            ranks=self.ranks,
            perceptual=self.perceptual,
            report=self.report,
        )

    def renew_trainer(self) -> None:
        """Replace the trainer by one before its first step."""
        compiles = self.trainer.compiles
        del self.trainer  # a GPU need not hold both
        self.trainer = self._new_trainer(compiles=compiles)

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
            self.validation_seconds,
            self.config.validation.every,
            FINISH_SECONDS + 2 * self.validation_seconds,
        )

    def plan(self, epochs: int) -> None:
        """Set the epochs of the whole run, for this call and for every later one that resumes."""
        self.config = dataclasses.replace(self.config, epochs=epochs)
        self.progress.epochs = epochs

    def begin(self) -> None:
        """Resume the run if its folder holds a training state; prepare the folder for the rest."""
        size, inputs = self.dataset.description.size, self.domains.input.channels
        check_device(self.trainer.average.network, self.device, size, channels=inputs)
        model, count = self.config.model, self.ranks.count
        processes = f"{count} processes, each " if count > 1 else ""
        self.note(
            f"generator {model.generator} ({count_parameters(self.trainer.generator):,} "
            f"parameters), discriminator {model.discriminator} "
            f"({count_parameters(self.trainer.discriminator):,}); "
            f"{processes}{self.device.describe()}"
        )
        if count > 1 and self.config.loss.adversarial == "relativistic":
            photos = self.domains.target.many
            message = f"the relativistic loss compares {photos} only within each process"
            self.note(message, is_warning=True)
        if self.run.states:
            self.restore()
            if self.epochs_done > self.config.epochs:
                raise CheckpointError(
                    f"{self.run.folder}: the run was already trained for {self.epochs_done} epochs",
                    hint="set --epochs to at least that number, or choose another --run-dir",
                )
            self.note(f"resuming after epoch {self.epochs_done}/{self.progress.epochs}")
        step = self.progress.step
        if not self.ranks.all(self.ranks.as_first({"step": step})["step"] == step):
            raise CheckpointError(
                f"{self.run.folder}: the processes find different training states",
                hint="choose a --run-dir on a disk that all machines share",
            )
        if not self.ranks.is_first:
            return
        with files.writing(self.run.folder):
            self.run.samples.mkdir(parents=True, exist_ok=True)
            if self.epochs_done < self.progress.epochs:
                self.run.result.unlink(missing_ok=True)  # its presence marks a finished run
        # The log comes first because a folder with a log counts as a run.
        self.read_log()
        self.write_config()

    def read_log(self) -> None:
        """Drop what was logged after the training state, and look through the rest once."""
        self.history, self.doctor = History(), diagnosis.Doctor(self.domains)

        def take(line: Line) -> None:
            self.history.add(line)
            self.doctor.read(line)

        if count := self.run.cut_log(self.progress.images_seen, take):
            lines = counted(count, "damaged line")
            self.note(f"{self.run.log}: skipped {lines}; the run is unaffected", is_warning=True)

    def restore(self) -> None:
        """Restore the last good training state."""
        self.progress = self.checkpointer.restore(self.trainer, self.report)
        self.progress.epochs = self.config.epochs
        self.strength = AdaptiveStrength(self.config.augmentation, **self.progress.strength)

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
        self.renew_trainer()
        if self.run.states:
            self.restore()
        else:
            self.progress = Progress(tried.epochs)
            self.strength = AdaptiveStrength(self.config.augmentation)
        self.progress.rollbacks = tried.rollbacks + 1
        self.progress.rate_scale = tried.rate_scale / 2
        self.progress.skipped = tried.skipped
        if self.ranks.is_first:
            self.read_log()
        self.note(
            "too many consecutive steps had NaN or infinite values; returning to epoch "
            f"{self.epochs_done + 1} with half the learning rate",
            is_warning=True,
        )

    def write_config(self) -> None:
        """Write the settings, in which `--config` and resuming find the planned epochs."""
        if self.ranks.is_first:
            files.write_text(self.run.config, settings.to_toml(self.config))

    def save(self, *, is_end: bool = False) -> None:
        """Save a checkpoint; directly after a skipped step, only if the run ends."""
        if self.ranks.is_first and (is_end or not self.progress.skipped_in_a_row):
            self.checkpointer.save(self.trainer, self.progress)
            run_report.write_curves(self.run.curves, self.history.lines())
        self.saved_at = time.monotonic()

    def stop(self) -> None:
        """Raise InterruptedRunError with instructions to resume the run, which has been saved."""
        self.ranks.wait()  # if one process ended early, torchrun would stop the writing process
        folder, home = self.dataset.folder, paths.prepared_home()
        # A dataset in the data folder need not be named: it is recognised by its pairs.
        named = [] if paths.is_in_room(home, folder) else [str(folder)]
        run = paths.named(paths.runs_home(), self.run.folder)
        epoch = max(self.progress.step - 1, 0) // self.batches + 1
        raise InterruptedRunError(
            f"stopped in epoch {epoch}/{self.progress.epochs}; everything is saved",
            hint=f"to resume, run: {shlex.join(['sketch2img', 'train', *named, '--resume', run])}, "
            f"or the same command again with --run-dir {shlex.quote(str(self.run.folder))}",
        )

    def note(self, message: str, *, is_warning: bool = False) -> None:
        """Report a sentence."""
        self.report(Note(message, is_warning))

    def tell(self, kind: str, event: Event) -> tuple[diagnosis.Finding, ...]:
        """Log and report an event; return the training doctor's new findings."""
        findings: tuple[diagnosis.Finding, ...] = ()
        if self.ranks.is_first:
            values = finite(dataclasses.asdict(event))
            line = {"kind": kind, "images_seen": self.progress.images_seen, **values}
            self.run.append_log(line)
            if kind != "batch":
                self.history.add(line)
                findings = self.doctor.read(line)
            self.report(event)
        return findings

    def measure(self) -> Validation:
        """Score the model on the held-out pairs and note how long that takes."""
        started = time.monotonic()
        with interruption.breakable():
            found = self.validator.measure(self.trainer.average.network, self.trainer.discriminator)
        self.validation_seconds = time.monotonic() - started
        return found

    def validate(self, epoch: int) -> None:
        """Score the model, save the best weights and act on the training doctor's findings."""
        found, progress = self.measure(), self.progress
        sample = self.run.samples / f"epoch-{epoch + 1:04d}.png"
        pairs = self.validator.pairs
        rows = list(zip(pairs.sketches, found.generated, pairs.photos, strict=True))
        images.write(sample, images.sheet(rows[:SAMPLE_ROWS]))
        is_best = self.validator.is_held_out and progress.take_score(epoch, found)
        if is_best:
            self.checkpointer.save_best(self.trainer, progress)
        figures = {name: value for name, value in vars(found).items() if name != "generated"}
        event = Validated(
            epoch=epoch + 1,
            epochs=progress.epochs,
            is_held_out=self.validator.is_held_out,
            is_best=is_best,
            sample=f"samples/{sample.name}",
            **figures,
        )
        for finding in self.tell("validation", event):
            treatment = finding.treatment if self.config.validation.doctor == "act" else ""
            if treatment == diagnosis.WEAKEN_DISCRIMINATOR:
                progress.discriminator_scale /= 2
            elif treatment == diagnosis.LOWER_RATE:
                progress.rate_scale /= 2
            message = finding.message + diagnosis.DONE.get(treatment, "")
            self.tell("finding", Found(epoch + 1, finding.name, message, treatment))


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


@dataclass
class AdaptiveStrength:
    """The probability of each augmentation of the discriminator's inputs; 1 if not adaptive."""

    config: AugmentationConfig
    value: float = 0.0
    signs: float = 0.0  # sums since the last adjustment
    images: float = 0
    batches: float = 0

    def __post_init__(self) -> None:
        self.value = self.value if self.config.adaptive else 1.0

    def state(self) -> dict[str, float]:
        """Return the keywords that create an equal instance."""
        return {name: value for name, value in vars(self).items() if name != "config"}

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
