"""The command `sketch2img generate`."""

import contextlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from sketchcli.cli import completing, options
from sketchcli.cli.options import parse_size
from sketchcli.cli.progress import print_plain, reporting
from sketchcli.cli.streams import json_text, say
from sketchcli.cli.verbosity import quick_imports
from sketchcli.engine.events import Converted, Event, Note, Reporter
from sketchcli.engine.generating.inputs import (
    STREAM,
    Drawing,
    Existing,
    Format,
    Naming,
    Request,
    Scale,
    Selection,
    Shard,
    When,
    read_list,
)
from sketchcli.engine.results import GenerateResult
from sketchcli.engine.runs import domains_of, find_weights, model_name, model_note
from sketchcli.engine.wording import generated_by
from sketchcli.errors import DataError, ExitCode, UsageError
from sketchcli.file_kinds import WRITABLE

FILES, DRAWING, PHOTOS = map(
    options.panel, ("Input files", "How photos are generated", "Output photos")
)
MACHINE, OUTPUT = map(options.panel, ("Machine", "Output"))
LARGEST_SIDE = 8192  # pixels, of a photo
MANY = 64  # photos; from this number on, a probe of the precision pays off


def generate(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IN... OUT",
            help="Sketches (files, folders, globs, or - for standard input), then the output: a "
            "photo, a folder for photos, or - for standard output. The photo of one sketch without "
            "an output is saved beside it: NAME-photo.png.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        FILES(
            "--out", "-o", help="Output file or folder; every positional argument is then an input."
        ),
    ] = None,
    list_file: Annotated[
        str | None,
        FILES(
            "--list",
            metavar="FILE",
            help="File of sketch paths, one per line or separated by zero bytes; - for standard "
            "input.",
            hidden=True,
        ),
    ] = None,
    watch: Annotated[
        Path | None,
        FILES(
            metavar="FOLDER",
            help="Convert the sketches in a folder, and every new one, until Ctrl-C.",
        ),
    ] = None,
    recursive: Annotated[
        bool, FILES("--recursive/--no-recursive", help="Search subfolders, too.", hidden=True)
    ] = True,
    include: Annotated[
        list[str] | None,
        FILES(
            metavar="GLOB",
            help="Filter the files found in folders: keep those that match GLOB (against the "
            "relative path if it contains /). Repeatable.",
            hidden=True,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        FILES(metavar="GLOB", help="Skip files that match GLOB. Repeatable.", hidden=True),
    ] = None,
    root: Annotated[
        Path | None,
        FILES(
            metavar="FOLDER",
            help="Base of the folder tree that is mirrored in OUT.  "
            "\\[default: the nearest folder that contains every input]",
            hidden=True,
        ),
    ] = None,
    shard: Annotated[
        str, FILES(metavar="I/N", help="Generate only shard I of N.", hidden=True)
    ] = "1/1",
    model: Annotated[
        list[Path] | None,
        DRAWING(
            metavar="MODEL",
            help="Model to use: a weights file, a run (name or folder) or bundled. Repeat to "
            "average several models.  \\[default: the newest finished run, else bundled]",
            autocompletion=completing.models,
        ),
    ] = None,
    invert: Annotated[
        When,
        DRAWING(
            help="Invert the sketch; auto: only if its polarity differs from the training sketches."
        ),
    ] = When.AUTO,
    paper: Annotated[
        When,
        DRAWING(
            help="Even out shadows and tint of the paper; auto: if unlike the training sketches'."
        ),
    ] = When.AUTO,
    align: Annotated[
        Literal["none", "face"],
        DRAWING(help="Align and crop faces as `preprocess --align face` does."),
    ] = "none",
    paste: Annotated[
        bool, DRAWING("--paste", help="Paste an aligned face back into its sketch.")
    ] = False,
    tile: Annotated[
        bool,
        DRAWING(
            "--tile",
            help="Generate at the sketch's own size, in overlapping tiles. Implies --size input.",
        ),
    ] = False,
    variations: Annotated[
        int,
        DRAWING(
            min=1,
            max=1000,
            metavar="N",
            help="Number of photos per sketch; needs a model with dropout.",
        ),
    ] = 1,
    seed: Annotated[int, DRAWING(min=0, metavar="N", help="Seed of the variations.")] = 0,
    size: Annotated[
        str,
        PHOTOS(
            metavar="model|input|N|WxH",
            help="Photo size: the model's, the sketch's, or the largest that fits into W by H.",
        ),
    ] = "model",
    image_format: Annotated[
        Format | None,
        PHOTOS("--format", help="Image format of photos in a folder.  \\[default: png]"),
    ] = None,
    quality: Annotated[
        int | None,
        PHOTOS(
            min=1, max=100, metavar="N", help="Compression quality for JPEG and WebP.", hidden=True
        ),
    ] = None,
    suffix: Annotated[
        str, PHOTOS(help="Text to append to each name, such as _photo.", hidden=True)
    ] = "",
    skip_existing: Annotated[
        bool, PHOTOS("--skip-existing", help="Skip sketches whose photo exists.")
    ] = False,
    overwrite: Annotated[bool, PHOTOS("--overwrite", help="Overwrite existing files.")] = False,
    compare: Annotated[
        bool, PHOTOS("--compare", help="Save sketch and photo side by side.")
    ] = False,
    grid: Annotated[Path | None, PHOTOS(metavar="FILE", help="Also save a contact sheet.")] = None,
    device: Annotated[
        str, MACHINE(help=options.DEVICE_HELP, autocompletion=options.DEVICES)
    ] = "auto",
    precision: Annotated[
        str,
        MACHINE(
            metavar="auto|fp32|bf16",
            help="Numeric precision; auto: the faster one for 64 or more photos, else fp32.",
            hidden=True,
        ),
    ] = "auto",
    manifest: Annotated[
        Path | None,
        OUTPUT(metavar="FILE", help="Write a CSV file with the result of each file.", hidden=True),
    ] = None,
    as_json: Annotated[bool, OUTPUT("--json", help=options.JSON_HELP)] = False,
    as_lines: Annotated[
        bool, OUTPUT("--jsonl", help="Print one line of JSON per finished file.", hidden=True)
    ] = False,
) -> None:
    """Generate photos from sketches: from files, folders, globs or standard input.

    A folder's tree is mirrored in OUT. Existing files are not overwritten by default.
    """
    domains = domains_of(model[0] if model else None)
    photo = f"{domains.target.name}.{image_format or 'png'}"
    sources, output = split_paths(paths or [], out, list_file, photo, is_watching=bool(watch))
    check_streams(sources, output, list_file, is_json=as_json or as_lines)
    request = Request(
        sources=sources,
        output=output,
        listed=read_list(list_file) if list_file else (),
        selection=Selection(recursive, tuple(include or ()), tuple(exclude or ()), root),
        naming=Naming(
            image_format, quality, suffix, existing(is_skipped=skip_existing, is_replaced=overwrite)
        ),
        drawing=Drawing(
            size=Scale(size) if size in set(Scale) else parse_size(size, largest=LARGEST_SIDE),
            is_tiled=tile,
            invert=invert,
            paper=paper,
            is_aligned=align == "face",
            is_pasted=paste,
            is_compared=compare,
            variations=variations,
            seed=seed,
        ),
        shard=Shard.parse(shard),
        manifest=manifest,
        grid=grid,
        domains=domains,
    )
    check(request, watch)
    result = run(request, watch, model or [], device, precision, as_lines=as_lines)

    from sketchcli.cli.render import emit, show_failures

    if output == STREAM:
        show_failures(result)
    elif not as_lines:
        emit("generate", result, as_json=as_json)
    if result.failed:
        is_all = len(result.failed) == len(result.files)
        raise typer.Exit(ExitCode.DATA if is_all else ExitCode.SOME_FILES_FAILED)


