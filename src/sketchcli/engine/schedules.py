"""Learning-rate schedules: pure functions of the position in the run."""

from sketchcli.config import SCHEDULES as KINDS
from sketchcli.config import OptimizerConfig
from sketchcli.errors import UsageError

INVERSE_EPOCH_DECAY = 0.001  # the source's


def rate_factor(config: OptimizerConfig, *, epoch: float, epochs: int) -> float:
    """What the learning rate is multiplied with.

    Args:
        config: Names the schedule: `constant`; `linear`, which falls to zero over the last part
            of the run; or `inverse-epoch`, 1 / (1 + 0.001 x epoch) by whole epochs.
        epoch: Epochs done so far, with the fraction of the current one.
        epochs: Epochs of the whole run.

    Raises:
        UsageError: Unknown schedule.

    >>> rate_factor(OptimizerConfig(schedule="linear", decay_from=0.5), epoch=75, epochs=100)
    0.5
    """
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "linear":
        done = epoch / epochs
        return min(1.0, (1.0 - done) / max(1e-9, 1.0 - config.decay_from))
    if config.schedule == "inverse-epoch":
        return 1.0 / (1.0 + INVERSE_EPOCH_DECAY * int(epoch))
    raise UsageError(f"unknown schedule '{config.schedule}'", hint=f"known: {', '.join(KINDS)}")
