"""What to change where a GPU's memory is full: found by trying."""

import contextlib
import gc
import traceback
from collections.abc import Callable, Iterator

import torch

from sketchcli.engine.training import loop
from sketchcli.engine.training.ranks import ALONE
from sketchcli.engine.training.session import Session
from sketchcli.errors import DeviceError


@contextlib.contextmanager
def telling_what_fits(session: Session) -> Iterator[None]:
    """Where memory runs out inside, find out how much of a batch fits, and say so.

    The session is of no use afterwards; its last state is on the disk.

    Raises:
        DeviceError: The memory was not enough.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        traceback.clear_frames(error.__traceback__)  # they hold on to what the step had computed
        cause = error
    else:
        return
    share = len(range(*session.ranks.rows(session.batch_size)))
    largest, smallest = _parts(share, session.config.data.accumulate)
    fitting = first_that_fits(share, smallest, lambda count: _fits(session, count))
    raise _explained(session, largest, share, fitting) from cause


def _parts(share: int, accumulate: int) -> tuple[int, int]:
    """Pairs that one part has now, and in how many parts the share is taken now."""
    count = min(accumulate, share)
    return -(-share // count), count


def first_that_fits(share: int, start: int, fits: Callable[[int], bool]) -> int | None:
    """In how few parts a process can take its share of a batch; None: not even one by one.

    Args:
        share: Pairs.
        start: Parts to begin with; then twice as many, and so on.
        fits: Whether a step in so many parts has the memory that it needs.

    >>> first_that_fits(12, 1, lambda parts: parts >= 3)
    4
    >>> first_that_fits(3, 1, lambda parts: parts >= 3)
    3
    """
    count = start
    while True:
        if fits(count):
            return count
        if count >= share:
            return None
        count = min(2 * count, share)


def _fits(session: Session, count: int) -> bool:
    """Whether two steps in so many parts have enough memory: optimisers take theirs in the first.

    Other processes are not waited for: they may have had enough.
    """
    session.release()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        trainer = session.new_trainer(ALONE)
        pairs = session.training.take(session.pairs.trained[: session.batch_size])
        share = loop.prepare(session, pairs, 1.0).rows(*session.ranks.rows(len(pairs)))
        for number in range(2):
            trainer.step(list(share.split(count)), number * session.config.loss.r1_every)
    except torch.OutOfMemoryError:
        return False
    return True


def _explained(session: Session, tried: int, share: int, fitting: int | None) -> DeviceError:
    device, ranks = session.device.name, session.ranks.count
    message = f"{device}: out of memory with {tried} pairs at a time"
    if fitting is None:
        cures = ["prepare smaller pictures", "choose narrower networks"]
        if not session.config.run.checkpointing:
            cures.insert(0, "add --checkpointing")
        return DeviceError(f"{message}; not even one pair fits", hint=", or ".join(cures))
    part = -(-share // fitting)
    if part == tried:
        return DeviceError(
            f"{device}: out of memory, though {tried} pairs at a time fit into what is free now",
            hint="does another program use it? the same command goes on from the last state",
        )
    return DeviceError(
        f"{message}; {part} fit",
        hint=f"--accumulate {fitting} trains the same batch of {session.batch_size} in parts, "
        f"--batch-size {part * ranks} a smaller one",
    )
