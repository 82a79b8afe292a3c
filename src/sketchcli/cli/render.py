"""The output of results on stdout: for people, or as one JSON envelope."""

import json
import os
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import singledispatch
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sketchcli import __version__, paths
from sketchcli.cli.progress import printable
from sketchcli.engine.results import (
    AssetListing,
    Check,
    EvalResult,
    ExportResult,
    FetchPlan,
    FetchResult,
    Figure,
    GeneratedFile,
    GenerateResult,
    ImportResult,
    Installation,
    ModelsResult,
    PredictorScore,
    PreprocessResult,
    ShareResult,
    TrainEstimate,
    TrainResult,
    VerifyResult,
)
from sketchcli.engine.training.budget import duration
from sketchcli.errors import ExitCode

# Columns if there is no terminal; licences and citations need this many to be readable.
WIDE = 160


def emit(command: str, result: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any result
    """Print the result of a command, for people or as JSON."""
    if not as_json:
        render(result)
        return
    data = [asdict(r) for r in result] if isinstance(result, Sequence) else asdict(result)
    errors = _errors(result)
    typer.echo(envelope(command, status="error" if errors else "ok", data=data, errors=errors))


def _errors(result: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any result
    """Return the errors that a result reports."""
    if isinstance(result, GenerateResult):
        code = int(ExitCode.DATA)
        return [{"code": code, "message": file.error, "hint": ""} for file in result.failed]
    problems = result.problems if isinstance(result, Installation) else ()
    return [
        {"code": int(p.exit_code), "message": f"{p.name}: {p.summary}", "hint": p.hint}
        for p in problems
    ]


def file_line(file: GeneratedFile) -> str:
    """Return a file of `generate` as one line of JSON."""
    return json.dumps(asdict(file), ensure_ascii=False, default=plain)


@singledispatch
def render(result: object) -> None:
    """Print a result for people."""
    raise TypeError(result)


@render.register
def _(listings: tuple) -> None:  # type: ignore[type-arg]
    console = _console()
    is_wide = console.width >= WIDE
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
    typer.echo("MB: on disk, or (of the download).  Details: --list --json")


@render.register
def _(result: FetchPlan) -> None:
    fates = {
        "absent": "would be created",
        "ready": "exists; --overwrite would replace it",
        "taken": "contains other files; choose another --name",
    }
    typer.echo(f"{result.folder}: {fates[result.state]}")
    for source in result.sources:
        typer.echo(f"source: {source}")
    for number, step in enumerate(result.steps, start=1):
        typer.echo(f"step {number}: {step}")
    if result.download_megabytes is not None:
        typer.echo(f"download: {result.download_megabytes:,} MB")
    typer.echo(f"free disk space: {result.free_megabytes:,} MB")
    typer.echo(f"licence: {result.licence}")
    if result.notice:
        typer.echo(f"notice (accept it with --accept-licence): {result.notice}")
    if result.next:
        typer.echo(f"next: {result.next}")


@render.register
def _(result: FetchResult) -> None:
    count = f"{result.pictures} images in " if result.pictures else ""
    typer.echo(f"{count}{result.folder}")
    typer.echo(f"licence: {result.licence}")
    if result.next:
        typer.echo(f"next: {result.next}")


@render.register
def _(result: VerifyResult) -> None:
    typer.echo(f"{result.name}: all {result.files} files match their recorded hashes")


@render.register
def _(result: PreprocessResult) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    height, width = result.size
    typer.echo(f"{result.name}: {counts} pairs of {width}x{height}, paired by '{result.pairing}'")
    fates = {
        "files skipped": result.left_out,
        "repeated": result.repeated,
        "kept with a remark": result.unaligned,
    }
    for fate, files in fates.items():
        if files:
            typer.echo(f"{fate}: {len(files)} (listed in the audit)")
    found = ", ".join(f"{count} {kind}" for kind, count in result.findings.items())
    typer.echo(f"audit: {found or 'nothing found'}: {result.audit}")
    typer.echo(f"dataset: {result.folder}")
    typer.echo(f"contact sheet: {result.contact_sheet}")
    if result.is_spoiled:
        typer.echo("next: review the audit; this dataset is not fit for training as it is")
    else:
        before = "review the audit, then run: " if result.errors else ""
        name = paths.named(paths.prepared_home(), result.folder)
        typer.echo(f"next: {before}sketch2img train {shlex.quote(name)}")


@render.register
def _(result: ShareResult) -> None:
    typer.echo(
        f"rank {result.rank} of {result.ranks} made {result.chunks} chunks; "
        "rank 0 assembles the dataset"
    )


@render.register
def _(result: TrainEstimate) -> None:
    height, width = result.size
    held_out = f", {result.held_out} held-out pairs" if result.held_out else ""
    typer.echo(result.settings)
    typer.echo(f"dataset:    {result.dataset}, {result.pairs} pairs of {width}x{height}{held_out}")
    typer.echo(
        f"parameters: {result.generator_parameters:,} in the generator, "
        f"{result.discriminator_parameters:,} in the discriminator"
    )
    typer.echo(f"device:     {result.device}, {result.precision}")
    typer.echo(f"memory:     {result.memory_megabytes:,} MB plus library overhead")
    typer.echo(
        f"time:       {duration(result.seconds)}: {result.steps:,} steps of "
        f"{result.seconds_a_step:.2f} s, plus validation"
    )


@render.register
def _(result: TrainResult) -> None:
    typer.echo(
        f"trained {result.epochs} epochs on {result.dataset} ({result.images_seen:,} images) in "
        f"{duration(result.seconds)}"
    )
    if result.scores:
        typer.echo(
            f"held-out pairs: SSIM {result.scores['ssim']:.3f}, mean absolute error "
            f"{result.scores['mae']:.1f} of 255; best score in epoch {result.best_epoch}"
        )
    if result.skipped:
        typer.echo(f"skipped steps (NaN or infinite values): {result.skipped}")
    typer.echo(f"weights: {result.weights}")
    typer.echo(f"samples: {result.samples}")
    typer.echo(f"report:  {result.report}")
    is_at_home = paths.is_in_room(paths.runs_home(), result.run_dir)
    model = "" if is_at_home else f" --model {shlex.quote(str(result.run_dir))}"
    typer.echo(f"next: sketch2img generate SKETCH PHOTO{model}, or sketch2img eval{model}")


@render.register
def _(result: GenerateResult) -> None:
    for file in result.files:
        if file.output is not None:
            typer.echo(os.fsencode(file.output))  # a file name need not be valid text
    show_failures(result)
    if len(result.files) > 1:
        kinds = ((kind, result.count(kind)) for kind in ("made", "skipped", "failed"))
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
        typer.echo(f"{len(result.files)} photos: {counts}", err=True)
    for what, path in (("manifest", result.manifest), ("contact sheet", result.grid)):
        if path is not None:
            typer.echo(f"{what}: {path}", err=True)


def show_failures(result: GenerateResult) -> None:
    """Print the errors of failed files to stderr."""
    for file in result.failed:
        typer.echo(f"failed: {printable(str(file.error))}", err=True)


@render.register
def _(result: Installation) -> None:
    show_checkup(result, _console().width)


@render.register
def _(result: ModelsResult) -> None:
    show_models(result, _console())


@render.register
def _(result: ExportResult) -> None:
    typer.echo(result.output)
    typer.echo(
        f"for {result.compared} sketches, torch and ONNX Runtime differ by at most "
        f"{result.largest_difference:.2g}, and by {result.mean_difference:.2g} on average, "
        "with values in [-1, 1]"
    )
    typer.echo(f"width and height must be multiples of {result.multiple}; see the ONNX metadata")


@render.register
def _(result: ImportResult) -> None:
    typer.echo(f"imported {result.tensors} tensors of {result.generator}: {result.weights}")
    typer.echo(f"next: sketch2img generate SKETCH PHOTO --model {shlex.quote(str(result.weights))}")


@render.register
def _(result: EvalResult) -> None:
    show_scores(result, _console())


def _megabytes(listing: AssetListing) -> str:
    if listing.megabytes is not None:
        return f"{listing.megabytes:,.1f}"
    return f"({listing.download_megabytes:,.1f})" if listing.download_megabytes else ""


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


BASELINE = "baseline"
INTERVAL = ". 95% confidence interval: "  # separates a protocol from its interval's method
NARROW = 120  # columns; with fewer, an interval stands below its value


def show_scores(result: EvalResult, console: Console) -> None:
    """Print everything but the images of an evaluation."""
    height, width = result.size
    noun = "image" if result.count == 1 else "images"
    typer.echo(f"{result.count} {noun} of {width}x{height}: {result.real}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    console.print(_table(result, " " if console.width >= NARROW else "\n"))
    for score in result.scores:
        for line in _more(score, result):
            _tell(line, console)
    for command, names in _grouped(result.unavailable).items():
        _tell(f"not available: {', '.join(names)}: {command}", console)
    typer.echo("protocol:")
    for line in _protocol(result):
        _tell(f"  {line}", console)
    if result.folder is not None:
        typer.echo(f"report: {result.folder / 'report.html'}")


def _tell(line: str, console: Console) -> None:
    """Print a line; on a terminal, wrap it between words."""
    if console.is_terminal:
        begin = " " * (len(line) - len(line.lstrip()) + 2)
        wrap = textwrap.TextWrapper(console.width, subsequent_indent=begin)
        wrap.break_long_words = wrap.break_on_hyphens = False
        line = wrap.fill(line)
    typer.echo(line)


def _grouped(said: Mapping[str, str]) -> dict[str, list[str]]:
    """Return each text with the names that it belongs to."""
    groups: dict[str, list[str]] = {}
    for name, text in said.items():
        groups.setdefault(text, []).append(name)
    return groups


def _table(result: EvalResult, before_interval: str) -> Table:
    table = Table("", box=None, pad_edge=False)
    for score in result.scores:
        marked = " (trained on some pairs)" if score.trained_on else ""
        table.add_column(escape(score.predictor + marked), justify="right", overflow="fold")
    for name, metric in result.metrics.items():
        figures = [score.figures[name] for score in result.scores]
        count = max(figure.count for figure in figures)
        fewer = f" of {count}"
        is_told = count == result.count or metric.title.endswith(fewer)
        title = metric.title if is_told else metric.title + fewer
        cells = [
            _cell(figure, score, count, before_interval)
            for figure, score in zip(figures, result.scores, strict=True)
        ]
        table.add_row(f"{escape(title)} ({metric.direction})", *cells)
    return table


def _cell(figure: Figure, score: PredictorScore, count: int, before_interval: str) -> str:
    """Return a value with its rank, its number of images unless that is `count`, its interval."""
    if figure.value is None:
        return "-"
    shown = f"{_number(figure.value, 4)} #{figure.rank}"
    if figure.rank == 1:
        shown = f"[bold]{shown}[/bold]"
    if figure.count != count:
        shown += f" ({figure.count} images)"
    if score.kind == BASELINE or figure.low is None or figure.high is None:
        return shown
    low, high = _number(figure.low, 3), _number(figure.high, 3)
    return f"{shown}{before_interval}\\[{low}, {high}]"


def _number(value: float, digits: int) -> str:
    """Format a number with `digits` significant digits, or more rather than an exponent.

    >>> _number(0.71234, 4), _number(2603.4, 3)
    ('0.7123', '2603')
    """
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def _more(score: PredictorScore, result: EvalResult) -> list[str]:
    lines = [f"{score.predictor}: {score.source}"] if score.source else []
    if score.trained_on:
        lines.append(f"{score.predictor}: was trained on {score.trained_on} of these pairs")
    if score.on_training:
        figures = (
            f"{result.metrics[name].title} {_number(value, 4)}"
            for name, value in score.on_training.items()
        )
        lines.append(f"{score.predictor}, on its training pairs: {', '.join(figures)}")
    if score.memorisation is not None and score.kind != BASELINE:
        copied = score.memorisation.share_copied
        lines.append(
            f"{score.predictor}: {copied:.0%} of its photos are as close to a training photo as "
            "a copy would be (about 5% by chance)"
        )
    if score.discriminator is not None:
        d = score.discriminator
        lines.append(
            f"{score.predictor}: discriminator, real or generated: accuracy {d.accuracy:.3f}, "
            f"precision {d.precision:.3f}, recall {d.recall:.3f}, F1 {d.f1:.3f}"
        )
    return lines


def _protocol(result: EvalResult) -> Iterator[str]:
    """Yield how everything was measured; a description that intervals share is given once."""
    measured = {name: m.protocol.partition(INTERVAL) for name, m in result.metrics.items()}
    for name, text in result.protocol.items():
        yield f"{name}: {text}"
    for name, (text, _, _) in measured.items():
        yield f"{name}: {text}"
    intervals = {name: text for name, (_, _, text) in measured.items() if text}
    for text, names in _grouped(intervals).items():
        yield f"95% confidence intervals of {', '.join(names)}: {text}"


WIDEST = 100  # columns at most, so that the output can be pasted
INDENT = " " * 20


def show_checkup(found: Installation, columns: int) -> None:
    """Print the result of `doctor`."""
    for check in found.checks:
        typer.echo(lines(check, min(WIDEST, columns)))
    unable = [verb for verb, can_run in found.can_run.items() if not can_run]
    typer.echo(f"cannot run: {', '.join(unable)}" if unable else "all five main commands can run")


def lines(check: Check, columns: int) -> str:
    """Return the lines of a check: state, name, what was found and what to do."""
    told = _filled(f"{check.state.value:8}{check.name:12}", check.summary, columns)
    return f"{told}\n{_filled(INDENT + '-> ', check.hint, columns)}" if check.hint else told


def _filled(start: str, text: str, columns: int) -> str:
    return textwrap.fill(
        without_home(text),
        columns,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )


def without_home(text: str) -> str:
    """Return text with the home directory as `~` and nothing that moves the cursor."""
    return printable(text.replace(str(Path.home()), "~"))


def show_models(result: ModelsResult, console: Console) -> None:
    """Print one line per model."""
    if not result.models:
        typer.echo("no models found; next: sketch2img train")
        return
    table = Table("", "model", "trained on", box=None, pad_edge=False)
    for name in ("size", "epochs", "SSIM", "MAE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("network")
    for model in result.models:
        ssim, mae = (model.scores.get(name) for name in ("ssim", "mae"))
        table.add_row(
            "*" if model.is_default else "",
            escape(model.name) if model.is_finished else f"{escape(model.name)} (not finished)",
            escape(model.dataset),
            f"{model.size[1]}x{model.size[0]}",
            str(model.epochs),
            "" if ssim is None else f"{ssim:.3f}",
            "" if mae is None else f"{mae:.1f}",
            model.generator,
        )
    console.print(table)
    typer.echo("SSIM, MAE: on held-out pairs.  *: used without --model.  Details: --json")


def envelope(command: str, *, status: str, data: Any = None, errors: Sequence[Any] = ()) -> str:  # noqa: ANN401
    """Return the JSON that every command prints with `--json`."""
    content = {
        "version": __version__,
        "command": command,
        "status": status,
        "data": data,
        "errors": list(errors),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=plain)


def error_envelope(command: str, code: int, message: str, hint: str) -> str:
    """Return the JSON of a failed command."""
    about = {"code": int(code), "message": message, "hint": hint}
    return envelope(command, status="error", errors=[about])


def plain(value: object) -> str:
    """Convert a path to text for JSON; raise an error for any other type."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(value)
