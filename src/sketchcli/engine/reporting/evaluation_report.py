"""`report.html`: an evaluation on one self-contained page.

The page holds every image once, as data; `report.js` shows those that the reader chooses.
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
    """Write the report, whole or not at all; it is smaller than 8 MB for any dataset."""
    name = f"Evaluation on {result.real}"
    parts = (
        f'<h1>{escape(name)}</h1><p class="faint">{models_table(result)}</p>',
        _warnings(result),
        _verdicts(result),
        f"<h2>Scores</h2>{figures_table(result)}",
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


def _gallery(found: gallery.Gallery) -> str:
    if not found.shown:
        return ""
    left_out = (
        f'<p class="faint">To keep this page small, it shows {found.shown:,} of {found.wanted:,} '
        "combinations of method and metric, the models and the leading metrics first; "
        f"<code>{evidence.CSV_NAME}</code> next to this page has the values of all images.</p>"
    )
    return (
        "<h2>Images</h2>"
        '<noscript><p class="verdict warning">This page needs JavaScript to show its images; '
        "your browser has it disabled.</p></noscript>"
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
            '<p class="faint">These curves show how well generated faces are recognised as the '
            "people in their real photos. The nearer a curve comes to the upper left corner, the "
            "better; the dot marks the equal error rate. The same chart is in "
            f"<code>{ROC}</code>.</p></div>"
        )
    if bars:
        parts.append(
            f"<h2>Histograms</h2>{legend}{bars}"
            '<p class="faint">These charts show the distribution of the values over the images; '
            f"baselines are dashed. The same charts are in <code>{HISTOGRAMS}</code>.</p>"
        )
    return "".join(parts)


# The verdicts summarise an evaluation for readers who do not know the metrics.

EXPLANATION = (
    "A baseline is a simple method that learns nothing. “Clearly” means that the 95% confidence "
    "intervals do not overlap; otherwise the difference may be due to chance."
)


@dataclass(frozen=True)
class Verdict:
    """A sentence on the result of a method, and its mark: good | warning | error."""

    sentence: str
    mark: str


def verdicts(result: EvalResult) -> list[Verdict]:
    """Return one verdict on each model or folder, in the order of their mean rank."""
    if not contenders(result):
        return [Verdict("Only baselines were scored; there is no model to evaluate.", "warning")]
    metrics = leading(result)
    ordered = sorted(contenders(result), key=lambda score: _mean_rank(score, metrics))
    return [_verdict(score, result) for score in ordered]


def has_baselines(result: EvalResult) -> bool:
    """Return whether there are baselines to compare the models with."""
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
        scored = f"“{score.predictor}” was scored on {counted(result.count, 'image')}"
        return Verdict(f"{scored}: {_values(score, result)}.", "warning")
    sentence = _comparison(score, standing, result)
    if score.trained_on:
        learnt = f"the model was trained on {score.trained_on:,} of these images"
        return Verdict(f"{sentence} However, {learnt}, so this is not a fair test.", "error")
    if "better" in standing.values():
        return Verdict(sentence, "good")
    return Verdict(sentence, "error" if "worse" in standing.values() else "warning")


def _values(score: PredictorScore, result: EvalResult) -> str:
    known = [name for name in leading(result) if value_of(score, name) is not None]
    values = (f"{title(name, result)} {number(value_of(score, name))}" for name in known)
    return joined(values) if known else "no score could be computed"


def _standing(score: PredictorScore, metric: str, result: EvalResult) -> str | None:
    """Compare a score with the best baseline's: better | worse | unsure; None if one is missing."""
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
    better, worse, unsure = (
        [title(metric, result) for metric, found in standing.items() if found == kind]
        for kind in ("better", "worse", "unsure")
    )
    start = f"On {counted(result.count, 'image')}, “{score.predictor}”"
    whole = counted(len(standing), "leading metric")
    if better:
        of_all = f"all {whole}" if len(better) == len(standing) else f"{len(better)} of {whole}"
        told = [f"{start} clearly beats the best baseline on {of_all}: {joined(better)}."]
    else:
        told = [f"{start} does not clearly beat the best baseline on any of {whole}."]
    told += [f"On {joined(worse)} it is clearly worse."] if worse else []
    told += [f"On {joined(unsure)} the difference may be due to chance."] if unsure else []
    return " ".join(told)


