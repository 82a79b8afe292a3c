"""What the report, the plots and the table are made of, beside the figures themselves."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np

from sketchcli import files
from sketchcli.engine.evaluating.features import Candidate, Measured, Reference, Values
from sketchcli.metrics.faces import Roc

BINS = 30


@dataclass(frozen=True, eq=False)
class Evidence:
    """The measured pictures; all in the same order as the scores of the result.

    Args:
        truth: The real photos, and their sketches where there are any.
        predictors: Whose pictures were measured.
        measured: What was measured of them; a value may be NaN.
        rocs: Predictor's name -> its verification curve; may be empty.
    """

    truth: Reference
    predictors: tuple[Candidate, ...]
    measured: tuple[Measured, ...]
    rocs: dict[str, Roc]

    @property
    def metrics(self) -> list[str]:
        """All metrics that have one value for each picture."""
        return list(dict.fromkeys(name for one in self.measured for name in one.values))

    def finite(self, predictor: int, metric: str) -> Values:
        """A predictor's values, without the pictures that have none."""
        values = self.measured[predictor].values.get(metric, np.empty(0))
        return values[np.isfinite(values)]

    def edges(self, metric: str) -> Values:
        """Where the bins `(31,)` of a metric's histogram begin and end, for all predictors alike.

        Empty where no picture has a value.
        """
        found = [self.finite(index, metric) for index in range(len(self.predictors))]
        values = np.concatenate(found)
        return np.histogram_bin_edges(values, BINS) if len(values) else np.empty(0)


# `figures.csv`: every picture's own values, for whoever wants to look closer.

CSV_NAME = "figures.csv"


def write_csv(path: Path, evidence: Evidence) -> None:
    """Write one line for each picture of each predictor; a cell without a value is empty.

    Raises:
        DataError: The file cannot be written.
    """

    def save(part: Path) -> None:
        # What is no Unicode in a file's name becomes a question mark.
        with part.open("w", encoding="utf-8", errors="replace", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(_lines(evidence))

    files.write_whole(path, save)


def _lines(evidence: Evidence) -> Iterator[list[str]]:
    metrics = evidence.metrics
    yield ["id", "predictor", *metrics]
    for predictor, measured in zip(evidence.predictors, evidence.measured, strict=True):
        for row, identity in enumerate(evidence.truth.ids):
            cells = (_cell(measured.values.get(name), row) for name in metrics)
            yield [identity, predictor.name, *cells]


def _cell(values: Values | None, row: int) -> str:
    """A value with all its digits."""
    return "" if values is None or isnan(values[row]) else repr(float(values[row]))
