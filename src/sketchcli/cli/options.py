"""Options that several verbs share, declared once."""

import re
from typing import Annotated

import typer

from sketchcli.cli import completing
from sketchcli.errors import UsageError

SMALLEST_SIDE, LARGEST_SIDE = 16, 1024

JSON_HELP = "Print the result as JSON on stdout."
DEVICE_HELP = "auto (CUDA if there is one), cpu, cuda, cuda:1 or mps."

Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
SEED_HELP = "Seed of everything that is drawn at random."
DEVICES = completing.among(("auto", "cpu", "cuda", "mps"))
DeviceName = Annotated[str, typer.Option("--device", help=DEVICE_HELP, autocompletion=DEVICES)]
Seed = Annotated[int, typer.Option(metavar="N", help=SEED_HELP, min=0)]
Size = Annotated[str, typer.Option(metavar="N|WxH", help="Size in pixels: 128, or 160x200.")]


def parse_size(text: str, *, largest: int = LARGEST_SIDE) -> tuple[int, int]:
    """Height and width from `128` or `160x200` (width first, as people write it).

    Args:
        text: What was typed.
        largest: Pixels of a side that are allowed.

    Raises:
        UsageError: Not a size, or out of bounds.

    >>> parse_size("160x200")
    (200, 160)
    """
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise UsageError(f"--size {text}: not a size", hint="write 128, or 160x200")
    width, height = int(match[1]), int(match[2] or match[1])
    if not SMALLEST_SIDE <= min(width, height) <= max(width, height) <= largest:
        raise UsageError(
            f"--size {text}: out of bounds", hint=f"from {SMALLEST_SIDE} to {largest} pixels"
        )
    return height, width
