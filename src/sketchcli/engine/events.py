"""What the engine tells whoever listens; it never prints."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sketchcli.engine.results import GeneratedFile


@dataclass(frozen=True)
class Event:
    """Anything reported."""


@dataclass(frozen=True)
class Note(Event):
    """A sentence worth reading: a choice made for the user, a thing left out."""

    message: str
    is_warning: bool = False


@dataclass(frozen=True)
class Advanced(Event):
    """So many of so many are done."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Transferred(Event):
    """So many bytes of a file are here; `done` equals `total` once, at the end."""

    what: str
    done: int
    total: int | None  # None where nobody said how many there will be


@dataclass(frozen=True)
class BatchTrained(Event):
    """One batch of training; epochs and batches count from 1."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    generator_loss: float
    discriminator_loss: float
    parts: dict[str, float] = field(default_factory=dict)  # the generator's losses, unweighted
    judging: dict[str, float] = field(default_factory=dict)  # how the discriminator did
    strength: float = 0.0  # of the augmentation that the discriminator sees
    skipped: tuple[str, ...] = ()  # networks that learnt nothing: something was not finite


@dataclass(frozen=True)
class EpochTrained(Event):
    """One epoch of training: the means over its batches, and the losses of its last batch."""

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
    lr: float = 0.0  # of the generator
    memory_mb: float = 0.0  # at most, so far
    size: tuple[int, int] = (0, 0)  # of the pictures, height and width
    last_generator_loss: float = 0.0
    last_discriminator_loss: float = 0.0


@dataclass(frozen=True)
class Validated(Event):
    """A measurement on the held-out pairs, or, where none are held out, on training pairs."""

    epoch: int
    epochs: int
    is_held_out: bool
    scores: dict[str, float]
    score: float  # that the best model is chosen by; higher is better
    is_best: bool
    training_scores: dict[str, float]
    colour_shift: float
    diversity: float | None
    sketch_use: float | None
    real_sign_held_out: float
    sample: str  # the picture, in the run's folder


@dataclass(frozen=True)
class Found(Event):
    """What the training doctor says is wrong, and what is done about it."""

    epoch: int
    name: str
    message: str
    treatment: str = ""


@dataclass(frozen=True)
class Converted(Event):
    """A sketch is done: its photo is written, was there, or cannot be made."""

    file: GeneratedFile


Reporter = Callable[[Event], None]


def SILENT(event: Event) -> None:  # noqa: N802 - a constant that happens to be a function
    """A reporter for those who listen to nothing."""


# How often progress is told: often enough to be seen moving, seldom enough to cost nothing.

SECONDS_BETWEEN_REPORTS = 0.1


class Pace:
    """Says when it is time for another report; the first may come at once."""

    def __init__(self) -> None:
        self._last = float("-inf")  # when the last one was, on the monotonic clock

    def is_due(self) -> bool:
        """Whether to report now; if so, the next report has to wait."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS:
            return False
        self._last = now
        return True
