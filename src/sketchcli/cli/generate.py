"""The command `sketch2img generate`."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer
from rich.console import Console
from rich.style import Style
from rich.text import Text

from sketchcli.cli import generate_options as options
from sketchcli.cli.options import parse_size
from sketchcli.cli.progress import print_plain, reporting
from sketchcli.cli.verbosity import quick_imports
from sketchcli.engine.events import Converted, Event, Note, Reporter
from sketchcli.engine.results import GenerateResult
from sketchcli.engine.runs import find_weights
from sketchcli.errors import DataError, ExitCode, UsageError
from sketchcli.files import WRITABLE

if TYPE_CHECKING:
    from sketchcli.device import Device
    from sketchcli.engine.generating.inputs import Existing, Request, Scale, When


def generate(
    paths: options.Paths = None,
    out: options.Out = None,
    list_file: options.ListFile = None,
    watch: options.Watch = None,
    recursive: options.Recursive = True,
    include: options.Include = None,
    exclude: options.Exclude = None,
    root: options.Root = None,
    shard: options.Shard = None,
    model: options.Models = None,
    raw: options.Raw = False,
    invert: options.Invert = "auto",
    paper: options.Paper = "auto",
    align: options.Align = "none",
    paste: options.Paste = False,
    tile: options.Tile = False,
    tta: options.Tta = "none",
    variations: options.Variations = 1,
    seed: options.Seed = 0,
    size: options.Size = None,
    image_format: options.Format = None,
    quality: options.Quality = None,
    suffix: options.Suffix = "",
    skip_existing: options.SkipExisting = False,
    overwrite: options.Overwrite = False,
    compare: options.Compare = False,
    grid: options.Grid = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    show: options.Show = False,
    manifest: options.Manifest = None,
    as_json: options.Json = False,
    as_lines: options.JsonLines = False,
) -> None:
    """Generate photos from sketches: from files, folders, globs or standard input.

    A folder's tree is mirrored in OUT. Existing files are not overwritten by default.
    """
    from sketchcli.engine.generating import plan
    from sketchcli.engine.generating.inputs import Drawing, Naming, Request, Selection

    where = places(paths or [], out, list_file, is_watching=watch is not None)
    check_output(where.output, uses_stdout=as_json or as_lines, is_shown=show)
    check_picture_name("--grid", grid)
    request = Request(
        sources=where.sources,
        output=where.output,
        listed=where.listed,
        is_raw=raw,
        selection=Selection(recursive, tuple(include or ()), tuple(exclude or ()), root),
        naming=Naming(
            photo_format(image_format),
            quality,
            name_suffix(suffix),
            existing(is_skipped=skip_existing, is_replaced=overwrite),
        ),
        drawing=Drawing(
            size=photo_size(size),
            is_tiled=tile,
            invert=when("--invert", invert),
            paper=when("--paper", paper),
            is_aligned=flag("--align", align, "face"),
            is_pasted=pasting(is_asked=paste, align=align),
            is_compared=compare,
            is_flipped_too=flag("--tta", tta, "flip"),
            variations=variations,
            seed=seed,
        ),
        share=plan.parse_share(shard),
        manifest=manifest,
        grid=grid,
    )
    code = carry_out(request, model, Machine(device, precision, as_json, as_lines, show), watch)
    raise typer.Exit(code)


# Once the options are parsed, `generate` does what is light first and then loads the models.

MANY = 64  # photos; from this number on, a probe of the precision pays off


@dataclass(frozen=True)
class Machine:
    """Where to compute and how to report, as the user typed it."""

    device: str
    precision: str
    as_json: bool
    as_lines: bool
    is_shown: bool


def carry_out(
    request: "Request", models: Sequence[Path] | None, machine: Machine, watched: Path | None
) -> ExitCode:
    """Carry out a request, show its result and return the exit code."""
    from sketchcli.cli.render import emit, show_failures
    from sketchcli.engine.generating.inputs import STREAM
    from sketchcli.engine.generating.plan import exit_code

    if watched is None:
        result = run(request, models, machine)
    else:
        result = run_watch(request, watched, models, machine)
    if not machine.as_lines and request.output != STREAM:
        emit("generate", result, as_json=machine.as_json)
    elif request.output == STREAM:
        show_failures(result)
    if machine.is_shown:
        preview(result)
    return exit_code(result)


def run(request: "Request", models: Sequence[Path] | None, machine: Machine) -> GenerateResult:
    """Generate the photos of a request; its errors are raised before anything heavy is imported."""
    from sketchcli.engine.generating.plan import make_plan, nothing_to_do

    plan = make_plan(request)
    tell = _telling(print_plain, as_lines=machine.as_lines)
    if (idle := nothing_to_do(request, plan, tell)) is not None:
        return idle
    request = replace(request, models=_weights(models))

    with quick_imports():
        from sketchcli.engine.generating.generate import generate

    with reporting() as report:
        tell = _telling(report, as_lines=machine.as_lines)
        _say_models(request, tell)
        place = _device(machine, is_many=len(plan.jobs) >= MANY)
        return generate(request, device=place, reporter=tell, plan=plan)


def run_watch(
    request: "Request", folder: Path, models: Sequence[Path] | None, machine: Machine
) -> GenerateResult:
    """Convert the sketches in a folder until Ctrl-C."""
    if not request.share.is_whole:
        raise UsageError("--watch cannot be combined with --shard", hint="remove --shard")
    if request.grid is not None:
        raise UsageError("--grid cannot be combined with --watch", hint="remove one of them")
    request = replace(request, models=_weights(models))

    with quick_imports():
        from sketchcli.engine.generating.folder_watcher import watch

    tell = _telling(print_plain, as_lines=machine.as_lines)
    _say_models(request, tell)
    place = _device(machine, is_many=False)
    return watch(request, folder, device=place, reporter=tell)


def _weights(models: Sequence[Path] | None) -> tuple[Path, ...]:
    names: list[Path | None] = [*(models or ())] or [None]
    return tuple(find_weights(name) for name in names)


def _say_models(request: "Request", tell: Reporter) -> None:
    for path in request.models:
        tell(Note(f"model: {path}"))
    if len(set(request.models)) < len(request.models):
        tell(Note("a model that is given twice counts twice", is_warning=True))
    share = request.share
    if not share.is_whole:
        tell(Note(f"shard {share.number} of {share.count}"))


def _device(machine: Machine, *, is_many: bool) -> "Device":
    import torch

    from sketchcli import device as devices

    name, rank = machine.device, os.environ.get("LOCAL_RANK", "")
    if name == "auto" and rank.isdigit() and torch.cuda.is_available():  # one GPU per rank
        name = f"cuda:{int(rank) % torch.cuda.device_count()}"
    # A probe takes as long as generating some photos.
    precision = "fp32" if machine.precision == "auto" and not is_many else machine.precision
    place = devices.resolve(name, precision=precision)
    torch.set_num_threads(1)  # enough for loading; workers set their own
    return place


def _telling(report: Reporter, *, as_lines: bool) -> Reporter:
    """Return a reporter that, for `--jsonl`, also prints a line of JSON per file."""
    if not as_lines:
        return report

    from sketchcli.cli.render import file_line

    def tell(event: Event) -> None:
        if isinstance(event, Converted):
            typer.echo(file_line(event.file))
        report(event)

    return tell


# The options of `generate` become one request; all checks that need no model happen here.

LARGEST_SIDE = 8192  # pixels, of a photo
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Places:
    """The inputs and the output."""

    sources: tuple[str, ...]
    listed: tuple[str, ...]
    output: str


def places(
    paths: Sequence[str], out: str | None, list_file: str | None, *, is_watching: bool
) -> Places:
    """Separate the inputs from the output."""
    from sketchcli.engine.generating.inputs import STREAM, read_list

    *sources, output = [*paths, out] if out is not None else paths or [""]
    if not output:
        raise UsageError("no output path was given", hint="run: sketch2img generate IN OUT")
    if is_watching and (sources or list_file):
        raise UsageError("--watch takes no other input", hint="use --watch FOLDER OUT alone")
    if not (sources or list_file or is_watching):
        raise UsageError(
            f"only one path was given ({output}); an input and an output are needed",
            hint="run: sketch2img generate IN OUT",
        )
    _check_streams(sources, output, list_file)
    stdin = sys.stdin.buffer if list_file == STREAM else None
    listed = read_list(list_file, stdin) if list_file else ()
    return Places(tuple(sources), listed, output)


def _check_streams(sources: Sequence[str], output: str, list_file: str | None) -> None:
    from sketchcli.engine.generating.inputs import STREAM

    if STREAM in sources and list_file == STREAM:
        raise UsageError("- cannot be both the sketch and the list", hint="use a file for the list")
    if (STREAM in sources or list_file == STREAM) and sys.stdin.isatty():
        raise UsageError(
            "standard input (-) is a terminal",
            hint="redirect a file, for example: sketch2img generate - photo.png < sketch.png",
        )
    if output == STREAM and sys.stdout.isatty():
        raise UsageError(
            "standard output (-) is a terminal",
            hint="redirect it, for example: sketch2img generate sketch.png - > photo.png",
        )


def check_output(output: str, *, uses_stdout: bool, is_shown: bool) -> None:
    """Refuse options that cannot be combined with a photo on standard output."""
    from sketchcli.engine.generating.inputs import STREAM

    if output == STREAM and uses_stdout:
        raise UsageError(
            "--json and --jsonl cannot be combined with a photo on standard output",
            hint="remove --json and --jsonl",
        )
    if output == STREAM and is_shown:
        raise UsageError("--show needs a photo in a file", hint="name an output file instead of -")


def check_picture_name(option: str, file: Path | None) -> None:
    """Refuse a file whose extension is not that of a format that images are written in."""
    if file is not None and file.suffix.lower() not in WRITABLE:
        raise DataError(
            f"{option} {file} has an unsupported image extension", hint="use .png, .jpg or .webp"
        )


def choice(kind: type[Choice], option: str, text: str) -> Choice:
    """Convert an option's value to its enum member."""
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise UsageError(
            f"invalid value for {option}: '{text}'", hint=f"choose one of {known}"
        ) from None


