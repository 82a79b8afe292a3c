"""The engine's events on stderr: live on a terminal, as plain lines elsewhere."""

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich import filesize, progress
from rich.console import Console, Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text
from rich.theme import Theme

from sketchcli.cli.streams import say
from sketchcli.cli.verbosity import current
from sketchcli.engine import events
from sketchcli.engine.events import EpochTrained, Event, Found, Note, Reporter, Validated
from sketchcli.engine.training.budget import duration
from sketchcli.engine.wording import number, printable

# Rich's cyan and green are hardly visible on white.
READABLE = Theme(dict.fromkeys(("progress.remaining", "progress.download"), "default"))
DUMB = frozenset({"", "dumb", "unknown"})  # values of TERM
SPEED_PERIOD = 300.0  # seconds of speed samples for the time left, as a batch may take long


@contextlib.contextmanager
def reporting(*, is_shown: bool = True) -> Iterator[Reporter]:
    """Provide a reporter for the block; only the main process of several is shown."""
    if not is_shown:
        yield events.SILENT
        return
    # FORCE_COLOR would make Rich treat a pipe as a terminal. Some terminals only print lines.
    is_dumb = os.environ.get("TERM", "" if os.name == "posix" else "windows").lower() in DUMB
    if current().is_quiet or not current().has_bars or not sys.stderr.isatty() or is_dumb:
        yield print_plain
        return
    display = LiveDisplay(SafeConsole(stderr=True))
    with display.live:
        yield display


