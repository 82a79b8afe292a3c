"""The output of results on stdout: for people, or as one JSON envelope."""

import os
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from sketchcli import __version__, paths
from sketchcli.cli.progress import SafeConsole
from sketchcli.cli.streams import json_text, say, say_name
from sketchcli.cli.verbosity import current
from sketchcli.config import Domains
from sketchcli.engine import results
from sketchcli.engine.training.budget import duration
from sketchcli.engine.wording import counted, number, paths_of, printable
from sketchcli.errors import ExitCode

# Columns if there is no terminal; licences and citations need this many to be readable.
WIDE = 160
WIDEST = 100  # columns at most of what `doctor` prints, so that it can be pasted
NARROW = 120  # columns; with fewer, an interval stands below its value
BASELINE = "baseline"
INTERVAL = ". 95% confidence interval: "  # separates a protocol from its interval's method


def emit(command: str, result: Any, *, as_json: bool) -> None:  # noqa: ANN401 - any result
    """Print the result of a command, for people or as JSON."""
    if not as_json:
        render(result)
        return
    data = [asdict(r) for r in result] if isinstance(result, Sequence) else asdict(result)
    errors: list[dict[str, Any]] = []
    if isinstance(result, results.GenerateResult):
        errors = [failure(ExitCode.DATA, str(file.error), "") for file in result.failed]
    elif isinstance(result, results.Installation):
        errors = [failure(p.exit_code, f"{p.name}: {p.summary}", p.hint) for p in result.problems]
    say(*envelope(command, data, errors).split("\n"))


def envelope(command: str, data: Any = None, errors: Sequence[Any] = ()) -> str:  # noqa: ANN401
    """Return the JSON that every command prints with `--json`."""
    content = {
        "version": __version__,
        "command": command,
        "status": "error" if errors else "ok",
        "data": data,
        "errors": errors,
    }
    return json_text(content, indent=2)


def failure(code: int, message: str, hint: str) -> dict[str, Any]:
    """Return an error for the envelope."""
    return {"code": int(code), "message": message, "hint": hint}


# This section prints each kind of result for people.


@singledispatch
def render(result: object) -> None:
    """Print a result for people."""
    raise TypeError(result)


def _console() -> Console:
    console = SafeConsole()
    return console if console.is_terminal else SafeConsole(width=WIDE)


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
        title, licence = printable(listing.title), printable(listing.licence)
        narrow = Text(f"{title}\n").append(licence, "dim")
        about = (title, licence, listing.citation) if is_wide else (narrow,)
        pairs = "" if listing.pairs is None else f"{listing.pairs:,}"
        megabytes = f"({listing.download_megabytes:,.1f})" if listing.download_megabytes else ""
        if listing.megabytes is not None:
            megabytes = f"{listing.megabytes:,.1f}"
        table.add_row(listing.name, pairs, megabytes, listing.state, *about)
    console.print(table)
    say("MB: on disk, or (of the download).  Details: --list --json")


@render.register
def _(result: results.FetchResult) -> None:
    count = f"{result.pictures} images in " if result.pictures else ""
    following = f"next: {result.next}" if result.next else ""
    sides = f"{_sides(result.domains)}; --reverse swaps them" if result.domains else ""
    say(f"{count}{result.folder}", f"licence: {result.licence}", sides, following)


def _sides(domains: Domains, reasons: Sequence[str] = ("", "")) -> str:
    """Return a line about inputs and targets, with the reasons for their channels.

    >>> _sides(Domains(), ("drawn", ""))
    'inputs: sketches (grey, drawn), targets: photos (colour)'
    """
    looks = [
        ("grey" if c == 1 else "colour") + (r and f", {r}")
        for c, r in zip(domains.channels, reasons, strict=True)
    ]
    return f"inputs: {domains.input.many} ({looks[0]}), targets: {domains.target.many} ({looks[1]})"


@render.register
def _(result: results.DraftResult) -> None:
    say(
        f"drafted {result.pairs} pairs; files without a partner: {result.unpaired}",
        f"check {result.manifest}; if it has them the wrong way round, swap the words sketch and "
        "photo in its first line",
        f"next: sketch2img preprocess --manifest {shlex.quote(str(result.manifest))}",
    )


@render.register
def _(result: results.PreprocessResult) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    height, width = result.size
    fates = {
        "files skipped": result.left_out,
        "repeated": result.repeated,
        "kept with a remark": result.unaligned,
    }
    found = ", ".join(f"{count} {kind}" for kind, count in result.findings.items())
    name = paths.named(paths.prepared_home(), result.folder)
    following = f"{'review the audit, then run: ' if result.errors else ''}sketch2img train "
    following += shlex.quote(name)
    if result.is_spoiled:
        following = "review the audit; this dataset is not fit for training as it is"
    say(
        f"{result.name}: {counts} pairs of {width}x{height}, paired by '{result.pairing}'",
        _sides(result.domains, result.reasons),
        *(f"{fate}: {len(f)} (listed in the audit)" for fate, f in fates.items() if f),
        f"audit: {found or 'nothing found'}: {result.audit}",
        f"dataset: {result.folder}",
        f"next: {following}",
    )


