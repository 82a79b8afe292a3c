"""Results on stdout: for people, or as one JSON envelope."""

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import singledispatch
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sketchcli import paths
from sketchcli.cli import checkup_table, model_table, scores
from sketchcli.cli.envelope import as_text, envelope, plain
from sketchcli.cli.progress import printable
from sketchcli.engine.installation.findings import Installation
from sketchcli.engine.results import (
    AssetListing,
    EvalResult,
    ExportResult,
    FetchPlan,
    FetchResult,
    GeneratedFile,
    GenerateResult,
    ImportResult,
    ModelsResult,
    PreprocessResult,
    ShareResult,
    TrainEstimate,
    TrainResult,
    VerifyResult,
)
from sketchcli.errors import ExitCode

WIDE = 160  # columns of a table that no terminal limits
WIDE_ENOUGH = 120  # for licences and citations in columns of their own


def emit(command: str, result: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any result
    """Print a result once."""
    if not as_json:
        render(result)
        return
    data = [asdict(r) for r in result] if isinstance(result, Sequence) else asdict(result)
    errors = _errors(result)
    text = envelope(command, status="error" if errors else "ok", data=data, errors=errors)
    typer.echo(as_text(text))


def _errors(result: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any result
    """What went wrong although there is a result."""
    if isinstance(result, GenerateResult):
        code = int(ExitCode.DATA)
        return [{"code": code, "message": file.error, "hint": ""} for file in result.failed]
    problems = result.problems if isinstance(result, Installation) else ()
    return [
        {"code": int(p.exit_code), "message": f"{p.name}: {p.summary}", "hint": p.hint}
        for p in problems
    ]


def file_line(file: GeneratedFile) -> str:
    """A file of `generate` as one line of JSON."""
    return as_text(json.dumps(asdict(file), ensure_ascii=False, default=plain))


@singledispatch
def render(result: object) -> None:
    """Print a result for people."""
    raise TypeError(result)


@render.register
def _(listings: tuple) -> None:  # type: ignore[type-arg]
    console = _console()
    is_wide = console.width >= WIDE_ENOUGH
    table = Table("name", box=None, pad_edge=False)
    for name in ("pairs", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("state", "what", "licence", "citation") if is_wide else ("state", "what, licence"):
        table.add_column(name)
    for listing in listings:
        if not isinstance(listing, AssetListing):
            raise TypeError(listing)
        title, licence = Text(listing.title), Text(listing.licence)
        narrow = Text("\n").join([title, Text(listing.licence, style="dim")])
        about = (title, licence, Text(listing.citation)) if is_wide else (narrow,)
        pairs = "" if listing.pairs is None else f"{listing.pairs:,}"
        table.add_row(escape(listing.name), pairs, _megabytes(listing), listing.state, *about)
    console.print(table)
    typer.echo("MB: on disk, or (to download).  More: --list --json")


@render.register
def _(result: FetchPlan) -> None:
    fates = {
        "absent": "would be made",
        "ready": "is there; --overwrite would replace it",
        "taken": "holds something else; choose another --name",
    }
    typer.echo(f"{result.folder}: {fates[result.state]}")
    for source in result.sources:
        typer.echo(f"from: {source}")
    for number, step in enumerate(result.steps, start=1):
        typer.echo(f"step {number}: {step}")
    if result.download_megabytes is not None:
        typer.echo(f"download: {result.download_megabytes:,} MB")
    typer.echo(f"free disk space: {result.free_megabytes:,} MB")
    typer.echo(f"licence: {result.licence}")
    if result.notice:
        typer.echo(f"to accept with --accept-licence: {result.notice}")
    if result.next:
        typer.echo(f"next: {result.next}")


@render.register
def _(result: FetchResult) -> None:
    count = f"{result.pictures} pictures in " if result.pictures else ""
    typer.echo(f"{count}{result.folder}")
    typer.echo(f"licence: {result.licence}")
    if result.next:
        typer.echo(f"next: {result.next}")


@render.register
def _(result: VerifyResult) -> None:
    typer.echo(f"{result.name}: all {result.files} files are as they were fetched")


@render.register
def _(result: PreprocessResult) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    height, width = result.size
    typer.echo(f"{result.name}: {counts} pairs of {width}x{height}, paired by '{result.pairing}'")
    fates = {
        "left out": result.left_out,
        "repeated": result.repeated,
        "not cut as asked": result.unaligned,
    }
    for fate, files in fates.items():
        if files:
            typer.echo(f"{fate}: {len(files)} (listed in the audit)")
    found = ", ".join(f"{count} {kind}" for kind, count in result.findings.items())
    typer.echo(f"audit: {found or 'nothing found'}: {result.audit}")
    typer.echo(f"set: {result.folder}")
    typer.echo(f"look at: {result.contact_sheet}")
    name = paths.name_in_room(paths.prepared_home(), result.folder)
    if result.is_spoiled:
        typer.echo("next: look at the audit; this set is not fit to be trained on as it is")
    else:
        before = "look at the audit, then " if result.errors else ""
        typer.echo(f"next: {before}sketch2img train {shlex.quote(name)}")


@render.register
def _(result: ShareResult) -> None:
    typer.echo(
        f"rank {result.rank} of {result.ranks} made {result.chunks} chunks; "
        "rank 0 puts the set together"
    )


@render.register
def _(result: TrainEstimate) -> None:
    height, width = result.size
    held_out = f", {result.held_out} held out" if result.held_out else ""
    typer.echo(result.settings)
    typer.echo(f"set:        {result.dataset}, {result.pairs} pairs of {width}x{height}{held_out}")
    typer.echo(
        f"parameters: {result.generator_parameters:,} in the generator, "
        f"{result.discriminator_parameters:,} in the discriminator"
    )
    typer.echo(f"device:     {result.device}, {result.precision}")
    typer.echo(f"memory:     {result.memory_megabytes:,} MB, and what the libraries take")
    typer.echo(
        f"time:       {duration(result.seconds)}: {result.steps:,} steps of "
        f"{result.seconds_a_step:.2f} s, and measurements"
    )


@render.register
def _(result: TrainResult) -> None:
    typer.echo(
        f"{result.epochs} epochs of {result.dataset}, {result.images_seen} pictures, "
        f"{duration(result.seconds)}"
    )
    if result.scores:
        typer.echo(
            f"held-out pairs: SSIM {result.scores['ssim']:.3f}, mean absolute error "
            f"{result.scores['mae']:.1f} of 255; best in epoch {result.best_epoch}"
        )
    if result.skipped:
        typer.echo(f"steps that were not finite, and skipped: {result.skipped}")
    typer.echo(f"weights: {result.weights}")
    typer.echo(f"look at: {result.samples}")
    typer.echo(f"report:  {result.report}")
    is_at_home = paths.is_in_room(paths.runs_home(), result.run_dir)
    model = "" if is_at_home else f" --model {shlex.quote(str(result.run_dir))}"
    typer.echo(f"next: sketch2img generate SKETCH PHOTO{model}, or sketch2img eval{model}")


@render.register
def _(result: GenerateResult) -> None:
    for file in result.files:
        if file.output is not None:
            typer.echo(os.fsencode(file.output))  # a name need not be text
    show_failures(result)
    if len(result.files) > 1:
        kinds = ((kind, result.count(kind)) for kind in ("made", "skipped", "failed"))
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
        typer.echo(f"{len(result.files)} photos: {counts}", err=True)
    for what, path in (("manifest", result.manifest), ("look at", result.grid)):
        if path is not None:
            typer.echo(f"{what}: {path}", err=True)


def show_failures(result: GenerateResult) -> None:
    """Why files gave no photo, on stderr."""
    for file in result.failed:
        typer.echo(f"failed: {printable(str(file.error))}", err=True)


@render.register
def _(result: Installation) -> None:
    checkup_table.show(result)


@render.register
def _(result: ModelsResult) -> None:
    model_table.show(result, _console())


@render.register
def _(result: ExportResult) -> None:
    typer.echo(result.output)
    typer.echo(
        f"{result.compared} sketches in torch and ONNX Runtime differ by "
        f"{result.largest_difference:.2g} at most, {result.mean_difference:.2g} on average, "
        "of values in [-1, 1]"
    )
    typer.echo(f"sides must be multiples of {result.multiple}; the rest is in its metadata")


@render.register
def _(result: ImportResult) -> None:
    typer.echo(f"{result.tensors} tensors of the network {result.generator}: {result.weights}")
    typer.echo(f"next: sketch2img generate SKETCH PHOTO --model {shlex.quote(str(result.weights))}")


@render.register
def _(result: EvalResult) -> None:
    scores.show(result, _console())


def duration(seconds: float) -> str:
    """Hours, minutes, seconds.

    >>> duration(59.6), duration(4000)
    ('1m00s', '1h06m40s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"


def _megabytes(listing: AssetListing) -> str:
    if listing.megabytes is not None:
        return f"{listing.megabytes:,.1f}"
    return f"({listing.download_megabytes:,.1f})" if listing.download_megabytes else ""


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)
