"""The processes that train one model together; alone, there is one."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from sketchcli.engine.events import SILENT, Reporter


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

    def first_only(
        self, block: contextlib.AbstractContextManager[object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block that the first process enters; the others pass by."""
        return block if self.is_first else contextlib.nullcontext()

    def first_report(self, report: Reporter) -> Reporter:
        """A reporter that only the first process's events reach."""
        return report if self.is_first else SILENT

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

    def any(self, answer: bool) -> bool:
        """Whether one process at least says yes."""
        return answer

    def all(self, answer: bool) -> bool:
        """Whether every process says yes."""
        return answer

    def wait(self) -> None:
        """Go on when every process is here."""


ALONE = Ranks()
