"""`report.html`: an evaluation as one page that needs no other file.

The pictures lie in the page once each, as data; `report.js` shows those that the reader asks for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sketchcli import files
from sketchcli.engine.reporting import evidence, gallery, web_page
from sketchcli.engine.reporting.charts import HISTOGRAMS, ROC
from sketchcli.engine.reporting.evidence import Evidence
from sketchcli.engine.reporting.web_page import counted, escape, facts, table
from sketchcli.engine.reporting.wording import (
    BASELINE,
    NOTHING,
    contenders,
    interval,
    is_better,
    joined,
    leading,
    number,
    overlap,
    title,
    value_of,
)
from sketchcli.engine.results import EvalResult, Figure, MetricInfo, PredictorScore

NAME = "report.html"
_SIGNS = {"good": "✓", "warning": "≈", "error": "✗"}


def write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    """Write the report, whole or not at all; it stays under 8 MB whatever the set.

    Few rows are read again, in no more than a batch at a time.

    Args:
        folder: Where to.
        result: The figures.
        evidence: The pictures, and what was measured of each.

    Raises:
        DataError: A picture cannot be read or encoded, or the file cannot be written.
    """
    name = f"Evaluation on {result.real}"
    parts = (
        f'<h1>{escape(name)}</h1><p class="faint">{models_table(result)}</p>',
        _warnings(result),
        _verdicts(result),
        f"<h2>Figures</h2>{figures_table(result)}",
        unavailable_table(result.unavailable, result),
        _gallery(gallery.compose(result, evidence)),
        training_gap_table(result),
        memorisation_table(result),
        discriminator_table(result),
        _charts(result, evidence),
        protocol_table(result),
    )
    page = web_page.page(
        name,
        "\n".join(part for part in parts if part),
        style=web_page.resource(__package__, "report.css"),
        script=web_page.resource(__package__, "report.js"),
    )
    files.write_whole(folder / NAME, lambda part: part.write_bytes(page.encode()))


def _warnings(result: EvalResult) -> str:
    if not result.warnings:
        return ""
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings)
    return f'<div class="warnings"><b class="warning">Read this first</b><ul>{lines}</ul></div>'


def _verdicts(result: EvalResult) -> str:
    first, *others = verdicts(result)
    lines = "".join(
        f'<p class="other {other.mark}">{escape(other.sentence)}</p>' for other in others
    )
    told = EXPLANATION if has_baselines(result) else ""
    return (
        f'<p class="verdict {first.mark}">{_SIGNS[first.mark]} {escape(first.sentence)}</p>{lines}'
        f'<p class="faint">{told}</p>'
    )


def _gallery(found: gallery.Album) -> str:
    """The place where the script puts the cards, and what they are made of."""
    if not found.shown:
        return ""
    left_out = (
        f'<p class="faint">To keep this page small, it shows {found.shown:,} of {found.wanted:,} '
        "combinations of predictor and metric, the models and the leading metrics first; "
        f"<code>{evidence.CSV_NAME}</code> beside this page has the values of all pictures.</p>"
    )
    return (
        "<h2>Pictures</h2>"
        '<noscript><p class="verdict warning">The pictures are shown by a script in this page; '
        "your browser runs none.</p></noscript>"
        '<div id="controls" hidden></div><p id="caption" class="faint" aria-live="polite"></p>'
        f'<div id="cards" class="cards"></div>{left_out if found.shown < found.wanted else ""}'
        f"{web_page.data_block('album', found.data)}"
    )


def _charts(result: EvalResult, evidence: Evidence) -> str:
    curves, bars = gallery.roc(evidence), gallery.histograms(result, evidence)
    legend = gallery.legend(evidence)
    parts = []
    if curves:
        parts.append(
            f"<h2>Verification</h2>{legend}<div class='beside'>{curves}"
            '<p class="faint">Is this the same person? The nearer a curve comes to the upper left '
            "corner, the better; the dot is where both errors are equal. The same drawing: "
            f"<code>{ROC}</code>.</p></div>"
        )
    if bars:
        parts.append(
            f"<h2>Histograms</h2>{legend}{bars}"
            '<p class="faint">How many pictures have which value; baselines are dashed. The same '
            f"drawings: <code>{HISTOGRAMS}</code>.</p>"
        )
    return "".join(parts)


# What an evaluation comes to, in sentences for people who know none of the metrics.

EXPLANATION = (
    "A baseline is a trivial method that learns nothing about the picture in hand. “Clearly” means "
    "that the 95 % intervals do not overlap; otherwise the difference may be chance."
)


@dataclass(frozen=True)
class Verdict:
    """How a predictor did, and how good that is: good | warning | error."""

    sentence: str
    mark: str


def verdicts(result: EvalResult) -> list[Verdict]:
    """One verdict on each model or folder, the one that leads the others first."""
    if not contenders(result):
        return [Verdict("Only baselines were scored: there is no model here to judge.", "warning")]
    metrics = leading(result)
    ordered = sorted(contenders(result), key=lambda score: _mean_rank(score, metrics))
    return [_verdict(score, result) for score in ordered]


def has_baselines(result: EvalResult) -> bool:
    """Whether there is something to hold the models against."""
    return any(score.kind == BASELINE for score in result.scores)


def _mean_rank(score: PredictorScore, metrics: list[str]) -> float:
    ranks = [score.figures[name].rank for name in metrics if name in score.figures]
    known = [rank for rank in ranks if rank is not None]
    return sum(known) / len(known) if known else float("inf")


def _verdict(score: PredictorScore, result: EvalResult) -> Verdict:
    standing = {
        metric: found
        for metric in leading(result)
        if (found := _standing(score, metric, result)) is not None
    }
    if not standing:
        scored = f"“{score.predictor}” was scored on {counted(result.count, 'picture')}"
        return Verdict(f"{scored}: {_values(score, result)}.", "warning")
    sentence = _comparison(score, standing, result)
    if score.trained_on:
        learnt = f"{score.trained_on:,} of these pictures were in its training"
        return Verdict(f"{sentence} But {learnt}: this is no fair test.", "error")
    if "better" in standing.values():
        return Verdict(sentence, "good")
    return Verdict(sentence, "error" if "worse" in standing.values() else "warning")


def _values(score: PredictorScore, result: EvalResult) -> str:
    """The leading figures themselves, where nothing is there to compare them with."""
    known = [name for name in leading(result) if value_of(score, name) is not None]
    values = (f"{title(name, result)} {number(value_of(score, name))}" for name in known)
    return joined(values) if known else "nothing could be measured"


def _standing(score: PredictorScore, metric: str, result: EvalResult) -> str | None:
    """A figure against that of the best baseline: better | worse | unsure; None without either."""
    direction = result.metrics[metric].direction
    baselines = [
        (other.figures[metric], value)
        for other in result.scores
        if other.kind == BASELINE and (value := value_of(other, metric)) is not None
    ]
    mine = value_of(score, metric)
    if mine is None or not baselines:
        return None
    choose = max if direction == "higher" else min
    best, value = choose(baselines, key=lambda baseline: baseline[1])
    if overlap(score.figures[metric], best):
        return "unsure"
    return "better" if is_better(mine, value, direction) else "worse"


def _comparison(score: PredictorScore, standing: dict[str, str], result: EvalResult) -> str:
    """Where a predictor stands against the best baseline of each metric."""
    better, worse, unsure = (
        [title(metric, result) for metric, found in standing.items() if found == kind]
        for kind in ("better", "worse", "unsure")
    )
    start = f"On {counted(result.count, 'picture')}, “{score.predictor}”"
    whole = counted(len(standing), "leading figure")
    if better:
        of_all = f"all {whole}" if len(better) == len(standing) else f"{len(better)} of {whole}"
        told = [f"{start} clearly beats the best baseline on {of_all}: {joined(better)}."]
    else:
        told = [f"{start} does not clearly beat the best baseline on any of {whole}."]
    told += [f"On {joined(worse)} it is clearly worse."] if worse else []
    told += [f"On {joined(unsure)} the difference may be chance."] if unsure else []
    return " ".join(told)


# The tables of the report: figures, gaps, checks, and how everything was measured.

ARROWS = {"higher": "↑", "lower": "↓"}


def figures_table(result: EvalResult) -> str:
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


def unavailable_table(commands: Mapping[str, str], result: EvalResult) -> str:
    """What could not be measured, and what to type."""
    rows = (
        [escape(title(name, result)), f"<code>{escape(command)}</code>"]
        for name, command in commands.items()
    )
    return _section("Not available", table(("metric", "get it with"), rows)) if commands else ""


def training_gap_table(result: EvalResult) -> str:
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


def memorisation_table(result: EvalResult) -> str:
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


def discriminator_table(result: EvalResult) -> str:
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


def protocol_table(result: EvalResult) -> str:
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


def models_table(result: EvalResult) -> str:
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
