"""The table of an evaluation: a row a metric, a column a predictor."""

import textwrap
from collections.abc import Iterator, Mapping

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sketchcli.engine.results import EvalResult, Figure, PredictorScore

BASELINE = "baseline"
INTERVAL = ". 95 % interval: "  # in a metric's protocol, before how its intervals are made
NARROW = 120  # columns; with fewer, an interval stands below its value


def show(result: EvalResult, console: Console) -> None:
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
