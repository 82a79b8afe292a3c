"""Pictures in a terminal: each cell is a half block, two pixels, one above the other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.style import Style
from rich.text import Text

from sketchcli.engine.results import GenerateResult

HALF_BLOCK = "\u2580"
MOST_SHOWN = 8
WIDEST = 64  # cells


def preview(result: GenerateResult) -> None:
    """Show the first photos on stderr, where that is a terminal that has the colours."""
    console = Console(stderr=True)
    has_colours = console.color_system in {"256", "truecolor"}
    if not (sys.stderr.isatty() and has_colours and not console.no_color):
        typer.echo("--show: no terminal with colours here; look at the files", err=True)
        return
    photos = [file.output for file in result.files if file.output is not None]
    for path in photos[:MOST_SHOWN]:
        for line in cells(path, min(WIDEST, console.width)):
            console.print(line)
        console.print(Text(str(path), style="dim"))
    if len(photos) > MOST_SHOWN:
        console.print(f"and {len(photos) - MOST_SHOWN} more")


def cells(path: Path, width: int) -> Iterator[Text]:
    """The lines of a picture, `width` cells wide at most."""
    from sketchcli import images

    photo = images.read_rgb(path)
    height, width = images.inner_size(photo.shape, (2 * WIDEST, width))
    pixels = images.resize(photo, (max(2, height - height % 2), width)).tolist()
    for above, below in zip(pixels[::2], pixels[1::2], strict=True):
        line = Text()
        for top, bottom in zip(above, below, strict=True):
            line.append(HALF_BLOCK, Style(color=_rgb(top), bgcolor=_rgb(bottom)))
        yield line


def _rgb(pixel: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)
