"""The processes that train one model together; alone, there is one."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from sketchcli.engine.events import SILENT, Reporter

Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Args:
        rank: This one's number, from 0.
        count: Of the processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def describe(self) -> str:
        """How many they are, where they are more than one."""
        return f"{self.count} processes, each " if self.count > 1 else ""

    def first_only(
        self, block: contextlib.AbstractContextManager[object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block that the first process enters; the others pass by."""
        return block if self.is_first else contextlib.nullcontext()

    def first_before_others(self, make: Callable[[], Made]) -> Made:
        """What is made or found on the disk: by the first process, then by the others."""
        made = make() if self.is_first else None
        self.wait()
        return make() if made is None else made

    def first_report(self, report: Reporter) -> Reporter:
        """A reporter that only the first process's events reach."""
        return report if self.is_first else SILENT

    def prepare(self, network: nn.Module) -> nn.Module:
        """A network, not placed yet, whose batch norms see the whole batch."""
        return network

    def wrap(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are the mean of all processes' after `backward`."""
        return network

    def not_sharing(
        self, network: Callable[..., object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block in which `network`'s gradients are kept to this process."""
        del network
        return contextlib.nullcontext()

    def rows(self, count: int) -> tuple[int, int]:
        """First row, and the one after the last, of this process's part of a batch."""
        return self.rank * count // self.count, (self.rank + 1) * count // self.count

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over all processes."""
        return dict(values)

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """The first process's values, for all."""
        return dict(values)

    def text_of_first(self, text: str) -> str:
        """The first process's text, for all."""
        return text

    def any(self, answer: bool) -> bool:
        """Whether one process at least says yes."""
        return answer

    def all(self, answer: bool) -> bool:
        """Whether every process says yes."""
        return answer

    def is_same(self, value: float) -> bool:
        """Whether every process has the same value."""
        return self.all(self.as_first({"value": value})["value"] == value)

    def wait(self) -> None:
        """Go on when every process is here."""


ALONE = Ranks()