# All checks of the options that need no model happen first.


def split_paths(
    paths: Sequence[str],
    out: str | None,
    list_file: str | None,
    photo: str = "photo.png",
    *,
    is_watching: bool,
) -> tuple[tuple[str, ...], str]:
    """Separate the inputs from the output; the photo of a sketch without one goes beside it."""
    *sources, output = [*paths, out] if out is not None else paths or [""]
    if not output:
        raise UsageError("no output path was given", hint="run: sketch2img generate IN OUT")
    if is_watching and (sources or list_file):
        raise UsageError("--watch takes no other input", hint="use --watch FOLDER OUT alone")
    if not (sources or list_file or is_watching):
        sketch = Path(output)
        if out is None and sketch.is_file():
            ending = "".join(c if c.isalnum() or c == "." else "-" for c in photo)
            return (output,), str(sketch.with_name(f"{sketch.stem}-{ending}"))
        example = shlex.join(["sketch2img", "generate", output, f"{output.rstrip('/')}-photos"])
        raise UsageError(
            f"only one path was given ({output}); an input and an output are needed",
            hint=f"run: {example if sketch.is_dir() else 'sketch2img generate IN OUT'}",
        )
    return tuple(sources), output


def check_streams(
    sources: Sequence[str], output: str, list_file: str | None, *, is_json: bool
) -> None:
    """Check that standard input and output are no terminals, and each used for one thing."""
    if STREAM in sources and list_file == STREAM:
        raise UsageError("- cannot be both the sketch and the list", hint="use a file for the list")
    if (STREAM in sources or list_file == STREAM) and (not sys.stdin or sys.stdin.isatty()):
        raise UsageError(
            f"standard input (-) is {'a terminal' if sys.stdin else 'closed'}",
            hint="redirect a file, for example: sketch2img generate - photo.png < sketch.png",
        )
    if output == STREAM and (not sys.stdout or sys.stdout.isatty()):
        raise UsageError(
            f"standard output (-) is {'a terminal' if sys.stdout else 'closed'}",
            hint="redirect it, for example: sketch2img generate sketch.png - > photo.png",
        )
    if output == STREAM and is_json:
        raise UsageError(
            "--json and --jsonl cannot be combined with a photo on standard output",
            hint="remove --json and --jsonl",
        )


