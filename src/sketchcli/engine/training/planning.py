"""Fitting a run into a time, before it begins."""

import dataclasses
import time
from collections.abc import Callable

from sketchcli.config import TrainConfig
from sketchcli.engine.training import loop
from sketchcli.engine.training.budget import epochs_that_fit
from sketchcli.engine.training.memory import telling_what_fits
from sketchcli.engine.training.resuming import epochs_planned
from sketchcli.engine.training.session import Session

STEPS = 4  # that are timed; the first one also warms up, and does not count


def open_in_time(open_session: Callable[[TrainConfig], Session], config: TrainConfig) -> Session:
    """A session whose epochs fit into the time that it has.

    A run that is gone on with keeps its plan, and looks after it.

    Args:
        open_session: Makes a session; a first one is thrown away after some steps, which show how
            long they take.
        config: All settings.
    """
    trial = open_session(config)
    with telling_what_fits(trial):
        trial.step_seconds = seconds_a_step(trial)
        trial.measure()
    planned = epochs_planned(trial.run)
    if planned is None:
        left = (trial.ends_at or 0.0) - time.monotonic()
        agreed = trial.ranks.as_first({"epochs": epochs_that_fit(left, trial.costs())})
        planned = int(agreed["epochs"])
        trial.watch.note(
            f"{planned} {'epochs fit' if planned > 1 else 'epoch fits'} into the time that is left "
            f"({trial.step_seconds:.2f} s a step of {trial.batch_size} pairs)"
        )
    trial.release()  # a GPU need not hold both
    session = open_session(dataclasses.replace(config, epochs=planned))
    session.step_seconds = trial.step_seconds
    session.measurement_seconds = trial.measurement_seconds
    return session


def seconds_a_step(session: Session) -> float:
    """What a step takes here and now; the session's networks are changed by trying."""
    pairs = session.training.take(session.pairs.trained[: session.batch_size])
    took = []
    for number in range(STEPS):
        started = time.monotonic()
        part = loop.prepare(session, pairs, 1.0)
        share = part.rows(*session.ranks.rows(len(part)))
        session.trainer.step(list(share.split(session.config.data.accumulate)), number)
        took.append(time.monotonic() - started)
    return min(took[1:])
