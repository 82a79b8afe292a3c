"""`train`: the loop, from an empty run folder, or from where the last one stopped."""

import dataclasses
import math
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from sketchcli import config as settings
from sketchcli import files
from sketchcli.config import TrainConfig
from sketchcli.data import splits
from sketchcli.data.augmentation import DiscriminatorAugmentation, augment_pairs
from sketchcli.data.batches import (
    batches_per_epoch,
    epoch_batches,
    photos_to_tensor,
    sketches_to_tensor,
)
from sketchcli.data.held_out import hold_out
from sketchcli.data.prepared import PreparedSet, Split, marks_of
from sketchcli.device import Device
from sketchcli.engine import keeping, pictures
from sketchcli.engine.events import SILENT, BatchTrained, EpochTrained, Note, Reporter
from sketchcli.engine.generating import generate_batch
from sketchcli.engine.interruption import interruption
from sketchcli.engine.keeping import Keeper, Progress
from sketchcli.engine.results import TrainResult
from sketchcli.engine.runs import Run, open_run
from sketchcli.engine.trainer import GeneratorLosses, Trainer
from sketchcli.errors import InterruptedRunError, UsageError
from sketchcli.metrics import mae
from sketchcli.models.building import count_parameters

SAVE_EVERY_SECONDS = 120.0


def train(
    config: TrainConfig,
    dataset: PreparedSet,
    *,
    run_dir: Path,
    device: Device,
    reporter: Reporter = SILENT,
) -> TrainResult:
    """Train a model, or go on with it where the run folder holds a state.

    Args:
        config: All settings.
        dataset: The prepared pairs.
        run_dir: Where everything goes; the same folder again resumes.
        device: Where to compute, and with which numbers.
        reporter: Told of every batch and epoch.

    Raises:
        CheckpointError: The folder's run has other settings or other data.
        DataError: The set has nothing to train on, or the folder cannot be written.
        InterruptedRunError: The user stopped it; the state is saved.
    """
    run = open_run(run_dir)
    session = _Session(config, dataset, run, keeping.as_begun(run, device, reporter), reporter)
    session.begin()
    with interruption() as is_interrupted:
        for epoch in range(session.epochs_done, config.epochs):
            session.train_epoch(epoch, is_interrupted)
    return session.finish()