@render.register
def _(result: results.TrainEstimate) -> None:
    height, width = result.size
    held_out = f", {result.held_out} held-out pairs" if result.held_out else ""
    say(
        f"time:       {duration(result.seconds)} for {counted(result.epochs, 'epoch')}: "
        f"{result.steps:,} steps of {result.seconds_a_step:.2f} s, plus validation",
        f"memory:     {result.memory_megabytes:,} MB plus library overhead",
        f"device:     {result.device}, {result.precision}",
        f"dataset:    {result.dataset}, {result.pairs} pairs of {width}x{height}{held_out}",
        f"parameters: {result.generator_parameters:,} in the generator, "
        f"{result.discriminator_parameters:,} in the discriminator",
        *(result.settings.split("\n") if current().is_verbose else ("settings:   -v shows them",)),
    )


@render.register
def _(result: results.TrainResult) -> None:
    scores = ""
    if result.scores:
        scores = (
            f"held-out pairs: SSIM {number(result.scores['ssim'])}, mean absolute error "
            f"{number(result.scores['mae'])} of 255; best score in epoch {result.best_epoch}"
        )
    is_at_home = paths.is_in_room(paths.runs_home(), result.run_dir)
    model = "" if is_at_home else f" --model {shlex.quote(str(result.run_dir))}"
    say(
        f"trained {result.epochs} epochs on {result.dataset} ({result.images_seen:,} images) in "
        f"{duration(result.seconds)}",
        scores,
        f"skipped steps (NaN or infinite values): {result.skipped}" if result.skipped else "",
        f"weights: {result.weights}",
        f"samples: {result.samples}",
        f"report:  {result.report}",
        f"next: sketch2img generate {paths_of(result.domains)}{model}, or sketch2img eval{model}",
    )


@render.register
def _(result: results.GenerateResult) -> None:
    for file in result.files:
        if file.output is not None:
            say_name(file.output)
    show_failures(result)
    if len(result.files) > 1:
        kinds = ((kind, result.count(kind)) for kind in ("made", "skipped", "failed"))
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
        photos = result.domains.target.counted(len(result.files))
        say(f"{photos}: {counts}", is_error=True)
    for what, path in (("manifest", result.manifest), ("contact sheet", result.grid)):
        if path is not None:
            say(f"{what}: {path}", is_error=True)


def show_failures(result: results.GenerateResult) -> None:
    """Print the errors of failed files to stderr."""
    for file in result.failed:
        say(f"failed: {file.error}", is_error=True)


