"""`sketch2img preprocess`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sketchcli.cli import options
from sketchcli.config import Direction
from sketchcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from sketchcli.data.sources import Source


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
        raise UsageError("--val and --test leave nothing to train on")

    from sketchcli import paths
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine import preprocessing, provenance

    root, found = _find(source, sketches, photos, paired, direction)
    origin = provenance.read(root)
    name = name or f"{origin.name}-{size}"
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


def _find(
    source: Path | None,
    sketches: Path | None,
    photos: Path | None,
    paired: Path | None,
    direction: Direction,
) -> "tuple[Path, Source]":
    """The folder that the pictures come from, and the pairs in it."""
    from sketchcli import paths
    from sketchcli.data import sources

    if (
        sum((source is not None, sketches is not None or photos is not None, paired is not None))
        != 1
    ):
        raise UsageError(
            "say where the pictures are, in one way",
            hint="a fetched set's name, --sketches DIR --photos DIR, or --paired DIR",
        )
    if paired is not None:
        return paired, sources.side_by_side(paired, direction=direction)
    if source is not None:
        raw = paths.raw_home() / source
        root = raw if raw.is_dir() else source
        if not root.is_dir():
            raise DataError(
                f"{source}: neither a fetched set nor a folder",
                hint="sketch2img fetch-data --list shows the sets",
            )
        return root, sources.tree(root)
    if sketches is None or photos is None:
        raise UsageError("--sketches and --photos go together")
    return sketches.resolve().parent, sources.two_folders(sketches, photos)