def flag(option: str, text: str, word: str) -> bool:
    """Return whether an option that allows only `none` and `word` has the value `word`."""
    if text not in {"none", word}:
        raise UsageError(f"invalid value for {option}: '{text}'", hint=f"choose none or {word}")
    return text == word


def pasting(*, is_asked: bool, align: str) -> bool:
    """Return whether faces are pasted back, which needs faces that were cropped."""
    if is_asked and align == "none":
        raise UsageError("--paste needs an aligned face", hint="add --align face")
    return is_asked


def photo_format(text: str | None) -> str:
    """Return the format of photos in a folder; empty if none is given."""
    from sketchcli.engine.generating.plan import FORMATS

    if text is not None and text not in FORMATS:
        raise UsageError(f"unknown --format '{text}'", hint=f"choose one of {', '.join(FORMATS)}")
    return text or ""


def name_suffix(text: str) -> str:
    """Return the text to append to each name; it must not lead to another folder."""
    if set(text) & set("/\\\0"):
        raise UsageError(f"--suffix {text!r} cannot be in a file name", hint="remove the slashes")
    return text


def existing(*, is_skipped: bool, is_replaced: bool) -> "Existing":
    """Return what happens to existing photos."""
    from sketchcli.engine.generating.inputs import Existing

    if is_skipped and is_replaced:
        raise UsageError("--skip-existing and --overwrite contradict each other", hint="remove one")
    if is_skipped:
        return Existing.SKIP
    return Existing.OVERWRITE if is_replaced else Existing.REFUSE


