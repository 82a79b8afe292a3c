"""`figures.csv`: every picture's own values, for whoever wants to look closer."""

import csv
from collections.abc import Iterator
from math import isnan
from pathlib import Path

from sketchcli import files
from sketchcli.engine.evaluating.evidence import Evidence
from sketchcli.engine.evaluating.measuring import Values

NAME = "figures.csv"


def write(path: Path, evidence: Evidence) -> None:
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
