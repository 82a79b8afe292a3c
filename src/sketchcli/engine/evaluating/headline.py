"""What an evaluation comes to, in sentences for people who know none of the metrics."""

from dataclasses import dataclass

from sketchcli.engine.evaluating.wording import (
    BASELINE,
    contenders,
    is_better,
    joined,
    leading,
    number,
    overlap,
    title,
    value_of,
)
from sketchcli.engine.results import EvalResult, PredictorScore
from sketchcli.engine.web_page import counted

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
