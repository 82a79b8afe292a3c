"""Events of the engine, shown on stderr: live on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Iterator

import typer
from rich import filesize
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from rich.text import Text
from rich.theme import Theme

from sketchcli.cli.manner import current
from sketchcli.cli.training_view import TrainingView, number
from sketchcli.engine.events import (
    SILENT,
    Advanced,
    BatchTrained,
    EpochTrained,
    Event,
    Found,
    Note,
    Reporter,
    Transferred,
    Validated,
)
from sketchcli.engine.training.budget import duration

# Without Rich's cyan and green, which are hardly to be seen on white.
READABLE = Theme(dict.fromkeys(("progress.remaining", "progress.download"), "default"))
SPEED_PERIOD = 300.0  # seconds that the time left is judged by: a batch may take many


@contextlib.contextmanager
def reporting(*, is_shown: bool = True) -> Iterator[Reporter]:
    """A reporter for as long as the block lasts; of several processes, one is shown."""
    if not is_shown:
        yield SILENT
        return
    manner = current()
    # FORCE_COLOR would make a terminal of a pipe.
    if manner.is_quiet or not (manner.has_bars and sys.stderr.isatty()):
        yield print_plain
        return
    display = LiveDisplay(Console(stderr=True, theme=READABLE))
    with display.live:
        yield display


def print_plain(event: Event) -> None:
    """One line for a note, an epoch, a measurement, a finding, a finished count or file.

    Quietly: for what warns alone.
    """
    if current().is_quiet and not is_warning(event):
        return
    if isinstance(event, Note | Found):
        typer.echo(told(event), err=True)
    elif isinstance(event, EpochTrained):
        typer.echo(epoch_line(event), err=True)
    elif isinstance(event, Validated):
        typer.echo(measured_line(event), err=True)
    elif isinstance(event, Advanced) and event.done == event.total:
        typer.echo(f"{event.what}: {event.done}", err=True)
    elif isinstance(event, Transferred) and event.done == event.total:
        typer.echo(f"{event.what}: {filesize.decimal(event.done)}", err=True)


def is_warning(event: Event) -> bool:
    """Whether an event is told to those too who want to be told little."""
    return isinstance(event, Found) or (isinstance(event, Note) and event.is_warning)


def told(event: Note | Found) -> str:
    """A note, or what the training doctor says, on one line."""
    text = f"epoch {event.epoch}: {event.message}" if isinstance(event, Found) else event.message
    return printable(f"{'warning: ' if is_warning(event) else ''}{text}")


def printable(text: str) -> str:
    r"""Text without what would move the cursor, ring or hide: a file's name may hold that.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def last_batch_line(event: EpochTrained) -> str:
    """Return an epoch's last batch and its two losses, in at most 80 columns."""
    return (
        f"epoch {event.epoch}/{event.epochs}  batch {event.batches}/{event.batches}"
        f"  generator {event.last_generator_loss:.4f}"
        f"  discriminator {event.last_discriminator_loss:.4f}"
    )


def epoch_line(event: EpochTrained) -> str:
    """Return an epoch's last batch, its mean losses, its speed and the time left, on one line."""
    line = (
        f"{last_batch_line(event)}"
        f"  means {event.generator_loss:.4f}, {event.discriminator_loss:.4f}"
        f"  {event.images_per_second:.1f} img/s"
    )
    if event.epoch < event.epochs:
        line += f"  {duration(event.seconds_left)} left"
    return line


def measured_line(event: Validated) -> str:
    """A measurement on one line; a star is the best so far."""
    whose = "held-out" if event.is_held_out else "training"
    figures = {name: event.scores[name] for name in ("ssim", "mae") if name in event.scores}
    shown = [
        f"{name} {number(value)}" for name, value in (figures | {"score": event.score}).items()
    ]
    return "  ".join([f"epoch {event.epoch}/{event.epochs}  {whose} pairs", *shown]) + (
        "  *" if event.is_best else ""
    )


def transfers(console: Console) -> Progress:
    """Bars with size, speed and time left, within 80 columns."""
    return Progress(
        described(24),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def described(width: int) -> TextColumn:
    """What a bar is of, so many columns wide at most; a set's or file's name may be in it."""
    column = Column(max_width=width, no_wrap=True, overflow="ellipsis")
    return TextColumn("{task.description}", markup=False, table_column=column)


class LiveDisplay:
    """Bars; while training, its figures above them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            described(26),
            BarColumn(bar_width=24),  # short of the edge: an echoed ^C must not start a line
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=SPEED_PERIOD,
        )
        self.tasks: dict[str, TaskID] = {}
        self.transfers = transfers(console)
        self.files: dict[str, TaskID] = {}
        self.training = TrainingView()
        self.live = Live(
            get_renderable=self.render, console=console, refresh_per_second=8, transient=True
        )

    def __call__(self, event: Event) -> None:
        """Take an event into the display."""
        self.training.take(event)
        if isinstance(event, Note | Found):
            self.console.print(Text(told(event), style="bold" if is_warning(event) else ""))
        elif isinstance(event, EpochTrained):
            self.console.print(Text(last_batch_line(event)))  # stays when the live view ends
        elif isinstance(event, Advanced):
            self.advance(event.what, event.done, event.total)
        elif isinstance(event, Transferred):
            self.transfer(event)
        elif isinstance(event, BatchTrained):
            done = (event.epoch - 1) * event.batches + event.batch
            self.advance("batches", done, event.epochs * event.batches)

    def advance(self, what: str, done: int, total: int) -> None:
        """Move a bar; the first call makes it, where an earlier run may have got to."""
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total, completed=done)
        self.progress.update(self.tasks[what], completed=done, total=total)

    def transfer(self, event: Transferred) -> None:
        """Move a file's bar; the first call makes it, where an earlier run may have got to."""
        if event.what not in self.files:
            task = self.transfers.add_task(event.what, total=event.total, completed=event.done)
            self.files[event.what] = task
        self.transfers.update(self.files[event.what], completed=event.done, total=event.total)

    def render(self) -> Group:
        """What the terminal shows now."""
        bars = [self.transfers, self.progress] if self.files else [self.progress]
        if self.training.batch is None:
            return Group(*bars)
        return Group(self.training.render(self.console.width), *bars)
