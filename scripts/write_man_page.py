"""Write the man page from the program itself: `make docs`.

A test compares it with the program. Run `man -l man/sketch2img.1` to read it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from sketchcli import __version__
from sketchcli.cli.app import EXAMPLES, app
from sketchcli.errors import ExitCode

PAGE = Path(__file__).parent.parent / "man" / "sketch2img.1"
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
FILES = {
    "raw/": "raw datasets, as fetched",
    "prepared/": "prepared datasets, ready for training",
    "runs/": "one folder per training run",
    "assets/": "downloaded networks",
    "evaluations/": "one folder per evaluation",
}


def page() -> str:
    """Return the whole page, in the man macros of roff."""
    group: Any = typer.main.get_command(app)
    parts = [
        f'.TH SKETCH2IMG 1 "" "sketch2img {__version__}" "User Commands"',
        ".SH NAME",
        "sketch2img \\- turn sketches into photos with a conditional GAN",
        ".SH SYNOPSIS",
        ".B sketch2img",
        ".I COMMAND",
        "[OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        text(group.help),
        text("The usual order of the commands: fetch-data, preprocess, train, generate, eval."),
        ".SH COMMANDS",
        *(line for name, command in group.commands.items() for line in section(name, command)),
        ".SH EXIT STATUS",
        *table(exit_codes()),
        ".SH ENVIRONMENT",
        *table(rows("environment.md")),
        ".SH FILES",
        "In SKETCH2IMG_HOME or, by default, the user's data folder of the platform:",
        *table(FILES),
    ]
    return "\n".join(parts) + "\n"


def section(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - a class of Typer's own
    """Yield the section of a command: what it does, its arguments and options, examples."""
    with command.make_context(name, [], resilient_parsing=True) as context:
        pieces = command.collect_usage_pieces(context)
        yield f".SS {text('sketch2img ' + ' '.join([name, *pieces]))}"
        for number, paragraph in enumerate(command.help.split("\n\n")):
            yield from [".PP"] * (number > 0)
            yield text(" ".join(paragraph.split()))
        for parameter in command.get_params(context):
            yield ".TP"
            yield label(parameter)
            yield text(plain(parameter.help or ""))
    yield ".PP"
    yield "Examples:"
    yield ".PP"
    yield ".nf"
    yield from (text(f"    {example}") for example in EXAMPLES[name])
    yield ".fi"


def label(parameter: Any) -> str:  # noqa: ANN401 - a class of Typer's own
    """Return an option as it is typed, or an argument's name."""
    own = parameter.opts[0].lstrip("-").upper()
    value = parameter.metavar if parameter.metavar is not None else own
    if parameter.param_type_name == "argument":
        return f".I {text(value)}"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    bold = f"\\fB{text(names)}\\fR"
    return bold if parameter.is_flag or not value else f"{bold} \\fI{text(value)}\\fR"


def table(meanings: dict[str, str]) -> Iterator[str]:
    """Yield a list of names and their meanings."""
    for name, meaning in meanings.items():
        yield ".TP"
        yield f"\\fB{text(name)}\\fR"
        yield text(meaning)


def exit_codes() -> dict[str, str]:
    """Return each exit code and its meaning, from the reference page."""
    meanings = rows("exit-codes.md", columns=3)
    return {str(int(code)): meanings[str(int(code))] for code in ExitCode}


def rows(name: str, columns: int = 2) -> dict[str, str]:
    """Return the first and the last column of a page's table, without Markdown."""
    lines = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")][1:]
    known = [row for row in cells if len(row) == columns]
    return {unmarked(row[0]): unmarked(row[-1]) for row in known}


def unmarked(markdown: str) -> str:
    """Remove the marks of Markdown from a text."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").strip()


def plain(help_text: str) -> str:
    """Remove the marks of Rich from a help text."""
    return " ".join(help_text.replace("\\[", "[").split())


def text(line: str) -> str:
    """Escape a line so that roff prints it as it is."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
