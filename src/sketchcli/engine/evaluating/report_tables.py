"""The tables of the report: figures, gaps, checks, and how everything was measured."""

from collections.abc import Iterable, Mapping

from sketchcli.engine.evaluating.wording import (
    NOTHING,
    contenders,
    interval,
    number,
    title,
    value_of,
)
from sketchcli.engine.results import EvalResult, Figure, MetricInfo, PredictorScore
from sketchcli.engine.web_page import counted, escape, facts, table

ARROWS = {"higher": "↑", "lower": "↓"}


def figures(result: EvalResult) -> str:
    """All figures: a line for each metric, a column for each predictor."""
    head = "".join(_head(score, result.count) for score in result.scores)
    body = "".join(_line(metric, info, result) for metric, info in result.metrics.items())
    return (
        '<div class="wide"><table class="figures"><thead><tr><th scope="col">metric</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="faint">↑ higher is better, ↓ lower is better; after the value its rank among '
        "all, below it the 95 % interval, drawn on one scale for the whole line. The best of a "
        "line is bold and green.</p>"
    )


def unavailable(commands: Mapping[str, str], result: EvalResult) -> str:
    """What could not be measured, and what to type."""
    rows = (
        [escape(title(name, result)), f"<code>{escape(command)}</code>"]
        for name, command in commands.items()
    )
    return _section("Not available", table(("metric", "get it with"), rows)) if commands else ""


def training_gap(result: EvalResult) -> str:
    """Figures on the training pairs beside those on these pictures."""
    rows = [
        [
            escape(score.predictor),
            f"{escape(title(name, result))} {_arrow(result.metrics.get(name))}",
            number(value),
            number(value_of(score, name)),
            _gap(value_of(score, name), value),
        ]
        for score in result.scores
        for name, value in score.on_training.items()
    ]
    note = (
        '<p class="faint">A model that does much better on the pairs that it was trained on has '
        "learnt them by heart.</p>"
    )
    columns = ("predictor", "metric", "training pairs", "these pictures", "gap")
    return _section("Training pairs against these", note + table(columns, rows)) if rows else ""


def memorisation(result: EvalResult) -> str:
    """Whose pictures repeat training photos."""
    rows = [
        [escape(score.predictor), _percent(found.share_copied), _percent(found.share_nearer)]
        for score in result.scores
        if (found := score.memorisation) is not None
    ]
    note = (
        '<p class="faint">Of all pictures, how many look like a copy of one training photo '
        "(5 % by chance), and how many are nearer to a training photo than to the real one "
        "(blurred pictures often are; that alone proves nothing).</p>"
    )
    columns = ("predictor", "copied", "nearer to a training photo")
    return _section("Memorisation", note + table(columns, rows)) if rows else ""


def discriminator(result: EvalResult) -> str:
    """How well each model's own discriminator tells real from generated photos."""
    rows = [
        [escape(score.predictor), *map(number, (one.accuracy, one.precision, one.recall, one.f1))]
        for score in result.scores
        if (one := score.discriminator) is not None
    ]
    note = (
        "<p class='faint'>How well a model's own discriminator tells real photos from generated "
        "ones. It says something of their contest, not of the quality of the pictures.</p>"
    )
    columns = ("model", "accuracy", "precision", "recall", "F1")
    return _section("Discriminator", note + table(columns, rows)) if rows else ""


def protocol(result: EvalResult) -> str:
    """Everything that a figure depends on."""
    told = {"real photos": result.real} | {
        f"{score.predictor} ({score.kind})": score.source for score in result.scores if score.source
    }
    rows = (
        [escape(info.title), f"{_arrow(info)} {info.direction}", escape(info.protocol)]
        for info in result.metrics.values()
    )
    columns = ("metric", "better is", "how it is measured")
    return _section("Protocol", facts(told | result.protocol) + table(columns, rows))


def models(result: EvalResult) -> str:
    """Who was scored, in a line."""
    names = ", ".join(score.predictor for score in contenders(result))
    baselines = len(result.scores) - len(contenders(result))
    size = f"{result.size[1]}x{result.size[0]} pixels"
    beside = f", beside {counted(baselines, 'baseline')}" if baselines else ""
    return escape(f"{names or 'no model'}{beside}; {counted(result.count, 'picture')} of {size}")


def _section(heading: str, content: str) -> str:
    return f"<h2>{heading}</h2>{content}"


def _head(score: PredictorScore, count: int) -> str:
    learnt = f'<b class="error">trained on {score.trained_on:,} of {count:,}</b>'
    return (
        f'<th scope="col">{escape(score.predictor)}<span class="kind">{escape(score.kind)}</span>'
        f"{learnt if score.trained_on else ''}</th>"
    )


def _line(metric: str, info: MetricInfo, result: EvalResult) -> str:
    scale = _scale(score.figures.get(metric) for score in result.scores)
    cells = "".join(_cell(score, metric, scale, result.count) for score in result.scores)
    name = f"{escape(info.title)}&nbsp;{_arrow(info)}"
    return f'<tr><th scope="row" title="{escape(info.protocol)}">{name}</th>{cells}</tr>'


def _cell(score: PredictorScore, metric: str, scale: tuple[float, float], count: int) -> str:
    figure = score.figures.get(metric)
    label = f'data-label="{escape(score.predictor)}" class="{escape(score.kind)}'
    if figure is None or figure.value is None:
        return f'<td {label}"><span class="value">{NOTHING}</span></td>'
    is_best = figure.rank == 1
    rank = f'<span class="rank">#{figure.rank}</span>' if figure.rank is not None else ""
    fewer = f" of {counted(figure.count, 'picture')}" if figure.count != count else ""
    return (
        f'<td {label}{" best" if is_best else ""}"><span class="value">{number(figure.value)}'
        f'</span>{rank}<span class="interval">{interval(figure)}{fewer}</span>'
        f"{_drawn(figure, scale)}</td>"
    )


def _scale(figures: Iterable[Figure | None]) -> tuple[float, float]:
    """From the lowest to the highest end of all intervals."""
    ends = [
        end
        for figure in figures
        if figure is not None
        for end in (figure.low, figure.value, figure.high)
        if end is not None
    ]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _drawn(figure: Figure, scale: tuple[float, float]) -> str:
    """A value and its interval as a dot on a line."""
    low, high = scale

    def place(value: float | None) -> str:
        share = (value - low) / (high - low) if value is not None and high > low else 0.5
        return f"{4 + 92 * share:.1f}"

    value = f'<circle cx="{place(figure.value)}" cy="4" r="3"/>'
    span = (
        f'<path class="span" d="M{place(figure.low)} 4H{place(figure.high)}"/>'
        if figure.low is not None and figure.high is not None
        else ""
    )
    return (
        '<svg class="track" viewBox="0 0 100 8" aria-hidden="true">'
        f'<path class="rail" d="M0 4H100"/>{span}{value}</svg>'
    )


def _arrow(info: MetricInfo | None) -> str:
    if info is None:
        return ""
    told = f"{info.direction} is better"
    return f'<span class="arrow" role="img" aria-label="{told}">{ARROWS[info.direction]}</span>'


def _gap(value: float | None, training: float) -> str:
    return NOTHING if value is None else number(value - training)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
