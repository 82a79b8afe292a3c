"""Planning of the epochs that fit into a time budget (`--budget 30m`), before and during a run."""

import re
from dataclasses import dataclass

from sketchcli.errors import UsageError

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
MARGIN = 0.05  # fraction of the budget held in reserve for unforeseen delays


@dataclass(frozen=True)
class Costs:
    """Durations of the parts of a run, in seconds."""

    step: float
    batches: int  # batches per epoch
    measurement: float
    measure_every: int  # epochs between two validations
    finish: float  # the last checkpoint and the report

    def of(self, epochs: int) -> float:
        """Return the seconds that epochs, their validations and the end of the run take."""
        measurements = -(-epochs // self.measure_every)
        return epochs * self.batches * self.step + measurements * self.measurement + self.finish


def parse_duration(text: str) -> float:
    """Parse a duration in hours, minutes and seconds; return seconds.

    >>> parse_duration("1h30m"), parse_duration("90s")
    (5400.0, 90.0)
    """
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower())
    counts = found.groups() if found else ("", "", "")
    seconds = sum(int(n or 0) * unit for n, unit in zip(counts, UNITS.values(), strict=True))
    if not seconds:
        raise UsageError(f"invalid duration: '{text}'", hint="use the form 30m, 1h30m or 90s")
    return seconds


def duration(seconds: float) -> str:
    """Format seconds as hours, minutes and seconds.

    >>> duration(59.6), duration(4000)
    ('1m00s', '1h06m40s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"


def epochs_that_fit(seconds: float, costs: Costs) -> int:
    """Return the number of epochs, at least one, that can be trained in a number of seconds.

    >>> epochs_that_fit(600, Costs(1.0, 10, measurement=2.0, measure_every=10, finish=5.0))
    55
    """
    usable = seconds * (1 - MARGIN)
    epochs = max(1, int((usable - costs.finish) / (costs.batches * costs.step)))
    while epochs > 1 and costs.of(epochs) > usable:
        epochs -= 1
    return epochs


def replanned(planned: int, done: int, seconds_left: float, costs: Costs, *, is_free: bool) -> int:
    """Return the epochs of the whole run, replanned with the costs measured so far.

    With `is_free`, the plan may grow; once the learning rate has begun to fall towards the planned
    end, it may only shrink.
    """
    if done >= planned:
        return planned
    if costs.of(1) > seconds_left * (1 - MARGIN):
        return max(done, 1)
    fitting = done + epochs_that_fit(seconds_left, costs)
    if is_free:
        return fitting
    return planned if costs.of(planned - done) <= seconds_left else min(planned, fitting)