@render.register
def _(result: results.ModelsResult) -> None:
    if not result.models:
        say("no models found; next: sketch2img train")
        return
    typed = Column("model", overflow="fold")  # never cut
    table = Table("", typed, "trained on", box=None, pad_edge=False)
    for name in ("size", "epochs", "SSIM", "MAE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("network")
    are_told = any(model.domains != Domains() for model in result.models)
    if are_told:
        table.add_column("translates")
    for model in result.models:
        ssim, mae = (model.scores.get(name) for name in ("ssim", "mae"))
        table.add_row(
            "*" if model.is_default else "",
            model.name if model.is_finished else f"{model.name} (not finished)",
            model.dataset,
            f"{model.size[1]}x{model.size[0]}",
            str(model.epochs),
            number(ssim),
            number(mae),
            model.generator,
            *([str(model.domains)] if are_told else []),
        )
    _console().print(table)
    say("SSIM, MAE: on held-out pairs.  *: used without --model.  Details: --json")


@render.register
def _(result: results.ExportResult) -> None:
    say(
        str(result.output),
        f"for {result.domains.input.counted(result.compared)}, torch and ONNX Runtime differ by at "
        f"most {result.largest_difference:.2g}, and by {result.mean_difference:.2g} on average, "
        "with values in [-1, 1]",
        f"width and height must be multiples of {result.multiple}; see the ONNX metadata",
    )


@render.register
def _(result: results.ImportResult) -> None:
    say(
        f"imported {result.tensors} tensors of {result.generator}: {result.weights}",
        f"next: sketch2img generate {paths_of(result.domains)} --model "
        f"{shlex.quote(str(result.weights))}",
    )


# This section prints the result of `doctor`.


@render.register
def _(found: results.Installation) -> None:
    columns = min(WIDEST, _console().width)
    home = os.path.expanduser("~")  # noqa: PTH111 - there may be none
    for check in found.checks:
        line = f"{check.state.value:8}{check.name:12}{check.summary}".replace(home, "~")
        hint = f"{'':20}-> {check.hint}".replace(home, "~") if check.hint else ""
        say(*_wrapped(line, columns, 20, is_cut=True), *_wrapped(hint, columns, 23, is_cut=True))
    unable = [verb for verb, can_run in found.can_run.items() if not can_run]
    say(f"cannot run: {', '.join(unable)}" if unable else "all five main commands can run")


def _wrapped(line: str, columns: int, indent: int, *, is_cut: bool = False) -> list[str]:
    """Wrap a line between words; `is_cut` also cuts words that are longer than a line."""
    return textwrap.wrap(
        printable(line),
        columns,
        subsequent_indent=" " * indent,
        break_long_words=is_cut,
        break_on_hyphens=False,
    )


# This section prints everything but the images of an evaluation.


@render.register
def show_scores(result: results.EvalResult, console: Console | None = None) -> None:
    """Print an evaluation, by default to the terminal."""
    console = console or _console()
    height, width = result.size
    say(f"{counted(result.count, 'image')} of {width}x{height}: {result.real}")
    for warning in result.warnings:
        say(f"warning: {warning}", is_error=True)
    console.print(_table(result, " " if console.width >= NARROW else "\n"))
    lines = [line for score in result.scores for line in _more(score, result)]
    for command, names in _grouped(result.unavailable).items():
        lines.append(f"not available: {', '.join(names)}: {command}")
    # How everything was measured; a description that intervals share is given once.
    measured = {name: m.protocol.partition(INTERVAL) for name, m in result.metrics.items()}
    lines.append("protocol:")
    lines += [f"  {name}: {text}" for name, text in result.protocol.items()]
    lines += [f"  {name}: {text}" for name, (text, _, _) in measured.items()]
    intervals = {name: text for name, (_, _, text) in measured.items() if text}
    for text, names in _grouped(intervals).items():
        lines.append(f"  95% confidence intervals of {', '.join(names)}: {text}")
    for line in lines:
        indent = len(line) - len(line.lstrip()) + 2
        say(*(_wrapped(line, console.width, indent) if console.is_terminal else [line]))
    if result.folder is not None:
        say(f"report: {result.folder / 'report.html'}")


def _grouped(said: Mapping[str, str]) -> dict[str, list[str]]:
    """Return each text with the names that it belongs to."""
    groups: dict[str, list[str]] = {}
    for name, text in said.items():
        groups.setdefault(text, []).append(name)
    return groups


def _table(result: results.EvalResult, before_interval: str) -> Table:
    table = Table("", box=None, pad_edge=False)
    for score in result.scores:
        marked = " (trained on some pairs)" if score.trained_on else ""
        table.add_column(score.predictor + marked, justify="right", overflow="fold")
    for name, metric in result.metrics.items():
        count = max(score.figures[name].count for score in result.scores)
        title = metric.title
        if count != result.count and not title.endswith(f" of {count}"):
            title += f" of {count}"
        cells = [_cell(score, name, count, before_interval) for score in result.scores]
        table.add_row(f"{title} ({metric.direction})", *cells)
    return table


def _cell(score: results.PredictorScore, name: str, count: int, before_interval: str) -> Text:
    """Return a value with its rank, its number of images unless that is `count`, its interval."""
    figure = score.figures[name]
    if figure.value is None:
        return Text("-")
    style = "bold" if figure.rank == 1 else None
    shown = Text().append(f"{number(figure.value)} #{figure.rank}", style)
    if figure.count != count:
        shown.append(f" ({figure.count} images)")
    if score.kind != BASELINE and figure.low is not None and figure.high is not None:
        interval = f"[{number(figure.low)}, {number(figure.high)}]"
        shown.append(f"{before_interval}{interval}")
    return shown


def _more(score: results.PredictorScore, result: results.EvalResult) -> list[str]:
    lines = [f"{score.predictor}: {score.source}"] if score.source else []
    if score.trained_on:
        lines.append(f"{score.predictor}: was trained on {score.trained_on} of these pairs")
    if score.on_training:
        figures = (
            f"{result.metrics[name].title} {number(value)}"
            for name, value in score.on_training.items()
        )
        lines.append(f"{score.predictor}, on its training pairs: {', '.join(figures)}")
    if score.memorisation is not None and score.kind != BASELINE:
        copied, photo = score.memorisation.share_copied, result.domains.target
        lines.append(
            f"{score.predictor}: {copied:.0%} of its {photo.many} are as close to a training "
            f"{photo.one} as a copy would be (about 5% by chance)"
        )
    if score.discriminator is not None:
        d = score.discriminator
        lines.append(
            f"{score.predictor}: discriminator, real or generated: accuracy {number(d.accuracy)}, "
            f"precision {number(d.precision)}, recall {number(d.recall)}, F1 {number(d.f1)}"
        )
    return lines