# The tables of the report show scores, gaps, checks and the protocol.

ARROWS = {"higher": "↑", "lower": "↓"}


def figures_table(result: EvalResult) -> str:
    """Return the table of all scores: one row per metric, one column per method."""
    head = "".join(_head(score, result.count) for score in result.scores)
    body = "".join(_line(metric, info, result) for metric, info in result.metrics.items())
    return (
        '<div class="wide"><table class="figures"><thead><tr><th scope="col">metric</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="faint">↑ means that higher is better, ↓ that lower is better. After each value '
        "comes its rank, and below it the 95% confidence interval, drawn on one scale for the "
        "whole row. The best value of a row is bold and green.</p>"
    )


def unavailable_table(commands: Mapping[str, str], result: EvalResult) -> str:
    """Return the table of the metrics that are not available, with the commands to get them."""
    rows = (
        [escape(title(name, result)), f"<code>{escape(command)}</code>"]
        for name, command in commands.items()
    )
    return _section("Not available", table(("metric", "how to get it"), rows)) if commands else ""


def training_gap_table(result: EvalResult) -> str:
    """Return the table of the scores on training pairs next to those on these pairs."""
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
        "memorised them.</p>"
    )
    columns = ("method", "metric", "training pairs", "these pairs", "gap")
    return _section("Scores on training pairs", note + table(columns, rows)) if rows else ""


def memorisation_table(result: EvalResult) -> str:
    """Return the table of the fractions of photos that repeat training photos."""
    rows = [
        [escape(score.predictor), _percent(found.share_copied), _percent(found.share_nearer)]
        for score in result.scores
        if (found := score.memorisation) is not None
    ]
    note = (
        '<p class="faint">The fraction of photos that are as close to one training photo as a copy '
        "would be (5% by chance), and the fraction that are nearer to a training photo than to "
        "the real photo (blurred photos often are, so this alone proves nothing).</p>"
    )
    columns = ("method", "copied", "nearer to a training photo")
    return _section("Memorisation", note + table(columns, rows)) if rows else ""


def discriminator_table(result: EvalResult) -> str:
    """Return the table of the scores of each model's discriminator."""
    rows = [
        [escape(score.predictor), *map(number, (one.accuracy, one.precision, one.recall, one.f1))]
        for score in result.scores
        if (one := score.discriminator) is not None
    ]
    note = (
        "<p class='faint'>How well a model's own discriminator tells real photos from generated "
        "ones. It describes the balance between the two networks, not the quality of the "
        "photos.</p>"
    )
    columns = ("model", "accuracy", "precision", "recall", "F1")
    return _section("Discriminator", note + table(columns, rows)) if rows else ""


def protocol_table(result: EvalResult) -> str:
    """Return everything that the scores depend on."""
    told = {"real photos": result.real} | {
        f"{score.predictor} ({score.kind})": score.source for score in result.scores if score.source
    }
    rows = (
        [escape(info.title), f"{_arrow(info)} {info.direction}", escape(info.protocol)]
        for info in result.metrics.values()
    )
    columns = ("metric", "better is", "how it is computed")
    return _section("Protocol", facts(told | result.protocol) + table(columns, rows))


def models_table(result: EvalResult) -> str:
    """Return a line that names the methods and the number and size of the images."""
    names = ", ".join(score.predictor for score in contenders(result))
    baselines = len(result.scores) - len(contenders(result))
    size = f"{result.size[1]}x{result.size[0]} pixels"
    beside = f", compared with {counted(baselines, 'baseline')}" if baselines else ""
    return escape(f"{names or 'no model'}{beside}; {counted(result.count, 'image')} of {size}")


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
    fewer = f" on {counted(figure.count, 'image')}" if figure.count != count else ""
    return (
        f'<td {label}{" best" if is_best else ""}"><span class="value">{number(figure.value)}'
        f'</span>{rank}<span class="interval">{interval(figure)}{fewer}</span>'
        f"{_drawn(figure, scale)}</td>"
    )


def _scale(figures: Iterable[Figure | None]) -> tuple[float, float]:
    ends = [
        end
        for figure in figures
        if figure is not None
        for end in (figure.low, figure.value, figure.high)
        if end is not None
    ]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _drawn(figure: Figure, scale: tuple[float, float]) -> str:
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
    return f"{100 * share:.0f}%"
