"""`report.html`: an evaluation on one self-contained page, and its charts as PNG files.

The page holds every image once, as data; `evaluation.js` shows those that the reader chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sketchcli.engine.reporting import gallery, web_page
from sketchcli.engine.reporting.charts import Chart, Line, write_png
from sketchcli.engine.reporting.evidence import (
    BASELINE,
    Evidence,
    contenders,
    leading,
    title,
    value_of,
)
from sketchcli.engine.results import EvalResult, Figure, PredictorScore
from sketchcli.engine.wording import counted, joined, number

NAME, ROC, HISTOGRAMS = "report.html", "roc.png", "histograms.png"
SIGNS = {"good": "✓", "warning": "≈", "error": "✗"}


def write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    """Write the charts and the page, which is smaller than 8 MB for any dataset."""
    roc, bars = roc_chart(evidence), histograms(result, evidence)
    write_png(folder / ROC, [roc] if roc else [])
    write_png(folder / HISTOGRAMS, bars)
    sources = {f"{s.predictor} ({s.kind})": s.source for s in result.scores if s.source}
    web_page.write(
        folder / NAME,
        "evaluation.html",
        title=f"Evaluation on {result.real}",
        result=result,
        models=contenders(result),
        baselines=len(result.scores) - len(contenders(result)),
        verdicts=verdicts(result),
        scale=lambda metric: _scale(metric, result),
        gallery=gallery.compose(result, evidence),
        gaps=_gaps(result),
        roc=roc,
        histograms=bars,
        protocol={"real photos": result.real} | sources | result.protocol,
    )


def _scale(metric: str, result: EvalResult) -> Callable[[float], str]:
    """Return a function that maps a score to its place in a row, from 4 to 96."""
    figures = (score.figures.get(metric) for score in result.scores)
    known = (end for f in figures if f is not None for end in (f.low, f.value, f.high))
    ends = [end for end in known if end is not None] or [0.0]
    low, high = min(ends), max(ends)

    def place(value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{4 + 92 * share:.1f}"

    return place


def _gaps(result: EvalResult) -> list[dict[str, object]]:
    """Return the scores on training pairs next to those on these pairs."""
    return [
        {
            "method": score.predictor,
            "metric": name,
            "title": title(name, result),
            "training": training,
            "value": value,
            "gap": None if value is None else value - training,
        }
        for score in result.scores
        for name, training in score.on_training.items()
        for value in (value_of(score, name),)
    ]


# The charts of the report.


def roc_chart(evidence: Evidence) -> Chart | None:
    """Return the verification curves, if there are any."""
    lines = [
        Line(
            f"{method.name} (EER {number(roc.equal_error_rate)})",
            np.stack([roc.false_accepts, 1 - roc.false_rejects], axis=1),
            index,
            is_dashed=method.kind == BASELINE,
            dot=(roc.equal_error_rate, 1 - roc.equal_error_rate),
        )
        for index, method in enumerate(evidence.predictors)
        if (roc := evidence.rocs.get(method.name)) is not None and len(roc.thresholds)
    ]
    if not lines:
        return None
    labels = ("impostors accepted", "genuine pairs accepted")
    return Chart("Verification curves", lines, *labels, is_unit_square=True)


def histograms(result: EvalResult, evidence: Evidence) -> list[Chart]:
    """Return one chart per metric that has values."""
    return [
        Chart(title(metric, result), _outlines(metric, evidence), starts_at_zero=True)
        for metric in evidence.metrics
        if len(evidence.edges(metric))
    ]


def _outlines(metric: str, evidence: Evidence) -> list[Line]:
    edges, lines = evidence.edges(metric), []
    for index, method in enumerate(evidence.predictors):
        values = evidence.finite(index, metric)
        shares = np.histogram(values, edges)[0] / (len(values) or np.nan)
        steps = np.stack([edges.repeat(2), np.pad(shares.repeat(2), 1)], axis=1)
        lines.append(Line(method.name, steps, index, is_dashed=method.kind == BASELINE))
    return lines


# The verdicts summarise an evaluation for readers who do not know the metrics.


@dataclass(frozen=True)
class Verdict:
    """A sentence on the result of a method, and its mark: good | warning | error."""

    sentence: str
    mark: str

    @property
    def sign(self) -> str:
        """The mark as a character."""
        return SIGNS[self.mark]


def verdicts(result: EvalResult) -> list[Verdict]:
    """Return one verdict on each model or folder, in the order of their mean rank."""
    if not contenders(result):
        return [Verdict("Only baselines were scored; there is no model to evaluate.", "warning")]
    metrics = leading(result)
    ordered = sorted(contenders(result), key=lambda score: _mean_rank(score, metrics))
    return [_verdict(score, result) for score in ordered]


def _mean_rank(score: PredictorScore, metrics: list[str]) -> float:
    ranks = [score.figures[name].rank for name in metrics if name in score.figures]
    known = [rank for rank in ranks if rank is not None]
    return sum(known) / len(known) if known else float("inf")


def _verdict(score: PredictorScore, result: EvalResult) -> Verdict:
    """Compare a method with the best baseline: good only if it wins mostly and loses nowhere."""
    standing: dict[str, list[str]] = {"better": [], "worse": [], "unsure": []}
    for metric in leading(result):
        found = _standing(score, metric, result)
        if found is not None:
            standing[found].append(title(metric, result))
    count, better, worse = sum(map(len, standing.values())), standing["better"], standing["worse"]
    if not count:
        scored = f"“{score.predictor}” was scored on {counted(result.count, 'image')}"
        return Verdict(f"{scored}: {_values(score, result)}.", "warning")
    sentence = _comparison(score.predictor, standing, result.count)
    if score.trained_on:
        learnt = f"the model was trained on {score.trained_on:,} of these images"
        return Verdict(f"{sentence} However, {learnt}, so this is not a fair test.", "error")
    if len(worse) > len(better):
        return Verdict(sentence, "error")
    return Verdict(sentence, "good" if not worse and len(better) > count / 2 else "warning")


def _values(score: PredictorScore, result: EvalResult) -> str:
    known = [name for name in leading(result) if value_of(score, name) is not None]
    values = (f"{title(name, result)} {number(value_of(score, name))}" for name in known)
    return joined(values) if known else "no score could be computed"


def _standing(score: PredictorScore, metric: str, result: EvalResult) -> str | None:
    """Compare a score with the best baseline's: better | worse | unsure; None if one is missing."""
    sign = 1 if result.metrics[metric].direction == "higher" else -1
    baselines = [
        (sign * value, other.figures[metric])
        for other in result.scores
        if other.kind == BASELINE and (value := value_of(other, metric)) is not None
    ]
    mine = value_of(score, metric)
    if mine is None or not baselines:
        return None
    value, best = max(baselines, key=lambda baseline: baseline[0])
    if _overlap(score.figures[metric], best):
        return "unsure"
    return "better" if sign * mine > value else "worse"


