"""Learning-rate schedules: pure functions of the position in the run."""

import math

from sketchcli import errors
from sketchcli.config import SCHEDULES as KINDS
from sketchcli.config import OptimizerConfig
from sketchcli.errors import UsageError

INVERSE_EPOCH_DECAY = 0.001  # the source's


def rate_factor(config: OptimizerConfig, *, epoch: float, epochs: int) -> float:
    """What the learning rate is multiplied with.

    Args:
        config: Names the schedule: `constant`; `linear` and `cosine`, which fall to zero over the
            last part of the run; `step`, which falls by a factor now and then; `inverse-epoch`,
            1 / (1 + 0.001 x epoch) by whole epochs.
        epoch: Epochs done so far, with the fraction of the current one.
        epochs: Epochs of the whole run.

    Raises:
        UsageError: Unknown schedule.

    >>> rate_factor(OptimizerConfig(schedule="linear", decay_from=0.5), epoch=75, epochs=100)
    0.5
    >>> rate_factor(OptimizerConfig(schedule="step", step_every=0.25), epoch=60, epochs=100)
    0.25
    """
    done = min(1.0, epoch / epochs)
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "linear":
        return 1.0 - _fallen(done, config.decay_from)
    if config.schedule == "cosine":
        return (1.0 + math.cos(math.pi * _fallen(done, config.decay_from))) / 2
    if config.schedule == "step":
        steps = math.floor(done / config.step_every) if config.step_every else 0
        return config.step_factor**steps
    if config.schedule == "inverse-epoch":
        return 1.0 / (1.0 + INVERSE_EPOCH_DECAY * int(epoch))
    raise UsageError(
        f"unknown schedule '{config.schedule}'", hint=errors.did_you_mean(config.schedule, KINDS)
    )


def _fallen(done: float, start: float) -> float:
    """How much of the way down is done, from 0 until `start` to 1 at the end."""
    return max(0.0, (done - start) / max(1e-9, 1.0 - start))
