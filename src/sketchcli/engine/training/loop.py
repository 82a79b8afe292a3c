"""The training loop: epochs, batches, validations."""

import contextlib
import time
from collections.abc import Callable

import numpy as np
import torch

from sketchcli import interruption
from sketchcli.checkpoint import with_prefix, without_prefix
from sketchcli.data.batches import (
    DiscriminatorAugmentation,
    augment_pairs,
    epoch_batches,
)
from sketchcli.data.prepared import Split
from sketchcli.device import to_tensor
from sketchcli.engine.events import BatchTrained, EpochTrained
from sketchcli.engine.training.budget import replanned
from sketchcli.engine.training.session import Session
from sketchcli.engine.training.trainer import Figures, Part

SAVE_EVERY_SECONDS = 120.0
RECENT = 0.2  # smoothing weight of the latest epoch in the estimated step time
SKIPPED_AT_MOST = 10  # consecutive skipped steps before the run is rolled back


class DivergedError(Exception):
    """Too many consecutive steps were skipped."""


def train_epochs(session: Session) -> None:
    """Train the remaining epochs of the run, and save it."""
    echo = interruption.LONG_ECHO if session.ranks.count > 1 else interruption.ECHO
    with interruption.postponed(echo=echo) as is_interrupted:
        settle(session, is_interrupted)
        while not session.is_finished:
            try:
                train_epoch(session, is_interrupted)
            except DivergedError:
                session.roll_back()
                settle(session, is_interrupted)
        if session.ranks.is_first:
            if not session.run.sampled():  # the user may have deleted them
                session.validate(session.epochs_done - 1)
            session.save(is_end=True)
        if session.ranks.any(is_interrupted()):
            session.stop()


def train_epoch(session: Session, is_interrupted: Callable[[], bool]) -> None:
    """Train the rest of the current epoch and save checkpoints at intervals.

    DivergedError is raised if the losses have become NaN or infinite.
    """
    epoch, started = session.epochs_done, time.monotonic()
    seen_before = session.progress.images_seen
    batches = epoch_batches(
        session.training,
        session.pairs.trained,
        session.batch_size,
        seed=session.config.seed,
        epoch=epoch,
        start=session.progress.step % session.batches,
    )
    for batch, pairs in batches:
        before = time.monotonic()
        last = train_batch(session, epoch, batch, pairs)
        session.progress.seconds += time.monotonic() - before
        if batch + 1 == session.batches:
            trained = session.progress.images_seen - seen_before
            end_epoch(session, last, trained / (time.monotonic() - started))
        # Checkpoints are saved between batches, never between the last batch and its epoch's end.
        settle(session, is_interrupted)
        if time.monotonic() - session.saved_at > SAVE_EVERY_SECONDS:
            session.save()
    if session.is_finished and session.progress.skipped_in_a_row >= session.progress.step:
        raise DivergedError  # all steps of the run, however few, were skipped


def settle(session: Session, is_interrupted: Callable[[], bool]) -> None:
    """Validate if it is time to; save the run and stop if the user asks for it."""
    if session.progress.is_validation_due:
        validate(session, session.epochs_done - 1)
    if session.ranks.any(is_interrupted()):
        session.note("interrupted: saving the run")
        session.save()
        session.stop()


def train_batch(session: Session, epoch: int, batch: int, pairs: Split) -> BatchTrained:
    """Train both networks for one step."""
    trainer, progress = session.trainer, session.progress
    done = progress.step / session.batches
    trainer.set_rates(
        done,
        epochs=progress.epochs,
        scale=progress.rate_scale,
        discriminator=progress.discriminator_scale,
    )

    parts = prepare(session, pairs)
    judged, drawn = trainer.step(parts, progress.step)

    progress.step += 1
    progress.images_seen += len(pairs)
    trainer.average.update(
        trainer.generator, batch_size=len(pairs), images_seen=progress.images_seen
    )
    return take_in(session, epoch, batch, judged, drawn)


def prepare(session: Session, pairs: Split) -> list[Part]:
    """Augment a whole batch of pairs and return the parts that this process trains on."""
    entropy, rank = (session.config.seed, session.progress.step), session.ranks.rank
    # Dropout samples from torch's global generator, which is seeded differently in each process.
    torch.manual_seed(_number(*entropy, *([rank] if rank else [])))
    random = torch.Generator().manual_seed(_number(*entropy))
    sketch = to_tensor(pairs.sketches, session.device.torch)
    real = to_tensor(pairs.photos, session.device.torch)
    is_sketch = session.domains.input.is_sketch
    sketch, real = augment_pairs(
        sketch, real, session.config.augmentation, random, is_sketch=is_sketch
    )
    view = None
    if session.config.augmentation.discriminator:
        view = DiscriminatorAugmentation(real.shape, random, strength=session.strength.value)
    whole = Part(sketch, real, view)
    share = whole.rows(*session.ranks.rows(len(whole)))
    return list(share.split(session.config.data.accumulate))