def photo_size(text: str | None) -> "Scale | tuple[int, int]":
    """Parse `--size`: `model`, `input`, or height and width in pixels."""
    from sketchcli.engine.generating.inputs import Scale

    if text is None or text in set(Scale):
        return Scale(text or Scale.MODEL)
    return parse_size(text, largest=LARGEST_SIDE)


def when(option: str, text: str) -> "When":
    """Parse an option that is auto, yes or no."""
    from sketchcli.engine.generating.inputs import When

    return choice(When, option, text)


# In a terminal preview, each cell is a half block that shows two pixels, one above the other.

HALF_BLOCK = "\u2580"
MOST_SHOWN = 8  # photos
WIDEST = 64  # cells


def preview(result: GenerateResult) -> None:
    """Show the first photos on stderr, if it is a terminal with enough colours."""
    console = Console(stderr=True)
    has_colours = console.color_system in {"256", "truecolor"}
    if not (sys.stderr.isatty() and has_colours and not console.no_color):
        typer.echo("--show needs a terminal with colours; open the files instead", err=True)
        return
    photos = [file.output for file in result.files if file.output is not None]
    for path in photos[:MOST_SHOWN]:
        for line in cells(path, min(WIDEST, console.width)):
            console.print(line)
        console.print(Text(str(path), style="dim"))
    if len(photos) > MOST_SHOWN:
        console.print(f"photos not shown: {len(photos) - MOST_SHOWN}")


def cells(path: Path, width: int) -> Iterator[Text]:
    """Yield the lines of an image, at most `width` cells wide."""
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
