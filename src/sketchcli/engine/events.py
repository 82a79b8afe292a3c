"""What the engine tells whoever listens; it never prints."""

from collections.abc import Callable
from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class EpochTrained(Event):
    """One epoch of training: the mean of its batches."""

    epoch: int
    epochs: int
    batches: int
    generator_loss: float
    discriminator_loss: float
    images_per_second: float
    seconds_left: float
    validation_mae: float | None = None  # 0-255, on the held-out pairs, when measured


Reporter = Callable[[Event], None]


def SILENT(event: Event) -> None:  # noqa: N802 - a constant that happens to be a function
    """A reporter for those who listen to nothing."""
