"""Options that several commands share."""

import functools
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from sketchcli.cli import completing
from sketchcli.errors import UsageError

SMALLEST_SIDE, LARGEST_SIDE = 16, 1024  # pixels

JSON_HELP = "Print the result as JSON to stdout."
DEVICE_HELP = "Device to compute on: auto (CUDA if available), cpu, cuda, cuda:1 or mps."

Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite existing output.")]
SEED_HELP = "Random seed."
DEVICES = completing.among(("auto", "cpu", "cuda", "mps"))
DeviceName = Annotated[str, typer.Option("--device", help=DEVICE_HELP, autocompletion=DEVICES)]
Seed = Annotated[int, typer.Option(metavar="N", help=SEED_HELP, min=0)]
Size = Annotated[str, typer.Option(metavar="N|WxH", help="Image size in pixels, such as 160x200.")]


def panel(title: str) -> Callable[..., Any]:
    """Return `typer.Option` for the options of one panel of a command's help."""
    return functools.partial(typer.Option, rich_help_panel=title)


def parse_size(
    text: str, *, smallest: int = SMALLEST_SIDE, largest: int = LARGEST_SIDE
) -> tuple[int, int]:
    """Return height and width from `128` or `160x200` (width first, as people write it).

    Each has `smallest` to `largest` pixels; the error names the nearest size that is possible.

    >>> parse_size("160x200")
    (200, 160)
    """
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise UsageError(f"invalid value for --size: '{text}'", hint="use for example 160x200")
    width, height = int(match[1]), int(match[2] or match[1])
    if not smallest <= min(width, height) <= max(width, height) <= largest:
        near = "x".join(str(min(max(side, smallest), largest)) for side in (width, height))
        raise UsageError(
            f"--size {text} is out of range",
            hint=f"use {smallest} to {largest} pixels for width and height, such as --size {near}",
        )
    return height, width