class SafeConsole(Console):
    """A console on which text is only text: no escape codes, no markup, no emoji."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Rich's own
        super().__init__(markup=False, emoji=False, theme=READABLE, **options)
        if not self.width:  # with COLUMNS=0, nothing would be shown
            self.width = 80

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401
        """Render a string as one line; what has several is a `Text`."""
        return super().render_str(printable(text), **options)


def print_plain(event: Event) -> None:
    """Print one line per note, epoch, validation, finding, and finished count or transfer.

    With --quiet, print only warnings and vital notes.
    """
    is_vital = is_warning(event) or (isinstance(event, Note) and event.is_vital)
    if current().is_quiet and not is_vital:
        return
    if isinstance(event, Note | Found):
        say(told(event), is_error=True)
    elif isinstance(event, EpochTrained):
        say(epoch_line(event), is_error=True)
    elif isinstance(event, Validated):
        say(measured_line(event), is_error=True)
    elif isinstance(event, events.Advanced) and event.done == event.total:
        say(f"{event.what}: {event.done}", is_error=True)
    elif isinstance(event, events.Transferred) and event.done == event.total:
        say(f"{event.what}: {filesize.decimal(event.done)}", is_error=True)


def is_warning(event: Event) -> bool:
    """Return whether an event begins with `warning: `, and is shown even with --quiet."""
    return isinstance(event, Found) or (isinstance(event, Note) and event.is_warning)


def told(event: Note | Found) -> str:
    """Return a note, or a finding of the training doctor, on one line."""
    text = f"epoch {event.epoch}: {event.message}" if isinstance(event, Found) else event.message
    return printable(f"{'warning: ' if is_warning(event) else ''}{text}")


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
    """Return a validation on one line; a star marks the best score so far."""
    whose = "held-out" if event.is_held_out else "training"
    line = f"epoch {event.epoch}/{event.epochs}  {whose} pairs"
    for name in ("ssim", "mae"):
        if name in event.scores:
            line += f"  {name} {number(event.scores[name])}"
    return f"{line}  score {number(event.score)}{'  *' if event.is_best else ''}"


# The live view of a training run shows its last epochs and its state.

LAST_EPOCHS = 5
NARROW, PART = 80, 8  # columns that the losses need, and each part of the generator's loss
SHORT = {
    "adversarial": "adv",
    "reconstruction": "recon",
    "structure": "struct",
    "gradient": "grad",
    "feature_matching": "feat",
    "perceptual": "perc",
}


class LiveDisplay:
    """Progress bars and, during training, losses above them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = progress.Progress(
            described(26),
            progress.BarColumn(bar_width=24),  # leaves room, as an echoed ^C must not wrap
            progress.TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            progress.TimeRemainingColumn(),
            console=console,
            speed_estimate_period=SPEED_PERIOD,
        )
        self.transfers = progress.Progress(  # all of this fits into 80 columns
            described(24),
            progress.BarColumn(bar_width=16),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
        )
        # Another thread renders this list, so it is replaced and never changed.
        self.epochs: list[EpochTrained] = []  # the last few
        self.batch: events.BatchTrained | None = None
        self.skipped = 0  # batches in which a network was not updated
        self.live = Live(
            get_renderable=self.render, console=console, refresh_per_second=8, transient=True
        )

    def __call__(self, event: Event) -> None:
        """Update the display with an event."""
        if isinstance(event, Note | Found):
            self.console.print(Text(told(event), style="bold" if is_warning(event) else ""))
        elif isinstance(event, events.Advanced):
            move(self.progress, event.what, event.done, event.total)
        elif isinstance(event, events.Transferred):
            move(self.transfers, event.what, event.done, event.total)
        elif isinstance(event, events.BatchTrained):
            self.batch = event
            self.skipped += bool(event.skipped)
            done = (event.epoch - 1) * event.batches + event.batch
            move(self.progress, "batches", done, event.epochs * event.batches)
        elif isinstance(event, EpochTrained):
            self.epochs = [*self.epochs, event][-LAST_EPOCHS:]
            self.console.print(Text(last_batch_line(event)))  # stays when the live view ends
        elif isinstance(event, Validated):
            style = "bold" if event.is_best else ""
            self.console.print(Text(measured_line(event), style=style))  # stays, too

    def render(self) -> Group:
        """Return what the terminal shows now."""
        bars = [self.transfers, self.progress] if self.transfers.tasks else [self.progress]
        if self.batch is None:
            return Group(*bars)
        names = [name for name in self.batch.parts if name != "gradient_norm"]  # not a loss
        names.sort(key=[*SHORT, *names].index)
        columns = names if self.console.width >= NARROW + PART * len(names) else []
        losses, state = self.losses(self.batch, columns), [] if columns else names
        return Group(losses, "", self.state(self.batch, state), *bars)

    def losses(self, batch: events.BatchTrained, names: Sequence[str]) -> Table:
        """Return the last epochs' means and the current batch's losses; `names` are columns."""
        table = plain_table(
            "epoch",
            *("batch", "generator\nloss", "discriminator\nloss"),
            *(SHORT.get(name, name) for name in names),
            *("real\nacc.", "generated\nacc.", "overfit\ntrained", "img/s"),
        )
        rows: list[EpochTrained | events.BatchTrained] = [*self.epochs, batch]
        for event in rows:
            if isinstance(event, EpochTrained):
                which, speed, style = "mean", f"{event.images_per_second:.1f}", "dim"
            else:
                which, speed, style = f"{event.batch}/{event.batches}", "", "none"
            table.add_row(
                f"{event.epoch}/{event.epochs}",
                which,
                number(event.generator_loss),
                number(event.discriminator_loss),
                *(number(event.parts.get(name)) for name in names),
                formatted(event.judging.get("real_accuracy"), ".0%"),
                formatted(event.judging.get("fake_accuracy"), ".0%"),
                formatted(event.judging.get("real_sign"), "+.2f"),
                speed,
                style=style,
            )
        return table

    def state(self, batch: events.BatchTrained, names: Sequence[str]) -> Text:
        """Return one line: parts of the loss, learning rate, memory and skipped steps."""
        found = {SHORT.get(name, name): number(batch.parts.get(name)) for name in names}
        if self.epochs:
            lr, megabytes = self.epochs[-1].lr, self.epochs[-1].memory_mb
            found["lr"] = f"{lr:.1e}".replace("e-0", "e-")
            if megabytes:
                is_large = megabytes >= 1000
                found["memory"] = (
                    f"{megabytes / 1000:.1f} GB" if is_large else f"{megabytes:.0f} MB"
                )
        if batch.strength != 1:
            found["augmented"] = f"{batch.strength:.0%}"
        line = Text(overflow="fold")
        for name, value in found.items():
            line.append(f"{name} ", style="dim").append(f"{value}   ")
        if self.skipped:
            line.append(f"skipped {self.skipped}", style="bold")
        return line


def described(width: int) -> progress.TextColumn:
    """Return the label column of a bar, at most `width` columns wide; it may hold file names."""
    column = Column(max_width=width, no_wrap=True, overflow="ellipsis")
    return progress.TextColumn("{task.description}", markup=False, table_column=column)


def move(bars: progress.Progress, what: str, done: int, total: int | None) -> None:
    """Move a bar; the first call adds it, at the position of a resumed run or download."""
    what = printable(what)
    task = next((task.id for task in bars.tasks if task.description == what), None)
    if task is None:
        task = bars.add_task(what, total=total, completed=done)
    bars.update(task, completed=done, total=total)


def plain_table(first: str, *names: str) -> Table:
    """Return a table without lines: words on the left, right-aligned numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, vertical="bottom")
    for name in names:
        table.add_column(Text(name), justify="right", vertical="bottom")
    return table


def formatted(value: float | None, layout: str) -> str:
    """Format a number for a cell, which stays empty if the value is None or NaN.

    >>> formatted(0.715, ".0%"), formatted(0.314, "+.2f"), formatted(math.nan, "+.2f")
    ('72%', '+0.31', '')
    """
    return "" if value is None or math.isnan(value) else format(value, layout)