def _overlap(figure: Figure, other: Figure) -> bool:
    """Return whether two intervals overlap or one is unknown, so that nothing is proven."""
    if figure.low is None or figure.high is None or other.low is None or other.high is None:
        return True
    return figure.low <= other.high and other.low <= figure.high


def _comparison(name: str, standing: dict[str, list[str]], images: int) -> str:
    better, worse, unsure = standing["better"], standing["worse"], standing["unsure"]
    count = len(better) + len(worse) + len(unsure)
    whole = counted(count, "leading metric")
    start = f"On {counted(images, 'image')}, “{name}”"
    beaten = f"On {joined(better)} it clearly beats the best baseline."
    lost = f"On {joined(worse)} it is clearly worse."
    if len(worse) > len(better):
        said = [f"{start} is clearly worse than the best baseline on {_of(worse, whole, count)}."]
        said += [beaten] if better else []
    elif better:
        said = [f"{start} clearly beats the best baseline on {_of(better, whole, count)}."]
        said += [lost] if worse else []
    else:
        said = [f"{start} does not clearly beat the best baseline on any of {whole}."]
    said += [f"On {joined(unsure)} the difference may be due to chance."] if unsure else []
    return " ".join(said)


def _of(metrics: list[str], whole: str, count: int) -> str:
    share = f"all {whole}" if len(metrics) == count else f"{len(metrics)} of {whole}"
    return f"{share}: {joined(metrics)}"
