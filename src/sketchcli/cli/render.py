"""Results on stdout: for people, or as one JSON envelope."""

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
from sketchcli.doctor.checks import Check, Installation
from sketchcli.engine.results import (
    AssetListing,
    EvalResult,
    ExportResult,
    FetchPlan,
    FetchResult,
    Figure,
    GeneratedFile,
    GenerateResult,
    ImportResult,
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

# Columns of a table that no terminal limits; licences and citations want so many to be read.
WIDE = 160


def emit(command: str, result: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any result
    """Print a result once."""
    if not as_json:
        render(result)
        return
    data = [asdict(r) for r in result] if isinstance(result, Sequence) else asdict(result)
    errors = _errors(result)
    typer.echo(envelope(command, status="error" if errors else "ok", data=data, errors=errors))


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
    if result.is_spoiled:
        typer.echo("next: look at the audit; this set is not fit to be trained on as it is")
    else:
        before = "look at the audit, then " if result.errors else ""
        name = paths.named(paths.prepared_home(), result.folder)
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
    show_checkup(result, _console().width)


@render.register
def _(result: ModelsResult) -> None:
    show_models(result, _console())


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
    show_scores(result, _console())


def _megabytes(listing: AssetListing) -> str:
    if listing.megabytes is not None:
        return f"{listing.megabytes:,.1f}"
    return f"({listing.download_megabytes:,.1f})" if listing.download_megabytes else ""


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


BASELINE = "baseline"
INTERVAL = ". 95 % interval: "  # in a metric's protocol, before how its intervals are made
NARROW = 120  # columns; with fewer, an interval stands below its value


def show_scores(result: EvalResult, console: Console) -> None:
    """Print everything but the pictures."""
    height, width = result.size
    noun = "picture" if result.count == 1 else "pictures"
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
        typer.echo(f"look at: {result.folder / 'report.html'}")


def _tell(line: str, console: Console) -> None:
    """Print a line; on a terminal, which would break it anywhere, broken between words."""
    if console.is_terminal:
        begin = " " * (len(line) - len(line.lstrip()) + 2)
        wrap = textwrap.TextWrapper(console.width, subsequent_indent=begin)
        wrap.break_long_words = wrap.break_on_hyphens = False
        line = wrap.fill(line)
    typer.echo(line)


def _grouped(said: Mapping[str, str]) -> dict[str, list[str]]:
    """Each thing that is said, with the names of which it is."""
    groups: dict[str, list[str]] = {}
    for name, text in said.items():
        groups.setdefault(text, []).append(name)
    return groups


def _table(result: EvalResult, before_interval: str) -> Table:
    table = Table("", box=None, pad_edge=False)
    for score in result.scores:
        marked = " (trained on some)" if score.trained_on else ""
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
    """The value with its rank, and what it is of if not of `count` pictures; with its interval."""
    if figure.value is None:
        return "-"
    shown = f"{_number(figure.value, 4)} #{figure.rank}"
    if figure.rank == 1:
        shown = f"[bold]{shown}[/bold]"
    if figure.count != count:
        shown += f" ({figure.count} pictures)"
    if score.kind == BASELINE or figure.low is None or figure.high is None:
        return shown
    low, high = _number(figure.low, 3), _number(figure.high, 3)
    return f"{shown}{before_interval}\\[{low}, {high}]"


def _number(value: float, digits: int) -> str:
    """So many digits that matter; all of a large number's, rather than an exponent.

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
        lines.append(f"{score.predictor}, on pairs that it was trained on: {', '.join(figures)}")
    if score.memorisation is not None and score.kind != BASELINE:
        copied = score.memorisation.share_copied
        lines.append(
            f"{score.predictor}: {copied:.0%} of its pictures are as near to a training photo as "
            "copies (about 5% by chance)"
        )
    if score.discriminator is not None:
        d = score.discriminator
        lines.append(
            f"{score.predictor}: discriminator, real against generated: accuracy {d.accuracy:.3f}, "
            f"precision {d.precision:.3f}, recall {d.recall:.3f}, F1 {d.f1:.3f}"
        )
    return lines


def _protocol(result: EvalResult) -> Iterator[str]:
    """How all was measured; what metrics' intervals share is told once."""
    measured = {name: m.protocol.partition(INTERVAL) for name, m in result.metrics.items()}
    for name, text in result.protocol.items():
        yield f"{name}: {text}"
    for name, (text, _, _) in measured.items():
        yield f"{name}: {text}"
    intervals = {name: text for name, (_, _, text) in measured.items() if text}
    for text, names in _grouped(intervals).items():
        yield f"95 % intervals of {', '.join(names)}: {text}"


WIDEST = 100  # columns, whatever the terminal has: it is to be pasted
INDENT = " " * 20


def show_checkup(found: Installation, columns: int) -> None:
    """Print the block."""
    for check in found.checks:
        typer.echo(lines(check, min(WIDEST, columns)))
    unable = [verb for verb, can_run in found.can_run.items() if not can_run]
    typer.echo(f"cannot run: {', '.join(unable)}" if unable else "all five verbs can run")


def lines(check: Check, columns: int) -> str:
    """A check on a line or more: how grave, what, what was found, what to do."""
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
    """Text in which the user's own folder is `~`, and nothing moves the cursor."""
    return printable(text.replace(str(Path.home()), "~"))


def show_models(result: ModelsResult, console: Console) -> None:
    """Print a line for each model."""
    if not result.models:
        typer.echo("no models yet; next: sketch2img train")
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
    typer.echo("SSIM, MAE: on held-out pairs.  *: used where no --model is named.  More: --json")


def envelope(command: str, *, status: str, data: Any = None, errors: Sequence[Any] = ()) -> str:  # noqa: ANN401
    """The JSON that every command prints with `--json`."""
    content = {
        "version": __version__,
        "command": command,
        "status": status,
        "data": data,
        "errors": list(errors),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=plain)


def error_envelope(command: str, code: int, message: str, hint: str) -> str:
    """The JSON of a command that failed."""
    about = {"code": int(code), "message": message, "hint": hint}
    return envelope(command, status="error", errors=[about])


def plain(value: object) -> str:
    """A value that JSON has no form for."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(value)
