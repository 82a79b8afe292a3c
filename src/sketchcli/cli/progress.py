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
from rich.table import Column, Table
from rich.text import Text

from sketchcli.engine.events import (
    Advanced,
    BatchTrained,
    EpochTrained,
    Event,
    Note,
    Reporter,
    Transferred,
)

LAST_EPOCHS = 5


@contextlib.contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter for as long as the block lasts."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():  # FORCE_COLOR would make a terminal of a pipe
        yield print_plain
        return
    display = LiveDisplay(console)
    with display.live:
        yield display


def print_plain(event: Event) -> None:
    """One line for a note, an epoch, a finished count or file; nothing in between."""
    if isinstance(event, Note):
        print_note(event)
    elif isinstance(event, EpochTrained):
        typer.echo(epoch_line(event), err=True)
    elif isinstance(event, Advanced) and event.done == event.total:
        typer.echo(f"{event.what}: {event.done}", err=True)
    elif isinstance(event, Transferred) and event.done == event.total:
        typer.echo(f"{event.what}: {filesize.decimal(event.done)}", err=True)


def print_note(note: Note) -> None:
    """A note as a plain line."""
    typer.echo(printable(f"{'warning: ' if note.is_warning else ''}{note.message}"), err=True)


def printable(text: str) -> str:
    r"""Text without what would move the cursor, ring or hide: a file's name may hold that.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def epoch_line(event: EpochTrained) -> str:
    """An epoch on one line."""
    line = (
        f"epoch {event.epoch}/{event.epochs}  batch {event.batches}/{event.batches}"
        f"  generator {event.generator_loss:.4f}  discriminator {event.discriminator_loss:.4f}"
        f"  {event.images_per_second:.1f} img/s"
    )
    if event.epoch < event.epochs:
        minutes, seconds = divmod(round(event.seconds_left), 60)
        line += f"  {minutes}m{seconds:02d}s left"
    if event.validation_mae is not None:
        line += f"  held-out MAE {event.validation_mae:.1f}"
    return line


def transfers(console: Console) -> Progress:
    """Bars with size, speed and time left, within 80 columns."""
    name = Column(max_width=24, no_wrap=True, overflow="ellipsis")
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


class LiveDisplay:
    """A bar; while training, the losses of the current batch and of the last epochs."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),  # short of the edge: an echoed ^C must not start a line
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            console=console,
        )
        self.tasks: dict[str, TaskID] = {}
        self.transfers = transfers(console)
        self.files: dict[str, TaskID] = {}
        self.batch: BatchTrained | None = None
        self.epochs: list[EpochTrained] = []
        self.live = Live(
            get_renderable=self.render, console=console, refresh_per_second=8, transient=True
        )

    def __call__(self, event: Event) -> None:
        """Take an event into the display."""
        if isinstance(event, Note):
            style = "yellow" if event.is_warning else ""
            self.console.print(Text(printable(event.message), style=style))
        elif isinstance(event, Advanced):
            self.advance(event.what, event.done, event.total)
        elif isinstance(event, Transferred):
            self.transfer(event)
        elif isinstance(event, BatchTrained):
            self.batch = event
            done = (event.epoch - 1) * event.batches + event.batch
            self.advance("batches", done, event.epochs * event.batches)
        elif isinstance(event, EpochTrained):
            self.epochs = [*self.epochs, event][-LAST_EPOCHS:]
            if event.validation_mae is not None:
                line = f"epoch {event.epoch}: held-out MAE {event.validation_mae:.1f}"
                self.console.print(Text(line))

    def advance(self, what: str, done: int, total: int) -> None:
        """Move a bar; the first call makes it."""
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total)
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
        return Group(self.table(), *bars) if self.batch else Group(*bars)

    def table(self) -> Table:
        """Losses: the last epochs' means, then the current batch's."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("epoch")
        for name in ("batch", "generator", "discriminator", "img/s"):
            table.add_column(name, justify="right")
        for event in self.epochs:
            table.add_row(
                f"{event.epoch}/{event.epochs}",
                f"{event.batches}/{event.batches}",
                f"{event.generator_loss:.4f}",
                f"{event.discriminator_loss:.4f}",
                f"{event.images_per_second:.1f}",
                style="dim",
            )
        if self.batch:
            table.add_row(
                f"{self.batch.epoch}/{self.batch.epochs}",
                f"{self.batch.batch}/{self.batch.batches}",
                f"{self.batch.generator_loss:.4f}",
                f"{self.batch.discriminator_loss:.4f}",
                "",
            )
        return table
