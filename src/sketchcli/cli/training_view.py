"""A training run on a terminal: its last epochs, its last measurements, where it stands."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sketchcli.engine.events import BatchTrained, EpochTrained, Event, Validated

LAST_EPOCHS, LAST_MEASURED = 5, 3
WIDE = 110  # columns, that all figures of a measurement need
NARROW, PART = 80, 8  # columns that the losses need, and each of the generator's parts
NOT_LOSSES = {"gradient_norm"}  # told with them, and none
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
    """What is shown of a run; events go in, a picture of the moment comes out."""

    batch: BatchTrained | None = None
    epochs: list[EpochTrained] = field(default_factory=list)  # the last few
    measured: list[Validated] = field(default_factory=list)  # the last few
    best: Validated | None = None
    skipped: int = 0  # batches in which a network learnt nothing

    def take(self, event: Event) -> None:
        """Take an event in; of another kind, it changes nothing."""
        if isinstance(event, BatchTrained):
            self.batch = event
            self.skipped += bool(event.skipped)
        elif isinstance(event, EpochTrained):
            self.epochs = [*self.epochs, event][-LAST_EPOCHS:]
        elif isinstance(event, Validated):
            self.measured = [*self.measured, event][-LAST_MEASURED:]
            self.best = event if event.is_best else self.best

    def render(self, width: int) -> RenderableType:
        """What a terminal of so many columns shows now."""
        names = loss_names(self.batch.parts) if self.batch else []
        has_room = width >= NARROW + PART * len(names)
        parts: list[RenderableType] = [self.losses(names if has_room else [])]
        if self.measured:
            parts += ["", self.measurements(is_wide=width >= WIDE)]
        return Group(*parts, "", self.now([] if has_room else names))

    def losses(self, names: Sequence[str]) -> Table:
        """The last epochs' means, then the current batch's figures; the named parts as columns."""
        table = plain_table("epoch", "batch", "generator\nloss", "discriminator\nloss")
        add_columns(table, *(SHORT.get(name, name) for name in names))
        add_columns(table, "real\nfound", "generated\nfound", "overfit\ntrained", "img/s")
        for epoch in self.epochs:
            speed = f"{epoch.images_per_second:.1f}"
            table.add_row(where(epoch), "mean", *figures(epoch, names), speed, style="dim")
        if self.batch:
            batch = f"{self.batch.batch}/{self.batch.batches}"
            table.add_row(where(self.batch), batch, *figures(self.batch, names), "")
        return table

    def measurements(self, *, is_wide: bool) -> Table:
        """The last measurements, and the best one."""
        shown = list(self.measured)
        if self.best is not None and self.best not in shown:
            shown = [self.best, *shown[1:]]
        known = [name for name in TITLES if name in shown[-1].scores]
        whose = "held out" if shown[-1].is_held_out else "training"
        table = plain_table(f"{whose} pairs", "score  ", *(TITLES[name] for name in known))
        add_columns(table, "overfit\nheld out")
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
        """One line: the named parts of the loss, the rate, memory, what went wrong."""
        found = {}
        if self.batch:
            found = {SHORT.get(n, n): number(self.batch.parts.get(n)) for n in names}
        if self.epochs:
            last = self.epochs[-1]
            found["lr"] = f"{last.lr:.1e}".replace("e-0", "e-")
            found["size"] = f"{last.size[1]}x{last.size[0]}"
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
    """A table without lines: words at the left, figures right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, vertical="bottom")
    add_columns(table, *names)
    return table


def add_columns(table: Table, *names: str) -> None:
    """Columns of figures."""
    for name in names:
        table.add_column(name, justify="right", vertical="bottom")


def where(event: Trained) -> str:
    """The epoch, of how many."""
    return f"{event.epoch}/{event.epochs}"


def figures(event: Trained, names: Sequence[str]) -> list[str]:
    """Cells: both losses, the named parts of the generator's, how the discriminator did."""
    return [
        number(event.generator_loss),
        number(event.discriminator_loss),
        *(number(event.parts.get(name)) for name in names),
        share(event.judging.get("real_accuracy")),
        share(event.judging.get("fake_accuracy")),
        signed(event.judging.get("real_sign")),
    ]


def loss_names(parts: Mapping[str, float]) -> list[str]:
    """The generator's losses, in the order that they are always shown in."""
    order = list(SHORT)
    names = [name for name in parts if name not in NOT_LOSSES]
    return sorted(names, key=lambda n: order.index(n) if n in order else len(order))


def number(value: float | None) -> str:
    """Three or four digits that matter.

    >>> [number(value) for value in (0.12345, 1.2345, 21.234, 1234.5, None)]
    ['0.123', '1.234', '21.2', '1234', '']
    """
    if value is None:
        return ""
    size = abs(value)
    return f"{value:.{3 if size < 10 else 1 if size < 1000 else 0}f}"


def share(value: float | None) -> str:
    """A percentage.

    >>> share(0.715)
    '72%'
    """
    return "" if value is None else f"{value:.0%}"


def signed(value: float | None) -> str:
    """A figure between -1 and 1, with its sign.

    >>> signed(0.314)
    '+0.31'
    """
    return "" if value is None or math.isnan(value) else f"{value:+.2f}"


def memory(megabytes: float) -> str:
    """Megabytes or gigabytes.

    >>> memory(812.3), memory(5210.0)
    ('812 MB', '5.2 GB')
    """
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
