"""The images in the evaluation report: the best and the worst by each metric, each stored once.

For any dataset, few rows are read and the images stay below `BUDGET`. If not all fit, models come
before baselines, and the leading metrics before the others.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from sketchcli.engine.evaluating.features import BATCH, Read
from sketchcli.engine.reporting.evidence import BASELINE, Evidence, leading
from sketchcli.engine.reporting.web_page import jpeg
from sketchcli.engine.results import EvalResult
from sketchcli.engine.wording import number
from sketchcli.images import Pixels

SHOWN = 20  # number of best images, and of worst images
MOST_PICTURES = 1000
BUDGET = 7_000_000  # characters of encoded images
SMALLEST_SIDE, LARGEST_SIDE = 128, 256  # pixels of a stored image, unless it is smaller
_CHARACTERS_PER_PIXEL = 0.6  # measured on portraits of 128 px as JPEG in base64
_SKETCH, _PHOTO = -2, -1  # sources of images in addition to the methods
Key = tuple[int, int]  # source, row
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class Choice:
    """The rows with the best and the worst values of one method and one metric."""

    predictor: int
    metric: str
    best: tuple[int, ...]
    worst: tuple[int, ...]

    def keys(self, *, has_sketches: bool) -> set[Key]:
        """Return the keys of the images that are needed to show the rows."""
        sources = (self.predictor, _PHOTO, *((_SKETCH,) if has_sketches else ()))
        return {(source, row) for source in sources for row in (*self.best, *self.worst)}


@dataclass(frozen=True)
class Gallery:
    """The images and values that the page's script shows."""

    data: dict[str, Any]  # JSON data, which `evaluation.js` describes
    shown: int  # number of combinations of method and metric in `data`
    wanted: int  # number of combinations without the limits on the size


def compose(result: EvalResult, evidence: Evidence) -> Gallery:
    """Choose the images, read and encode them."""
    has_sketches = evidence.reference.read_sketches is not None

    def keys(choice: Choice) -> set[Key]:
        return choice.keys(has_sketches=has_sketches)

    wanted = choices(result, evidence)
    planned = _affordable(wanted, keys, lambda _: 1, MOST_PICTURES)
    pictures = _read(evidence, {key for choice in planned for key in keys(choice)})
    kept = _affordable(planned, lambda choice: {pictures[key] for key in keys(choice)}, len, BUDGET)
    shown = {key: pictures[key] for choice in kept for key in sorted(keys(choice))}
    return Gallery(_data(result, evidence, kept, shown), len(kept), len(wanted))


def choices(result: EvalResult, evidence: Evidence) -> list[Choice]:
    """Return all combinations of method and metric, the most informative first."""
    first = leading(result)
    known = [name for name in evidence.metrics if name in result.metrics]
    metrics = sorted(known, key=lambda name: first.index(name) if name in first else len(first))
    predictors = range(len(evidence.predictors))
    is_baseline = [evidence.predictors[index].kind == BASELINE for index in predictors]
    ordered = (
        (predictor, metric)
        for kind in (False, True)
        for metric in metrics
        for predictor in predictors
        if is_baseline[predictor] == kind
    )
    found = (_choice(result, evidence, predictor, metric) for predictor, metric in ordered)
    return [choice for choice in found if choice.best]


def _choice(result: EvalResult, evidence: Evidence, predictor: int, metric: str) -> Choice:
    values = evidence.measured[predictor].values.get(metric, np.empty(0))
    sign = -1 if result.metrics[metric].direction == "higher" else 1
    order = np.argsort(sign * values, kind="stable")
    rows = [int(row) for row in order[np.isfinite(values[order])]]
    return Choice(predictor, metric, tuple(rows[:SHOWN]), tuple(rows[::-1][:SHOWN]))


def _affordable(
    wanted: Iterable[Choice],
    items: Callable[[Choice], set[Item]],
    price: Callable[[Item], int],
    budget: int,
) -> list[Choice]:
    """Return the choices that fit the budget in their order; a shared item is paid once."""
    kept, bought = [], set[Item]()
    for choice in wanted:
        new = items(choice) - bought
        cost = sum(price(item) for item in new)
        if cost <= budget:
            kept.append(choice)
            bought |= new
            budget -= cost
    return kept


def _read(evidence: Evidence, keys: set[Key]) -> dict[Key, str]:
    side = _side(len(keys))
    found = {}
    for source in sorted({source for source, _ in keys}):
        read = _reader(evidence, source)
        for rows in _runs(sorted(row for other, row in keys if other == source)):
            for row, pixels in zip(rows, read(rows), strict=True):
                found[source, row] = jpeg(_plain(pixels), side)
    return found


def _reader(evidence: Evidence, source: int) -> Read:
    if source >= 0:
        return evidence.predictors[source].read
    sketches = evidence.reference.read_sketches
    return sketches if source == _SKETCH and sketches is not None else evidence.reference.read


def _runs(rows: Sequence[int]) -> Iterator[range]:
    # Adjacent rows are grouped into ranges of at most one batch.
    start = 0
    for end in range(1, len(rows) + 1):
        is_last = end == len(rows) or rows[end] != rows[end - 1] + 1
        if is_last or end - start == BATCH:
            yield range(rows[start], rows[end - 1] + 1)
            start = end


def _side(pictures: int) -> int:
    """Return the longest side in pixels that keeps this number of images below the budget."""
    affordable = math.isqrt(int(BUDGET / _CHARACTERS_PER_PIXEL / max(1, pictures)))
    return min(max(affordable, SMALLEST_SIDE), LARGEST_SIDE)


def _plain(pixels: Pixels) -> Pixels:
    # A grey image without colour channels is smaller.
    return pixels[..., 0].copy() if (pixels == pixels[..., :1]).all() else pixels


def _data(
    result: EvalResult, evidence: Evidence, kept: Sequence[Choice], pictures: dict[Key, str]
) -> dict[str, Any]:
    place = {content: index for index, content in enumerate(dict.fromkeys(pictures.values()))}
    number_of = {key: place[content] for key, content in pictures.items()}
    rows = sorted({row for source, row in pictures if source == _PHOTO})
    metrics = dict.fromkeys(choice.metric for choice in kept)
    return {
        "size": list(evidence.reference.size),
        "pictures": list(place),
        "metrics": {
            name: [result.metrics[name].title, result.metrics[name].direction] for name in metrics
        },
        "rows": {
            row: {
                "id": evidence.reference.ids[row],
                "sketch": number_of.get((_SKETCH, row)),
                "photo": number_of[_PHOTO, row],
            }
            for row in rows
        },
        "predictors": [
            {
                "name": predictor.name,
                "pictures": {row: n for (source, row), n in number_of.items() if source == index},
                "shown": {
                    choice.metric: _listed(choice, evidence)
                    for choice in kept
                    if choice.predictor == index
                },
            }
            for index, predictor in enumerate(evidence.predictors)
            if any(choice.predictor == index for choice in kept)
        ],
    }


def _listed(choice: Choice, evidence: Evidence) -> dict[str, list[tuple[int, str]]]:
    values = evidence.measured[choice.predictor].values[choice.metric]
    return {
        "best": [(row, number(float(values[row]))) for row in choice.best],
        "worst": [(row, number(float(values[row]))) for row in choice.worst],
    }