def take_in(
    session: Session, epoch: int, batch: int, judged: Figures, drawn: Figures
) -> BatchTrained:
    """Count, log and report a step; update the strength of the discriminator's augmentation."""
    progress = session.progress
    figures = with_prefix("judging", judged.parts) | with_prefix("parts", drawn.parts)
    figures |= {"generator_loss": drawn.loss, "discriminator_loss": judged.loss}
    means = session.ranks.mean(figures)
    skipped = {"discriminator": judged.is_skipped, "generator": drawn.is_skipped}
    event = BatchTrained(
        epoch + 1,
        progress.epochs,
        batch + 1,
        session.batches,
        means["generator_loss"],
        means["discriminator_loss"],
        without_prefix("parts", means),
        without_prefix("judging", means),
        session.strength.value,
        tuple(name for name, is_skipped in skipped.items() if is_skipped),
    )
    session.tell("batch", event)
    if event.skipped:
        progress.skipped += 1
        progress.skipped_in_a_row += 1
        if progress.skipped_in_a_row >= SKIPPED_AT_MOST:
            raise DivergedError
        return event
    progress.skipped_in_a_row = 0
    progress.add(means)
    if "real_sign" in event.judging:
        session.strength.update(event.judging["real_sign"], session.batch_size)
        progress.strength = session.strength.state()
    return event


def end_epoch(session: Session, last: BatchTrained, images_per_second: float) -> None:
    """Log and report an epoch, and note whether it is time to validate."""
    progress, epoch = session.progress, last.epoch - 1
    means = progress.take_means()
    left = (progress.epochs - epoch - 1) * session.batches
    event = EpochTrained(
        epoch + 1,
        progress.epochs,
        session.batches,
        means.get("generator_loss", 0.0),
        means.get("discriminator_loss", 0.0),
        images_per_second,
        progress.seconds / progress.step * left,
        without_prefix("parts", means),
        without_prefix("judging", means),
        session.strength.value,
        session.trainer.generator_optimizer.param_groups[0]["lr"],
        session.device.memory_megabytes(),
        last_generator_loss=last.generator_loss,
        last_discriminator_loss=last.discriminator_loss,
    )
    session.tell("epoch", event)
    keep_in_time(session, session.batch_size / images_per_second)
    is_regular = (epoch + 1) % session.config.validation.every == 0
    progress.is_validation_due = is_regular or epoch + 1 == progress.epochs


def keep_in_time(session: Session, step: float) -> None:
    """Replan the epochs of a run with a time limit; `step` is the last epoch's seconds per step."""
    if session.ends_at is None:
        return
    progress, left = session.progress, session.ends_at - time.monotonic()
    session.step_seconds += RECENT * (step - session.step_seconds)
    wanted = replanned(
        progress.epochs,
        session.epochs_done,
        left,
        session.costs(),
        is_free=session.epochs_done < session.config.optimizer.decay_from * progress.epochs,
    )
    agreed = int(session.ranks.as_first({"epochs": wanted})["epochs"])
    if agreed != progress.epochs:
        session.plan(agreed)
        session.write_config()


def validate(session: Session, epoch: int) -> None:
    """Score the model on the held-out pairs and note if the run stops early.

    If a signal interrupts it, it is still due when the run is resumed.
    """
    progress = session.progress
    with contextlib.suppress(KeyboardInterrupt):
        if session.ranks.is_first:
            session.validate(epoch)
        progress.is_validation_due = False
    names = ("waited", "rate_scale", "discriminator_scale")
    agreed = session.ranks.as_first({name: getattr(progress, name) for name in names})
    progress.waited = int(agreed["waited"])
    progress.rate_scale = agreed["rate_scale"]
    progress.discriminator_scale = agreed["discriminator_scale"]
    if session.has_waited_enough:
        session.note(f"stopping early: no improvement since epoch {progress.best_epoch}")


def _number(*entropy: int) -> int:
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return int(state[0]) >> 1  # torch accepts 63 bits
