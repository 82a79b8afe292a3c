"""Scores as text, and comparisons of scores."""

from collections.abc import Iterable
from math import isfinite

from sketchcli.engine.results import EvalResult, Figure, PredictorScore

NOTHING = "-"
BASELINE = "baseline"
# Metrics to look at first, in this order: structure, perception, the face. KID is not among them,
# because one of the baselines shows real photos, which no model can beat there.
LEADING = ("ssim", "lpips-alex", "face-similarity", "fsim", "psnr", "mae", "gradient")
MOST_LEADING = 4


def number(value: float | None) -> str:
    """Format a score with three significant digits.

    >>> number(0.7412), number(23.68), number(-3.05), number(1234.5), number(None)
    ('0.741', '23.7', '-3.05', '1,234', '-')
    """
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:,.{decimals(value)}f}"


def decimals(value: float) -> int:
    """Return the number of decimals for a score of this magnitude."""
    return next((shown for shown, most in ((3, 1), (2, 10), (1, 100)) if abs(value) <= most), 0)


def interval(figure: Figure) -> str:
    """Format a 95% confidence interval as precisely as its score; empty if there is none."""
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    shown = decimals(figure.value)
    return f"{figure.low:,.{shown}f} to {figure.high:,.{shown}f}"


def joined(words: Iterable[str]) -> str:
    """Join words with commas and "and".

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def title(metric: str, result: EvalResult) -> str:
    """Return the title of a metric, or its name if it was not computed."""
    info = result.metrics.get(metric)
    return info.title if info else metric


def value_of(score: PredictorScore, metric: str) -> float | None:
    """Return a method's value of a metric, if it has one."""
    figure = score.figures.get(metric)
    return figure.value if figure else None


def contenders(result: EvalResult) -> list[PredictorScore]:
    """Return the scores of the models and folders."""
    return [score for score in result.scores if score.kind != BASELINE]


def leading(result: EvalResult) -> list[str]:
    """Return up to four computed metrics to look at first."""
    measured = [
        name
        for name in result.metrics
        if any(value_of(score, name) is not None for score in result.scores)
    ]
    preferred = [name for name in LEADING if name in measured]
    return (preferred or measured)[:MOST_LEADING]


def is_better(value: float, other: float, direction: str) -> bool:
    """Return whether one value is better than another."""
    return value > other if direction == "higher" else value < other


def overlap(figure: Figure, other: Figure) -> bool:
    """Return whether two intervals overlap or one is unknown, so that nothing is proven."""
    if figure.low is None or figure.high is None or other.low is None or other.high is None:
        return True
    return figure.low <= other.high and other.low <= figure.high
