"""The values that an evaluation's report shows: scores, and the per-image values behind them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np

from sketchcli import files
from sketchcli.engine.evaluating.features import Candidate, Measured, Reference
from sketchcli.engine.results import EvalResult, PredictorScore
from sketchcli.metrics.faces import Roc

CSV_NAME = "figures.csv"  # the values of every image, for closer inspection
BASELINE = "baseline"
# Metrics to look at first, in this order: structure, perception, the face. KID is not among them,
# because one of the baselines shows real photos, which no model can beat there.
LEADING = ("ssim", "lpips-alex", "face-similarity", "fsim", "psnr", "mae", "gradient")


@dataclass(frozen=True, eq=False)
class Evidence:
    """The images and their values, in the order of the result's scores."""

    reference: Reference
    predictors: tuple[Candidate, ...]
    measured: tuple[Measured, ...]  # one per method; a value may be NaN
    rocs: dict[str, Roc]  # name of a method -> its verification curve; may be empty

    @property
    def metrics(self) -> list[str]:
        """The metrics that have one value per image."""
        return list(dict.fromkeys(name for one in self.measured for name in one.values))


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
    return (preferred or measured)[:4]


def write_csv(path: Path, evidence: Evidence) -> None:
    """Write one line per image of each method; a cell without a value is empty."""
    ids, metrics = evidence.reference.ids, evidence.metrics

    def rows() -> Iterator[list[object]]:
        yield ["id", "predictor", *metrics]
        for predictor, measured in zip(evidence.predictors, evidence.measured, strict=True):
            columns = [measured.values.get(m, np.full(len(ids), np.nan)) for m in metrics]
            for name, *values in zip(ids, *(c.tolist() for c in columns), strict=True):
                cells = ("" if isnan(value) else value for value in values)
                yield [name, predictor.name, *cells]

    files.write_csv(path, rows())
