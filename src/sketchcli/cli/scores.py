"""The table of an evaluation: a row a metric, a column a predictor."""

import textwrap

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sketchcli.engine.results import EvalResult, Figure, PredictorScore

BASELINE = "baseline"


def show(result: EvalResult, console: Console) -> None:
    """Print everything but the pictures."""
    height, width = result.size
    noun = "picture" if result.count == 1 else "pictures"
    typer.echo(f"{result.count} {noun} of {width}x{height}: {result.real}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    console.print(_table(result))
    for score in result.scores:
        for line in _more(score, result):
            typer.echo(line)
    for name, command in result.unavailable.items():
        typer.echo(f"{name}: not available: {command}")
    _show_protocol(result)
    if result.folder is not None:
        typer.echo(f"look at: {result.folder / 'report.html'}")


def _table(result: EvalResult) -> Table:
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
        cells = [_cell(*each, count) for each in zip(figures, result.scores, strict=True)]
        table.add_row(f"{escape(title)} ({metric.direction})", *cells)
    return table


def _cell(figure: Figure, score: PredictorScore, count: int) -> str:
    """The value with its rank, and what it is of if not of `count` pictures; with its interval."""
    if figure.value is None:
        return "-"
    shown = f"{figure.value:.4g} #{figure.rank}"
    if figure.rank == 1:
        shown = f"[bold]{shown}[/bold]"
    if figure.count != count:
        shown += f" ({figure.count} pictures)"
    if score.kind == BASELINE or figure.low is None or figure.high is None:
        return shown
    return f"{shown} \\[{figure.low:.3g}, {figure.high:.3g}]"


def _more(score: PredictorScore, result: EvalResult) -> list[str]:
    lines = [f"{score.predictor}: {score.source}"] if score.source else []
    if score.trained_on:
        lines.append(f"{score.predictor}: was trained on {score.trained_on} of these pairs")
    if score.on_training:
        figures = (f"{result.metrics[n].title} {v:.4g}" for n, v in score.on_training.items())
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


def _show_protocol(result: EvalResult) -> None:
    typer.echo("protocol:")
    titles = {name: metric.protocol for name, metric in result.metrics.items()}
    for name, text in (result.protocol | titles).items():
        typer.echo(textwrap.indent(f"{name}: {text}", "  "))
