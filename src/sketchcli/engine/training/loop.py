"""The training loop: an epoch, a batch, a measurement."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import numpy as np
import torch

from sketchcli.checkpoint import with_prefix, without_prefix
from sketchcli.data.batches import (
    DiscriminatorAugmentation,
    augment_pairs,
    epoch_batches,
    photos_to_tensor,
    sketches_to_tensor,
)
from sketchcli.data.prepared import Split
from sketchcli.engine.events import BatchTrained, EpochTrained
from sketchcli.engine.training import networks
from sketchcli.engine.training.budget import replanned
from sketchcli.engine.training.session import Session
from sketchcli.engine.training.trainer import Figures, Part

SAVE_EVERY_SECONDS = 120.0
RECENT = 0.2  # weight of the last epoch in what a step is said to take
ECHO_SECONDS = 5.0  # in which torchrun passes on a Ctrl-C
SKIPPED_AT_MOST = 10  # steps in a row that nothing was learnt in, before going back


class DivergedError(Exception):
    """Too many steps in a row that nothing was learnt in."""


def train_epochs(session: Session) -> None:
    """Train what is left of the run.

    Raises:
        InterruptedRunError: The user stopped it; the state is saved.
        TrainingError: The losses stay infinite or NaN; the last good state is kept.
    """
    echo = ECHO_SECONDS if session.ranks.count > 1 else 0.0
    with interruption(echo=echo) as is_interrupted:
        while not session.is_finished:
            try:
                train_epoch(session, is_interrupted)
                check_has_learnt(session)
            except DivergedError:
                session.roll_back()


def train_epoch(session: Session, is_interrupted: Callable[[], bool]) -> None:
    """Train what is left of the current epoch; save from time to time.

    Raises:
        InterruptedRunError: The user stopped it; the state is saved.
        DivergedError: The losses are not finite any more.
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
        # A state is saved between two batches, never between the last one and its epoch's end.
        if session.ranks.any(is_interrupted()):
            session.stop(epoch)
        if time.monotonic() - session.saved_at > SAVE_EVERY_SECONDS:
            session.save()


def check_has_learnt(session: Session) -> None:
    """A run that ends must have learnt something, however few its steps were.

    Raises:
        DivergedError: None of its steps was finite.
    """
    if session.is_finished and not session.progress.has_learnt:
        raise DivergedError


def train_batch(session: Session, epoch: int, batch: int, pairs: Split) -> BatchTrained:
    """One step of both networks."""
    trainer, progress = session.trainer, session.progress
    done = progress.step / session.batches
    trainer.set_rates(
        done,
        epochs=progress.epochs,
        scale=progress.rate_scale,
        discriminator=progress.discriminator_scale,
    )

    # Take this process's share of the batch; teach both networks.
    part = prepare(session, pairs, done / progress.epochs)
    share = part.rows(*session.ranks.rows(len(part)))
    parts = list(share.split(session.config.data.accumulate))
    judged, drawn = trainer.step(parts, progress.step)

    # Let the averaged weights follow, and write down what happened.
    progress.step += 1
    progress.images_seen += len(pairs)
    trainer.average.update(
        trainer.generator, batch_size=len(pairs), images_seen=progress.images_seen
    )
    return take_in(session, epoch, batch, judged, drawn)


def prepare(session: Session, pairs: Split, done: float) -> Part:
    """Pairs as the networks see them: moved together, roughened, at the size of the moment.

    Args:
        session: Has the settings, and the step that all draws depend on.
        pairs: A whole batch.
        done: Share of the run, in [0, 1].
    """
    random = _draws(session.config.seed, session.progress.step, session.ranks.rank)
    sketch = sketches_to_tensor(pairs.sketches, session.device.torch)
    real = photos_to_tensor(pairs.photos, session.device.torch)
    sketch, real = augment_pairs(sketch, real, session.config.augmentation, random)
    size = networks.size_at(done, session.config.data, session.dataset.description.size)
    sketch, real = networks.resize_batch(sketch, real, size)
    view = None
    if session.config.augmentation.discriminator:
        view = DiscriminatorAugmentation(real.shape, random, strength=session.strength.value)
    return Part(sketch, real, view)


def take_in(
    session: Session, epoch: int, batch: int, judged: Figures, drawn: Figures
) -> BatchTrained:
    """Count, log and report a step; adapt to it."""
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
    session.watch.tell(progress, "batch", event)
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
    """Sum the epoch up; look at the held-out pairs now and then.

    Args:
        session: The run.
        last: The epoch's last batch.
        images_per_second: Speed over the epoch.
    """
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
        networks.size_at(
            (progress.step - 1) / session.batches / progress.epochs,
            session.config.data,
            session.dataset.description.size,
        ),
        last.generator_loss,
        last.discriminator_loss,
    )
    session.watch.tell(progress, "epoch", event)
    keep_in_time(session, session.batch_size / images_per_second)
    if (epoch + 1) % session.config.validation.every == 0 or epoch + 1 == progress.epochs:
        validate(session, epoch)


def keep_in_time(session: Session, step: float) -> None:
    """Train fewer epochs, or more, where the machine is slower or quicker than it seemed.

    Args:
        session: With the time that it must have ended at.
        step: Seconds of a step in the last epoch.
    """
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
    session.plan(int(session.ranks.as_first({"epochs": wanted})["epochs"]))


def validate(session: Session, epoch: int) -> None:
    """Measure on the held-out pairs; stop where patience ends."""
    progress = session.progress
    if session.ranks.is_first:
        session.watch.take_in(epoch, session.measure(), session.trainer, progress)
    agreed = session.ranks.as_first(
        {
            "waited": progress.waited,
            "rate_scale": progress.rate_scale,
            "discriminator_scale": progress.discriminator_scale,
        }
    )
    progress.waited = int(agreed["waited"])
    progress.rate_scale = agreed["rate_scale"]
    progress.discriminator_scale = agreed["discriminator_scale"]
    if session.has_waited_enough:
        session.watch.note(f"no better score since epoch {progress.best_epoch}: the run ends early")


def _draws(seed: int, step: int, rank: int) -> torch.Generator:
    """The source of everything drawn in a step: seed and step alone decide.

    Dropout is drawn inside the networks, from torch's own source: in each process another.
    """
    torch.manual_seed(_number(seed, step, *([rank] if rank else [])))
    return torch.Generator().manual_seed(_number(seed, step))


def _number(*entropy: int) -> int:
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return int(state[0]) >> 1  # torch takes 63 bits


# Ctrl-C and SIGTERM as a question that a loop can ask between two batches.

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruption(*, echo: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether the user wants to stop.

    A second signal acts as it always does, at once. Outside the main thread, where Python
    delivers no signals, the answer is always no.

    Args:
        echo: Seconds in which further signals are the same wish: torchrun passes on the Ctrl-C
            that its processes have got from the terminal already.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    first: list[float] = []

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        asked.set()
        first.append(time.monotonic())
        if not echo:
            signal.signal(number, before[signal.Signals(number)])
        elif first[-1] - first[0] > echo:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
