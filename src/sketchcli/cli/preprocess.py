"""The command `sketch2img preprocess`."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from sketchcli import paths, registry
from sketchcli.cli import completing, options
from sketchcli.config import (
    SMALLEST_SIDE,
    Align,
    Backdrop,
    Direction,
    Fit,
    Light,
    Likeness,
)
from sketchcli.data.splits import SplitBy, SplitRule
from sketchcli.errors import UsageError

STYLES = ", ".join(registry.names(registry.STYLES))
Channels = Literal["auto", "1", "3"]


def preprocess(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Raw dataset (name), or a folder whose subfolders are named after their content.",
            autocompletion=completing.raw_sets,
        ),
    ] = None,
    sketches: Annotated[Path | None, typer.Option(help="Folder of sketches.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos; without --sketches, sketches are drawn.")
    ] = None,
    paired: Annotated[Path | None, typer.Option(help="Folder of side-by-side images.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV file with the columns sketch, photo and split.")
    ] = None,
    direction: Annotated[
        Direction | None,
        typer.Option(help="Side of the photo in side-by-side images.  \\[default: the dataset's]"),
    ] = None,
    reverse: Annotated[
        bool,
        typer.Option("--reverse", help="Make photos the inputs and sketches the targets."),
    ] = False,
    input_channels: Annotated[
        Channels,
        typer.Option(
            help="Channels of the inputs: 1 (grey), 3 (RGB); auto: 3 if the dataset is known to "
            "need them, or its colours tell parts apart.",
            hidden=True,
        ),
    ] = "auto",
    target_channels: Annotated[
        Channels, typer.Option(help="Channels of the targets, likewise.", hidden=True)
    ] = "auto",
    input_name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What the inputs show (with --reverse, the photos), such as night or label "
            "map.  \\[default: the dataset's]",
            hidden=True,
        ),
    ] = "",
    target_name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What the targets show, such as photo or day.  \\[default: the dataset's]",
            hidden=True,
        ),
    ] = "",
    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STYLE",
            help=f"Draw sketches from the photos in a style: {STYLES}. Repeat to mix styles; one "
            "that is given twice is used twice as often.",
            autocompletion=completing.of(registry.STYLES),
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of sketches per photo, drawn in the styles in turn."
        ),
    ] = 1,
    size: options.Size = "128",
    fit: Annotated[
        Fit, typer.Option(help="How to resize images of another aspect ratio.")
    ] = Fit.STRETCH,
    align: Annotated[
        Align,
        typer.Option(
            help="Rotate and crop so that every face's eyes are at one position; loose: roughly."
        ),
    ] = Align.NONE,
    backdrop: Annotated[
        Backdrop,
        typer.Option(
            help="Put a studio backdrop into the photos that sketches are drawn from.", hidden=True
        ),
    ] = Backdrop.KEEP,
    light: Annotated[
        Light,
        typer.Option(
            help="Even out exposure and colour cast of the photos to draw from.", hidden=True
        ),
    ] = Light.KEEP,
    likeness: Annotated[
        Likeness,
        typer.Option(
            help="Draw faces true to the photo, or free as people do: features slightly off; "
            "nose, lids and red lips shaded by convention.",
            hidden=True,
        ),
    ] = Likeness.TRUE,
    splits: Annotated[
        SplitBy,
        typer.Option(
            help="How to split the pairs: as the source does, by --val and --test, or by the "
            "official CUHK lists.",
            hidden=True,
        ),
    ] = SplitBy.GIVEN,
    val: Annotated[
        float, typer.Option(min=0, max=0.9, metavar="X", help="Fraction of pairs for validation.")
    ] = 0.0,
    test: Annotated[
        float, typer.Option(min=0, max=0.9, metavar="X", help="Fraction of pairs for testing.")
    ] = 0.1,
    group_by: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="Keep pairs in one split if REGEX matches the same text in their names.",
            hidden=True,
        ),
    ] = "",
    seed: options.Seed = 0,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse a dataset in which the audit finds anything.", hidden=True
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Worker processes.  \\[default: one per core]"),
    ] = None,
    draft_manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write a first draft of --manifest and prepare nothing.",
            hidden=True,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the prepared dataset.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Output folder, instead of --name.", hidden=True)
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Pair, check, align, resize and split images for training.

    If it is interrupted, run the same command again to resume.
    """
    pixels = options.parse_size(size, smallest=SMALLEST_SIDE)
    for each in style or ():
        registry.load(registry.STYLES, each)  # refuses an unknown name
    rule = _split_rule(splits, val, test, seed, group_by)
    if direction is not None and (source or paired) is None:
        raise UsageError("--direction needs side-by-side images", hint="remove --direction")
    if name and out is not None:
        raise UsageError("--name and --out cannot be combined", hint="remove one of them")
    _refuse_without_faces(align, backdrop, light, likeness)

    from sketchcli import machine
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine import lookup
    from sketchcli.engine.preprocessing import preprocess as preprocessing
    from sketchcli.engine.preprocessing.pair_builder import PairOptions

    inputs = lookup.Inputs(source, sketches, photos, paired, manifest, direction, bool(style))
    if draft_manifest is not None:
        emit("preprocess", lookup.draft_manifest(inputs, draft_manifest), as_json=as_json)
        return
    found, origin = lookup.find_source(inputs)
    target = out or _folder(name or f"{origin.name}{'-reversed' if reverse else ''}-{size}")
    detector, is_loose = lookup.find_detector(align), align is Align.LOOSE
    config = preprocessing.PreprocessConfig(
        PairOptions(pixels, fit, detector, seed, is_loose, backdrop, light, likeness),
        rule,
        tuple(sorted(style or ["hand"])),
        draws,
        strict,
        (_number(input_channels), _number(target_channels)),
        (input_name, target_name),
        reverse,
        command=shlex.join(["sketch2img", *context.obj]),
    )
    with reporting() as report:
        result = preprocessing.preprocess(
            found,
            origin,
            config,
            target=target,
            overwrite=overwrite,
            processes=workers or machine.usable_cores(),
            reporter=report,
        )
    emit("preprocess", result, as_json=as_json)


def _folder(name: str) -> Path:
    return paths.prepared_home() / paths.checked_name(name)


def _number(channels: Channels) -> int | None:
    return None if channels == "auto" else int(channels)


def _refuse_without_faces(
    align: Align, backdrop: Backdrop, light: Light, likeness: Likeness
) -> None:
    for option, is_given in (
        ("--backdrop studio", backdrop is Backdrop.STUDIO),
        ("--light even", light is Light.EVEN),
        ("--likeness free", likeness is Likeness.FREE),
    ):
        if is_given and align is Align.NONE:
            raise UsageError(f"{option} needs face alignment", hint="add --align face")


def _split_rule(by: SplitBy, val: float, test: float, seed: int, pattern: str) -> SplitRule:
    if val + test >= 1:
        raise UsageError(
            "--val and --test leave nothing to train on", hint="choose smaller fractions"
        )
    try:
        return SplitRule(by, val, test, seed, re.compile(pattern) if pattern else None)
    except re.error as error:
        raise UsageError(
            f"--group-by '{pattern}' is not a regular expression: {error}",
            hint="write a Python regular expression",
        ) from error
