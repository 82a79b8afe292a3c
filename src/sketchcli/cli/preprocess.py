"""`sketch2img preprocess`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import options
from sketchcli.config import Direction
from sketchcli.errors import UsageError


def preprocess(
    context: typer.Context,
    source: Annotated[
        Path | None, typer.Argument(help="A fetched set's name, or a folder with named subfolders.")
    ] = None,
    sketches: Annotated[Path | None, typer.Option(help="Folder of sketches.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of photos.")] = None,
    paired: Annotated[Path | None, typer.Option(help="Folder of side-by-side pictures.")] = None,
    direction: Annotated[
        Direction, typer.Option(help="Side by side: where the photo is.")
    ] = Direction.PHOTO_LEFT,
    size: options.Size = "128",
    name: Annotated[str, typer.Option(help="Name of the prepared set.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to make, instead of a name.")] = None,
    val: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share for validation, if the source has no splits."),
    ] = 0.0,
    test: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share for testing, if the source has no splits.")
    ] = 0.1,
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Pair, check, resize and split pictures, ready for training."""
    pixels = options.parse_size(size)
    if val + test >= 1:
        raise UsageError("--val and --test leave nothing to train on", hint="choose less")
    if name and out is not None:
        raise UsageError("--name and --out are two ways to say one thing", hint="give one")

    from sketchcli import paths
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine import preprocessing

    found, origin = preprocessing.find_source(
        source, sketches=sketches, photos=photos, paired=paired, direction=direction
    )
    name = paths.checked_name(name or f"{origin.name}-{size}")
    config = preprocessing.PreprocessConfig(
        pixels, val, test, seed, command=shlex.join(["sketch2img", *context.obj])
    )
    with reporting() as report:
        result = preprocessing.preprocess(
            found,
            origin,
            config,
            target=out or paths.prepared_home() / name,
            overwrite=overwrite,
            reporter=report,
        )
    emit("preprocess", result, as_json=as_json)
