"""An installation as a block of text that can be pasted into a report."""

import textwrap
from pathlib import Path

import typer

from sketchcli.cli.progress import printable
from sketchcli.engine.installation.findings import Check, Installation

WIDEST = 100  # columns, whatever the terminal has: it is to be pasted
INDENT = " " * 20


def show(found: Installation, columns: int) -> None:
    """Print the block."""
    for check in found.checks:
        typer.echo(lines(check, min(WIDEST, columns)))
    unable = [verb for verb, can_run in found.can_run.items() if not can_run]
    typer.echo(f"cannot run: {', '.join(unable)}" if unable else "all five verbs can run")


def lines(check: Check, columns: int) -> str:
    """A check on a line or more: how grave, what, what was found, what to do."""
    told = _filled(f"{check.state.value:8}{check.name:12}", check.summary, columns)
    return f"{told}\n{_filled(INDENT + '-> ', check.hint, columns)}" if check.hint else told


def _filled(start: str, text: str, columns: int) -> str:
    return textwrap.fill(
        without_home(text),
        columns,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )


def without_home(text: str) -> str:
    """Text in which the user's own folder is `~`, and nothing moves the cursor."""
    return printable(text.replace(str(Path.home()), "~"))
