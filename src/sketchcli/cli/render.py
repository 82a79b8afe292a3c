"""Results on stdout: for people, or as one JSON envelope."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import singledispatch
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sketchcli import __version__, paths
from sketchcli.engine.results import (
    AssetListing,
    EvalResult,
    FetchResult,
    GenerateResult,
    PreprocessResult,
    TrainResult,
)
from sketchcli.errors import ExitCode

WIDE = 160  # columns of a table that no terminal limits


def emit(command: str, result: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any result
    """Print a result once."""
    if not as_json:
        render(result)
        return
    data = [asdict(r) for r in result] if isinstance(result, Sequence) else asdict(result)
    failed = result.failed if isinstance(result, GenerateResult) else ()
    errors = [{"code": int(ExitCode.DATA), "message": file.error, "hint": ""} for file in failed]
    typer.echo(envelope(command, status="error" if failed else "ok", data=data, errors=errors))


def envelope(command: str, *, status: str, data: Any = None, errors: Sequence[Any] = ()) -> str:  # noqa: ANN401
    """The JSON that every command prints with `--json`."""
    content = {
        "version": __version__,
        "command": command,
        "status": status,
        "data": data,
        "errors": list(errors),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)


def error_envelope(command: str, code: int, message: str, hint: str) -> str:
    """The JSON of a command that failed."""
    about = {"code": int(code), "message": message, "hint": hint}
    return envelope(command, status="error", errors=[about])


@singledispatch
def render(result: object) -> None:
    """Print a result for people."""
    raise TypeError(result)


@render.register
def _(listings: tuple) -> None:  # type: ignore[type-arg]
    table = Table("name", "what", "pictures", "MB", "licence", "citation", "state", box=None)
    for listing in listings:
        if not isinstance(listing, AssetListing):
            raise TypeError(listing)
        count = "" if listing.pictures is None else str(listing.pictures)
        size = "" if listing.megabytes is None else f"{listing.megabytes:g}"
        table.add_row(
            *map(
                escape,
                (listing.name, listing.title, count, size, listing.licence, listing.citation),
            ),
            listing.state,
        )
    _console().print(table)


@render.register
def _(result: FetchResult) -> None:
    typer.echo(f"{result.pictures} pictures in {result.folder}")
    typer.echo(f"licence: {result.licence}")
    typer.echo(f"next: sketch2img preprocess {shlex.quote(result.name)}")


@render.register
def _(result: PreprocessResult) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    height, width = result.size
    typer.echo(f"{result.name}: {counts} pairs of {width}x{height}, paired by '{result.pairing}'")
    for what, files in (("left out", result.left_out), ("repeated", result.repeated)):
        if files:
            typer.echo(f"{what}: {len(files)} (listed above and in dataset.json)")
    typer.echo(f"set: {result.folder}")
    typer.echo(f"look at: {result.contact_sheet}")
    is_at_home = result.folder.resolve().parent == paths.prepared_home()
    name = result.name if is_at_home else str(result.folder)
    typer.echo(f"next: sketch2img train {shlex.quote(name)}")


@render.register
def _(result: TrainResult) -> None:
    minutes, seconds = divmod(round(result.seconds), 60)
    typer.echo(
        f"{result.epochs} epochs of {result.dataset}, {result.images_seen} pictures, "
        f"{minutes}m{seconds:02d}s"
    )
    if result.validation_mae is not None:
        typer.echo(f"mean absolute error on the held-out pairs: {result.validation_mae:.1f} of 255")
    typer.echo(f"weights: {result.weights}")
    typer.echo(f"look at: {result.samples}")
    typer.echo(f"losses:  {result.curves}")
    is_at_home = result.run_dir.resolve().parent == paths.runs_home()
    model = "" if is_at_home else f" --model {shlex.quote(str(result.run_dir))}"
    typer.echo(f"next: sketch2img generate SKETCH PHOTO{model}, or sketch2img eval{model}")


@render.register
def _(result: GenerateResult) -> None:
    for file in result.files:
        typer.echo(
            str(file.output) if file.output else f"failed: {file.error}", err=not file.output
        )


@render.register
def _(result: EvalResult) -> None:
    height, width = result.size
    arrows = {"higher": "(higher)", "lower": "(lower)"}
    names = sorted(result.directions, key=lambda name: result.directions[name])
    table = Table("predictor", box=None)
    for name in names:
        table.add_column(f"{name.upper()} {arrows[result.directions[name]]}", justify="right")
    for score in result.scores:
        table.add_row(escape(score.predictor), *(f"{score.values[n]:#.4g}" for n in names))
    typer.echo(f"{result.count} pictures of {width}x{height}, {result.generated} on {result.real}")
    _console().print(table)
    if result.discriminator:
        d = result.discriminator
        typer.echo(
            f"discriminator, real against generated: accuracy {d.accuracy:.3f}, "
            f"precision {d.precision:.3f}, recall {d.recall:.3f}, F1 {d.f1:.3f}"
        )
    for name, text in result.protocol.items():
        typer.echo(f"{name}: {text}")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(value)