class _Session:
    """One call of `train`: what is trained, where it stands, where it is written."""

    def __init__(
        self,
        config: TrainConfig,
        dataset: PreparedSet,
        run: Run,
        device: Device,
        reporter: Reporter,
    ) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        self.device, self.report = device, reporter
        self.training = dataset.split(splits.TRAIN)
        self.pairs = hold_out(dataset, config.data.validation_pairs, seed=config.seed)
        self.batch_size = min(config.data.batch_size, len(self.pairs.trained))
        self.batches = batches_per_epoch(len(self.pairs.trained), self.batch_size)
        self.trainer = Trainer(config, image_size=dataset.description.size, device=device)
        self.keeper = Keeper(
            run,
            config,
            dataset.description,
            trained_on=marks_of(self.training.photos[row] for row in self.pairs.trained),
            batches=self.batches,
            precision=device.precision,
        )
        self.progress = Progress()
        self.saved_at = time.monotonic()

    @property
    def epochs_done(self) -> int:
        """Whole epochs trained so far."""
        return self.progress.step // self.batches

    def begin(self) -> None:
        """Go on where the run folder holds a state; otherwise write down the settings."""
        model = self.config.model
        self.report(
            Note(
                f"generator {model.generator} ({count_parameters(self.trainer.generator):,} "
                f"parameters), discriminator {model.discriminator} "
                f"({count_parameters(self.trainer.discriminator):,}); "
                f"{self.device.name}, {self.device.precision}, {self.device.threads} threads"
            )
        )
        if self.run.state.exists():
            self.progress = self.keeper.restore(self.trainer)
            self.report(Note(f"going on after epoch {self.epochs_done} of {self.config.epochs}"))
        with files.writing(self.run.folder):
            self.run.samples.mkdir(parents=True, exist_ok=True)
            if self.epochs_done < self.config.epochs:
                self.run.result.unlink(missing_ok=True)  # not finished while it goes on
        self.run.cut_log(self.progress.images_seen)  # first: a folder with a log is a run's
        files.write_text(self.run.config, settings.to_toml(self.config))

    def train_epoch(self, epoch: int, is_interrupted: Callable[[], bool]) -> None:
        """Train what is left of an epoch; save from time to time."""
        started, seen_before = time.monotonic(), self.progress.images_seen
        batches = epoch_batches(
            self.training,
            self.pairs.trained,
            self.batch_size,
            seed=self.config.seed,
            epoch=epoch,
            start=self.progress.step % self.batches,
        )
        for batch, pairs in batches:
            before = time.monotonic()
            self.train_batch(epoch, batch, pairs)
            self.progress.seconds += time.monotonic() - before
            if batch + 1 == self.batches:
                trained = self.progress.images_seen - seen_before
                self.end_epoch(epoch, trained / (time.monotonic() - started))
            # A state is saved between two batches, never between the last one and its epoch's end.
            if is_interrupted():
                self.stop(epoch)
            if time.monotonic() - self.saved_at > SAVE_EVERY_SECONDS:
                self.save()

    def train_batch(self, epoch: int, batch: int, pairs: Split) -> None:
        """One step of both networks."""
        trainer, progress = self.trainer, self.progress
        # Everything drawn in this step depends on the seed and the step alone.
        random = _random(self.config.seed, progress.step)
        trainer.set_rates(progress.step / self.batches)

        # Take a batch of pairs, and move sketch and photo together.
        sketch = sketches_to_tensor(pairs.sketches, self.device.torch)
        real = photos_to_tensor(pairs.photos, self.device.torch)
        sketch, real = augment_pairs(sketch, real, self.config.augmentation, random)
        view = None
        if self.config.augmentation.discriminator:
            view = DiscriminatorAugmentation(real.shape, random)

        # Draw photos; teach the discriminator, then the generator.
        fake = trainer.generate(sketch, real)
        discriminator_loss = trainer.discriminator_step(sketch, real, fake, view)
        losses = trainer.generator_step(sketch, real, fake, view)

        # Let the averaged weights follow, and write down what happened.
        progress.step += 1
        progress.images_seen += len(pairs)
        trainer.average.update(
            trainer.generator, batch_size=len(pairs), images_seen=progress.images_seen
        )
        self.report_batch(epoch, batch, losses, float(discriminator_loss))

    def report_batch(
        self, epoch: int, batch: int, losses: GeneratorLosses, discriminator_loss: float
    ) -> None:
        """Tell the reporter and the log about a batch."""
        event = BatchTrained(
            epoch + 1,
            self.config.epochs,
            batch + 1,
            self.batches,
            float(losses.total.detach()),
            discriminator_loss,
            {name: float(part.detach()) for name, part in losses.parts.items()},
        )
        if not math.isfinite(event.generator_loss + event.discriminator_loss):
            raise UsageError(
                f"the losses of epoch {event.epoch}, batch {event.batch} are not finite; "
                "the last good state is kept",
                hint="choose a lower --lr",
            )
        self.progress.generator_losses.append(event.generator_loss)
        self.progress.discriminator_losses.append(event.discriminator_loss)
        self.run.append_log(
            kind="batch", images_seen=self.progress.images_seen, **dataclasses.asdict(event)
        )
        self.report(event)

    def end_epoch(self, epoch: int, images_per_second: float) -> None:
        """Look at the held-out pairs now and then; tell the reporter and the log."""
        progress, epochs = self.progress, self.config.epochs
        is_sampled = (epoch + 1) % self.config.sample_every == 0 or epoch + 1 == epochs
        if is_sampled:
            progress.validation_mae = self.sample(f"epoch-{epoch + 1:04d}.png")
        event = EpochTrained(
            epoch + 1,
            epochs,
            self.batches,
            fmean(progress.generator_losses),
            fmean(progress.discriminator_losses),
            images_per_second,
            progress.seconds / progress.step * (epochs - epoch - 1) * self.batches,
            progress.validation_mae if is_sampled else None,
        )
        self.run.append_log(
            kind="epoch", images_seen=progress.images_seen, **dataclasses.asdict(event)
        )
        progress.generator_losses, progress.discriminator_losses = [], []
        self.report(event)

    def sample(self, name: str) -> float | None:
        """Draw pairs with the averaged weights; return their mean absolute error.

        None where no pair is held out: an error on pairs that are trained on tells nothing.
        """
        few = self.pairs.looked_at
        generated = generate_batch(self.trainer.average.network, few.sketches, self.device)
        pictures.write_samples(self.run.samples / name, few, generated)
        pictures.write_curves(self.run.curves, self.run.read_log())
        error = float(mae.score(generated, few.photos).mean())
        return error if self.pairs.is_held_out else None

    def save(self) -> None:
        """Keep everything as it is now."""
        self.keeper.save(self.trainer, self.progress)
        self.saved_at = time.monotonic()

    def stop(self, epoch: int) -> None:
        """Save, and say how to go on."""
        self.save()
        folder = shlex.quote(str(self.run.folder))
        raise InterruptedRunError(
            f"stopped in epoch {epoch + 1} of {self.config.epochs}; everything is saved",
            hint=f"to go on, run the same command with --run-dir {folder}",
        )

    def finish(self) -> TrainResult:
        """Write what is left to write, and sum up."""
        log = self.run.read_log()
        epochs = [line for line in log if line["kind"] == "epoch"]
        last = epochs[-1] if epochs else {}  # somebody may have removed the log
        if not any(self.run.samples.iterdir()):
            self.sample(f"epoch-{self.epochs_done:04d}.png")
        self.save()
        pictures.write_curves(self.run.curves, log)
        result = TrainResult(
            run_dir=self.run.folder,
            weights=self.run.weights,
            samples=max(self.run.samples.glob("*.png")),
            curves=self.run.curves,
            dataset=self.dataset.description.name,
            epochs=self.epochs_done,
            images_seen=self.progress.images_seen,
            seconds=round(self.progress.seconds, 1),
            generator_loss=last.get("generator_loss"),
            discriminator_loss=last.get("discriminator_loss"),
            validation_mae=self.progress.validation_mae,
        )
        values = dataclasses.asdict(result)
        files.write_json(
            self.run.result, {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        )
        return result


def _random(seed: int, step: int) -> torch.Generator:
    state = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)  # torch takes 63 bits
