"""What is found out about an installation, and what that stops."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sketchcli.errors import ExitCode

VERBS = ("fetch-data", "preprocess", "train", "generate", "eval")


class State(StrEnum):
    """How grave it is."""

    OK = "ok"
    NOTE = "note"  # worth knowing; everything runs
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: Of the thing, in a word.
        state: How grave it is.
        summary: What was found, in a sentence.
        hint: What to type or change, where something can be.
        stops: The verbs that cannot run so.
        exit_code: That `doctor` ends with, where this is the first problem.
        facts: The same for programs.
    """

    name: str
    state: State
    summary: str
    hint: str = ""
    stops: tuple[str, ...] = ()
    exit_code: int = ExitCode.OK
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Installation:
    """All that was looked at, in the order of `sketch2img doctor`, and which verbs can run."""

    checks: tuple[Check, ...]
    can_run: dict[str, bool]

    @property
    def problems(self) -> tuple[Check, ...]:
        """What is broken."""
        return tuple(check for check in self.checks if check.state is State.PROBLEM)

    @property
    def exit_code(self) -> ExitCode:
        """0 if all five verbs can run, else the first problem's."""
        return ExitCode(self.problems[0].exit_code) if self.problems else ExitCode.OK


def installation(checks: Iterable[Check]) -> Installation:
    """The checks, and which verbs they leave."""
    found = tuple(checks)
    stopped = {verb for check in found for verb in check.stops}
    return Installation(found, {verb: verb not in stopped for verb in VERBS})
