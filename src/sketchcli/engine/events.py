"""The events that the engine reports to a caller; the engine itself never prints."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sketchcli.engine.results import GeneratedFile


@dataclass(frozen=True)
class Event:
    """Base class of everything that is reported."""


@dataclass(frozen=True)
class Note(Event):
    """A sentence for the user, such as a choice made by default or a skipped file."""

    message: str
    is_warning: bool = False
    is_vital: bool = False  # shown even with --quiet, as warnings are


@dataclass(frozen=True)
class Advanced(Event):
    """Progress in a number of things, such as sketches, which `what` names."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Transferred(Event):
    """Progress of a transfer, in bytes; `done` equals `total` exactly once, at the end."""

    what: str
    done: int
    total: int | None  # None if the server does not state the size


@dataclass(frozen=True)
class BatchTrained(Event):
    """One trained batch; epochs and batches count from 1."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    generator_loss: float
    discriminator_loss: float
    parts: dict[str, float] = field(default_factory=dict)  # the generator's losses, unweighted
    judging: dict[str, float] = field(default_factory=dict)  # measures of the discriminator
    strength: float = 0.0  # strength of the discriminator's augmentation
    skipped: tuple[str, ...] = ()  # networks whose update was skipped (NaN or infinite values)


@dataclass(frozen=True)
class EpochTrained(Event):
    """One trained epoch: the means over its batches, and the losses of its last batch."""

    epoch: int
    epochs: int
    batches: int
    generator_loss: float
    discriminator_loss: float
    images_per_second: float
    seconds_left: float
    parts: dict[str, float] = field(default_factory=dict)
    judging: dict[str, float] = field(default_factory=dict)
    strength: float = 0.0
    lr: float = 0.0  # learning rate of the generator
    memory_mb: float = 0.0  # peak so far
    last_generator_loss: float = 0.0
    last_discriminator_loss: float = 0.0


@dataclass(frozen=True)
class Validated(Event):
    """A validation on the held-out pairs or, if none are held out, on training pairs."""

    epoch: int
    epochs: int
    is_held_out: bool
    scores: dict[str, float]
    score: float  # the validation score, which picks the best weights; higher is better
    is_best: bool
    training_scores: dict[str, float]
    colour_shift: float
    diversity: float | None
    sketch_use: float | None
    real_sign_held_out: float
    sample: str  # path of the sample sheet in the run's folder


@dataclass(frozen=True)
class Found(Event):
    """A finding of the training doctor, and its treatment."""

    epoch: int
    name: str
    message: str
    treatment: str = ""


@dataclass(frozen=True)
class Converted(Event):
    """A sketch is finished: its photo was written, existed already, or failed."""

    file: GeneratedFile


Reporter = Callable[[Event], None]


def SILENT(event: Event) -> None:  # noqa: N802 - a constant that happens to be a function
    """Ignore all events."""


SECONDS_BETWEEN_REPORTS = 0.1  # short enough to look smooth, long enough to cost no time


class Pace:
    """Decides when the next progress report is due; the first is due at once."""

    def __init__(self) -> None:
        self._last = float("-inf")  # time of the last report on the monotonic clock

    def is_due(self) -> bool:
        """Return whether to report now; if so, the wait for the next report begins."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS:
            return False
        self._last = now
        return True
