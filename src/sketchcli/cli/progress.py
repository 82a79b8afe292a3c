"""The engine's events on stderr: live on a terminal, as plain lines elsewhere."""

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import typer
from rich import filesize
from rich.console import Console, Group, RenderableType
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
from rich.theme import Theme

from sketchcli.cli.verbosity import current
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
from sketchcli.engine.wording import number

# Rich's cyan and green are hardly visible on white.
READABLE = Theme(dict.fromkeys(("progress.remaining", "progress.download"), "default"))
SPEED_PERIOD = 300.0  # seconds of speed samples for the time left, as a batch may take long


@contextlib.contextmanager
def reporting(*, is_shown: bool = True) -> Iterator[Reporter]:
    """Provide a reporter for the block; only the main process of several is shown."""
    if not is_shown:
        yield SILENT
        return
    manner = current()
    # FORCE_COLOR would make Rich treat a pipe as a terminal.
    if manner.is_quiet or not (manner.has_bars and sys.stderr.isatty()):
        yield print_plain
        return
    display = LiveDisplay(Console(stderr=True, theme=READABLE))
    with display.live:
        yield display


def print_plain(event: Event) -> None:
    """Print one line per note, epoch, validation, finding, and finished count or transfer.

    With --quiet, print only warnings.
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
    """Return whether an event is shown even with --quiet."""
    return isinstance(event, Found) or (isinstance(event, Note) and event.is_warning)


def told(event: Note | Found) -> str:
    """Return a note, or a finding of the training doctor, on one line."""
    text = f"epoch {event.epoch}: {event.message}" if isinstance(event, Found) else event.message
    return printable(f"{'warning: ' if is_warning(event) else ''}{text}")


def printable(text: str) -> str:
    r"""Escape what would move the cursor, ring or hide, since file names may contain it.

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
    """Return a validation on one line; a star marks the best score so far."""
    whose = "held-out" if event.is_held_out else "training"
    figures = {name: event.scores[name] for name in ("ssim", "mae") if name in event.scores}
    shown = [
        f"{name} {number(value)}" for name, value in (figures | {"score": event.score}).items()
    ]
    return "  ".join([f"epoch {event.epoch}/{event.epochs}  {whose} pairs", *shown]) + (
        "  *" if event.is_best else ""
    )


