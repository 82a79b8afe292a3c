"""`--budget 30m`: how many epochs fit into a time, and whether they still do."""

import re
from dataclasses import dataclass

from sketchcli.errors import UsageError

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
MARGIN = 0.05  # of the budget, kept for what nobody foresees


@dataclass(frozen=True)
class Costs:
    """What the parts of a run take, in seconds."""

    step: float
    batches: int  # an epoch
    measurement: float
    measure_every: int  # epochs
    finish: float  # the last save, the report

    def of(self, epochs: int) -> float:
        """Seconds of so many epochs, each with its measurements, and of the end."""
        measurements = -(-epochs // self.measure_every)
        return epochs * self.batches * self.step + measurements * self.measurement + self.finish


def parse_duration(text: str) -> float:
    """Seconds.

    Raises:
        UsageError: It is not written as hours, minutes and seconds.

    >>> parse_duration("1h30m"), parse_duration("90s")
    (5400.0, 90.0)
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower())
    seconds = 0.0
    if found:
        for count, unit in zip(found.groups(), UNITS.values(), strict=True):
            seconds += int(count or 0) * unit
    if not seconds:
        raise UsageError(f"not a time: '{text}'", hint="for example 30m, 1h30m or 90s")
    return seconds


def duration(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> duration(59.6), duration(4000)
    ('1m00s', '1h06m40s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"


def epochs_that_fit(seconds: float, costs: Costs) -> int:
    """How many epochs may be trained within a time; one at least.

    >>> epochs_that_fit(600, Costs(1.0, 10, measurement=2.0, measure_every=10, finish=5.0))
    55
    """
    usable = seconds * (1 - MARGIN)
    epochs = max(1, int((usable - costs.finish) / (costs.batches * costs.step)))
    while epochs > 1 and costs.of(epochs) > usable:
        epochs -= 1
    return epochs


def replanned(planned: int, done: int, seconds_left: float, costs: Costs, *, is_free: bool) -> int:
    """The epochs of the whole run, now that more is known about the machine.

    Args:
        planned: Epochs of the whole run, so far.
        done: Of those.
        seconds_left: Of the budget.
        costs: As measured by now.
        is_free: Whether more than planned may be trained: not once the learning rate has begun to
            fall towards the planned end.
    """
    if done >= planned:
        return planned
    if costs.of(1) > seconds_left * (1 - MARGIN):
        return max(done, 1)
    fitting = done + epochs_that_fit(seconds_left, costs)
    if is_free:
        return fitting
    return planned if costs.of(planned - done) <= seconds_left else min(planned, fitting)