def existing(*, is_skipped: bool, is_replaced: bool) -> Existing:
    """Return what happens to existing photos."""
    if is_skipped and is_replaced:
        raise UsageError("--skip-existing and --overwrite contradict each other", hint="remove one")
    if is_skipped:
        return Existing.SKIP
    return Existing.OVERWRITE if is_replaced else Existing.REFUSE


def check(request: Request, watched: Path | None) -> None:
    """Refuse options that contradict each other, or names that no file can have."""
    if request.drawing.is_pasted and not request.drawing.is_aligned:
        raise UsageError("--paste needs an aligned face", hint="add --align face")
    if set(request.naming.suffix) & set("/\\\0"):
        raise UsageError(
            f"--suffix {request.naming.suffix!r} cannot be in a file name",
            hint="remove the slashes",
        )
    if request.grid is not None and request.grid.suffix.lower() not in WRITABLE:
        raise DataError(
            f"--grid {request.grid} has an unsupported image extension",
            hint="use .png, .jpg or .webp",
        )
    for option, is_given in (("--shard", request.shard.count > 1), ("--grid", request.grid)):
        if watched is not None and is_given:
            raise UsageError(f"{option} cannot be combined with --watch", hint=f"remove {option}")


def run(
    request: Request,
    watched: Path | None,
    models: Sequence[Path],
    device: str,
    precision: str,
    *,
    as_lines: bool,
) -> GenerateResult:
    """Carry out a request; its errors are raised before anything heavy is imported."""
    from sketchcli.engine.generating.plan import make_plan, nothing_to_do

    plan = make_plan(request) if watched is None else None
    if plan is not None:
        idle = nothing_to_do(request, plan, telling(print_plain, as_lines=as_lines))
        if idle is not None:
            return idle
    wanted: list[Path | None] = [*models] or [None]
    weights = tuple(map(find_weights, wanted))
    mark = generated_by(*map(model_name, weights))
    request = replace(request, models=weights, mark=mark)

    with quick_imports():
        import torch

        from sketchcli import device as devices
        from sketchcli.engine.generating.folder_watcher import watch
        from sketchcli.engine.generating.generate import generate as generate_photos

    # A probe of the precision takes as long as generating some photos.
    is_probed = precision != "auto" or (plan is not None and len(plan.jobs) >= MANY)
    with reporting() if plan is not None else contextlib.nullcontext(print_plain) as report:
        tell = telling(report, as_lines=as_lines)
        for note in map(model_note, weights, wanted):
            tell(note)
        if len(set(request.models)) < len(request.models):
            tell(Note("a model that is given twice counts twice", is_warning=True))
        if request.shard.count > 1:
            tell(Note(f"shard {request.shard.number} of {request.shard.count}"))
        place = devices.resolve(device, precision=precision if is_probed else "fp32")
        torch.set_num_threads(1)  # enough for loading; workers set their own
        if watched is not None:
            return watch(request, watched, device=place, reporter=tell)
        return generate_photos(request, device=place, reporter=tell, plan=plan)


def telling(report: Reporter, *, as_lines: bool) -> Reporter:
    """Return a reporter that, for `--jsonl`, also prints a line of JSON per file."""
    if not as_lines:
        return report

    def tell(event: Event) -> None:
        if isinstance(event, Converted):
            say(json_text(asdict(event.file)))
        report(event)

    return tell