def transfers(console: Console) -> Progress:
    """Return bars with size, speed and time left, within 80 columns."""
    return Progress(
        described(24),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def described(width: int) -> TextColumn:
    """Return the label column of a bar, at most `width` columns wide; it may hold file names."""
    column = Column(max_width=width, no_wrap=True, overflow="ellipsis")
    return TextColumn("{task.description}", markup=False, table_column=column)


class LiveDisplay:
    """Progress bars and, during training, losses and scores above them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            described(26),
            BarColumn(bar_width=24),  # leaves room, as an echoed ^C must not wrap
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
        """Update the display with an event."""
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
        """Move a bar; the first call adds it, at the position of a resumed run."""
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total, completed=done)
        self.progress.update(self.tasks[what], completed=done, total=total)

    def transfer(self, event: Transferred) -> None:
        """Move a file's bar; the first call adds it, at the position of a resumed download."""
        if event.what not in self.files:
            task = self.transfers.add_task(event.what, total=event.total, completed=event.done)
            self.files[event.what] = task
        self.transfers.update(self.files[event.what], completed=event.done, total=event.total)

    def render(self) -> Group:
        """Return what the terminal shows now."""
        bars = [self.transfers, self.progress] if self.files else [self.progress]
        if self.training.batch is None:
            return Group(*bars)
        return Group(self.training.render(self.console.width), *bars)


# The live view of a training run shows its last epochs, its last validations and its state.

LAST_EPOCHS, LAST_MEASURED = 5, 3
WIDE = 110  # columns that all values of a validation need
NARROW, PART = 80, 8  # columns that the losses need, and each part of the generator's loss
NOT_LOSSES = {"gradient_norm"}  # reported among the losses, but not one of them
SHORT = {
    "adversarial": "adv",
    "reconstruction": "recon",
    "structure": "struct",
    "gradient": "grad",
    "feature_matching": "feat",
    "perceptual": "perc",
}
TITLES = {
    "ssim": "SSIM",
    "lpips-alex": "LPIPS",
    "mae": "MAE",
    "gradient": "gradient",
    "sharpness": "sharpness",
}
Trained = BatchTrained | EpochTrained


@dataclass
class TrainingView:
    """The state of a run that is shown: `take` updates it, `render` shows it."""

    batch: BatchTrained | None = None
    epochs: list[EpochTrained] = field(default_factory=list)  # the last few
    measured: list[Validated] = field(default_factory=list)  # the last few
    best: Validated | None = None
    skipped: int = 0  # batches in which a network was not updated

    def take(self, event: Event) -> None:
        """Update the view with an event; other kinds of events change nothing."""
        if isinstance(event, BatchTrained):
            self.batch = event
            self.skipped += bool(event.skipped)
        elif isinstance(event, EpochTrained):
            self.epochs = [*self.epochs, event][-LAST_EPOCHS:]
        elif isinstance(event, Validated):
            self.measured = [*self.measured, event][-LAST_MEASURED:]
            self.best = event if event.is_best else self.best

    def render(self, width: int) -> RenderableType:
        """Return what a terminal of `width` columns shows now."""
        names = loss_names(self.batch.parts) if self.batch else []
        has_room = width >= NARROW + PART * len(names)
        parts: list[RenderableType] = [self.losses(names if has_room else [])]
        if self.measured:
            parts += ["", self.measurements(is_wide=width >= WIDE)]
        return Group(*parts, "", self.now([] if has_room else names))

    def losses(self, names: Sequence[str]) -> Table:
        """Return the last epochs' means and the current batch's losses; `names` are columns."""
        table = plain_table("epoch", "batch", "generator\nloss", "discriminator\nloss")
        add_columns(table, *(SHORT.get(name, name) for name in names))
        add_columns(table, "real\nacc.", "generated\nacc.", "overfit\ntrained", "img/s")
        for epoch in self.epochs:
            speed = f"{epoch.images_per_second:.1f}"
            table.add_row(where(epoch), "mean", *figures(epoch, names), speed, style="dim")
        if self.batch:
            batch = f"{self.batch.batch}/{self.batch.batches}"
            table.add_row(where(self.batch), batch, *figures(self.batch, names), "")
        return table

    def measurements(self, *, is_wide: bool) -> Table:
        """Return the last validations, and the best one."""
        shown = list(self.measured)
        if self.best is not None and self.best not in shown:
            shown = [self.best, *shown[1:]]
        known = [name for name in TITLES if name in shown[-1].scores]
        whose = "held-out" if shown[-1].is_held_out else "training"
        table = plain_table(f"{whose} pairs", "score  ", *(TITLES[name] for name in known))
        add_columns(table, "overfit\nheld-out")
        if is_wide:
            add_columns(table, "trained\nSSIM", "colour\nshift", "diversity", "sketch\nuse")
        for event in shown:
            is_best = event is self.best
            extra = (
                number(event.training_scores.get("ssim")),
                number(event.colour_shift),
                number(event.diversity),
                number(event.sketch_use),
            )
            table.add_row(
                f"epoch {event.epoch}",
                f"{number(event.score)} {'*' if is_best else ' '}",
                *(number(event.scores.get(name)) for name in known),
                signed(event.real_sign_held_out),
                *(extra if is_wide else ()),
                style="bold" if is_best else "dim",
            )
        return table

    def now(self, names: Sequence[str]) -> Text:
        """Return one line: parts of the loss, learning rate, memory and skipped steps."""
        found = {}
        if self.batch:
            found = {SHORT.get(n, n): number(self.batch.parts.get(n)) for n in names}
        if self.epochs:
            last = self.epochs[-1]
            found["lr"] = f"{last.lr:.1e}".replace("e-0", "e-")
            if last.memory_mb:
                found["memory"] = memory(last.memory_mb)
        if self.batch and self.batch.strength != 1:
            found["augmented"] = share(self.batch.strength)
        line = Text(overflow="fold")
        for name, value in found.items():
            line.append(f"{name} ", style="dim").append(f"{value}   ")
        if self.skipped:
            line.append(f"skipped {self.skipped}", style="bold")
        return line


def plain_table(first: str, *names: str) -> Table:
    """Return a table without lines: words on the left, right-aligned numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, vertical="bottom")
    add_columns(table, *names)
    return table


def add_columns(table: Table, *names: str) -> None:
    """Add right-aligned columns."""
    for name in names:
        table.add_column(name, justify="right", vertical="bottom")


def where(event: Trained) -> str:
    """Return the epoch and the number of epochs."""
    return f"{event.epoch}/{event.epochs}"


def figures(event: Trained, names: Sequence[str]) -> list[str]:
    """Return cells: both losses, parts of the generator's, the discriminator's accuracy."""
    return [
        number(event.generator_loss),
        number(event.discriminator_loss),
        *(number(event.parts.get(name)) for name in names),
        share(event.judging.get("real_accuracy")),
        share(event.judging.get("fake_accuracy")),
        signed(event.judging.get("real_sign")),
    ]


def loss_names(parts: Mapping[str, float]) -> list[str]:
    """Return the names of the generator's losses, in a fixed order."""
    order = list(SHORT)
    names = [name for name in parts if name not in NOT_LOSSES]
    return sorted(names, key=lambda n: order.index(n) if n in order else len(order))


def share(value: float | None) -> str:
    """Format a fraction as a percentage.

    >>> share(0.715)
    '72%'
    """
    return "" if value is None else f"{value:.0%}"


def signed(value: float | None) -> str:
    """Format a number in [-1, 1] with its sign.

    >>> signed(0.314)
    '+0.31'
    """
    return "" if value is None or math.isnan(value) else f"{value:+.2f}"


def memory(megabytes: float) -> str:
    """Format a memory size in megabytes or gigabytes.

    >>> memory(812.3), memory(5210.0)
    ('812 MB', '5.2 GB')
    """
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
