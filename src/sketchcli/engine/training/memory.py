"""What to change where a device's memory is full: found by trying."""

import contextlib
import dataclasses
import gc
import shlex
import traceback
from collections.abc import Callable, Iterator

import torch

from sketchcli.device import is_out_of_memory
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
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold on to what the step had computed
        cause = error
    else:
        return
    share = len(range(*session.ranks.rows(session.batch_size)))
    count = min(session.config.data.accumulate, share)
    fitting = first_that_fits(share, count, lambda parts: _fits(session, parts))
    raise _explained(session, share, count, fitting) from cause


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
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _explained(session: Session, share: int, count: int, fitting: int | None) -> DeviceError:
    """What does not fit, and what to do.

    Args:
        session: Of no use any more.
        share: Pairs of a step that this process takes.
        count: In how many parts it took them.
        fitting: In how many parts they fit; None: not even one by one.
    """
    name, tried = session.device.name, -(-share // count)
    if fitting == count:
        again = session.command_to_go_on() if session.run.states else "the same again"
        return DeviceError(
            f"{name}: out of memory, though {tried} pairs at a time fit into what is free now",
            hint=f"does another program use it? when it has ended, type: {again}",
        )
    message = f"{name}: out of memory with {tried} pairs at a time; "
    message += "not even one pair fits" if fitting is None else f"{-(-share // fitting)} fit"
    if session.run.states:
        return DeviceError(message, hint=_cure_of_begun(session, count, fitting))
    return DeviceError(message, hint=_cure(session, share, fitting))


def _cure(session: Session, share: int, fitting: int | None) -> str:
    """What a run that has no state yet can do: all its settings may change."""
    if fitting is not None:
        return (
            f"--accumulate {fitting} trains the same batch of {session.batch_size} in parts, "
            f"--batch-size {-(-share // fitting) * session.ranks.count} a smaller one"
        )
    cures = ["prepare smaller pictures", "choose narrower networks"]
    if not session.config.run.checkpointing:
        cures.insert(0, "add --checkpointing")
    return ", or ".join(cures)


def _cure_of_begun(session: Session, count: int, fitting: int | None) -> str:
    """What a run that has a state can do: its batch and its networks are settled."""
    begun, run = session.config, session.config.run
    session.config = dataclasses.replace(begun, run=dataclasses.replace(run, checkpointing=True))
    if not run.checkpointing and _fits(session, count):
        return f"to go on, type: {session.command_to_go_on()} --checkpointing"
    if fitting is None:
        return "begin another run, with smaller pictures or narrower networks"
    weights = shlex.quote(str(session.run.folder))
    return (
        "this run keeps its batch: begin another from its weights, in another folder, with "
        f"--init-from {weights} --accumulate {fitting}"
    )
