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
from sketchcli.engine.wording import number

NAME, ROC = "report.html", "roc.png"
SIGNS = {"good": "✓", "warning": "≈", "error": "✗"}


def write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    """Write the chart and the page, which is smaller than 8 MB for any dataset."""
    roc = roc_chart(evidence)
    write_png(folder / ROC, [roc] if roc else [])
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
        title_of=lambda metric: title(metric, result),
        value_of=value_of,
        signs=SIGNS,
        roc=roc,
        photo=result.domains.target,
        protocol={f"real {result.domains.target.many}": result.real} | sources | result.protocol,
    )


def _scale(metric: str, result: EvalResult) -> Callable[[float], str]:
    """Return a function that maps a score to its place in a row, from 4 to 96."""
    figures = (score.figures.get(metric) for score in result.scores)
    known = (end for f in figures if f is not None for end in (f.low, f.value, f.high))
    ends = [end for end in known if end is not None] or [0.0]
    low, spread = min(ends), max(ends) - min(ends)
    return lambda value: f"{4 + 92 * ((value - low) / spread if spread else 0.5):.1f}"


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


# The verdicts summarise an evaluation for readers who do not know the metrics.


@dataclass(frozen=True)
class Verdict:
    """How a method stands against the best baseline, by the titles of the leading metrics."""

    score: PredictorScore
    better: list[str]
    worse: list[str]
    unsure: list[str]  # the confidence intervals overlap, or one is unknown
    values: list[str]  # titles and scores

    @property
    def mark(self) -> str:
        """Good only if it wins mostly and loses nowhere: good | warning | error."""
        won, lost = len(self.better), len(self.worse)
        if lost > won or (self.score.trained_on and won + lost + len(self.unsure)):
            return "error"
        return "good" if won > lost + len(self.unsure) and not lost else "warning"


def verdicts(result: EvalResult) -> list[Verdict]:
    """Return one verdict on each model or folder, in the order of their mean rank."""
    metrics = leading(result)

    def mean_rank(score: PredictorScore) -> float:
        ranks = [score.figures[name].rank for name in metrics if name in score.figures]
        known = [rank for rank in ranks if rank is not None]
        return sum(known) / len(known) if known else float("inf")

    return [_verdict(score, result) for score in sorted(contenders(result), key=mean_rank)]


def _verdict(score: PredictorScore, result: EvalResult) -> Verdict:
    found = Verdict(score, [], [], [], [])
    for metric in leading(result):
        name, mine = title(metric, result), value_of(score, metric)
        sign = 1 if result.metrics[metric].direction == "higher" else -1
        baselines = [
            (sign * value, other.figures[metric])
            for other in result.scores
            if other.kind == BASELINE and (value := value_of(other, metric)) is not None
        ]
        if mine is not None:
            found.values.append(f"{name} {number(mine)}")
        if mine is not None and baselines:
            value, best = max(baselines, key=lambda baseline: baseline[0])
            is_sure = not _overlap(score.figures[metric], best)
            sure = found.better if sign * mine > value else found.worse
            (sure if is_sure else found.unsure).append(name)
    return found


def _overlap(figure: Figure, other: Figure) -> bool:
    """Return whether two intervals overlap or one is unknown, so that nothing is proven."""
    if figure.low is None or figure.high is None or other.low is None or other.high is None:
        return True
    return figure.low <= other.high and other.low <= figure.high
