"""The images in the evaluation report: the best and the worst by each metric, each stored once.

For any dataset, few rows are read and the images stay below `BUDGET`. If not all fit, models come
before baselines, and the leading metrics before the others.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from sketchcli.engine.evaluating.features import BATCH, batches
from sketchcli.engine.reporting.evidence import BASELINE, Evidence, leading
from sketchcli.engine.reporting.web_page import jpeg
from sketchcli.engine.results import EvalResult
from sketchcli.engine.wording import number

SHOWN = 20  # number of best images, and of worst images
MOST_IMAGES = 1000
BUDGET = 7_000_000  # characters of encoded images
SMALLEST_SIDE, LARGEST_SIDE = 128, 256  # pixels of a stored image, unless it is smaller
_CHARACTERS_PER_PIXEL = 0.6  # measured on portraits of 128 px as JPEG in base64
_SKETCH, _PHOTO = -2, -1  # sources of images, after those of the methods
Key = tuple[int, int]  # source, row
Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True)
class Choice:
    """The rows with the best and the worst values of one method and one metric."""

    predictor: int
    metric: str
    best: list[int]
    worst: list[int]
    keys: set[Key]  # the images that are needed to show the rows


def compose(result: EvalResult, evidence: Evidence) -> dict[str, Any]:
    """Choose the images, read and encode them; return the JSON data that the page's script shows.

    `shown` and `wanted` are the numbers of combinations of method and metric in the data, and
    without the limits on the size; `evaluation.js` describes the rest.
    """
    wanted = choices(result, evidence)
    planned = _affordable(wanted, lambda choice: choice.keys, lambda _: 1, MOST_IMAGES)
    images = _read(evidence, set().union(*(choice.keys for choice in planned)))
    kept = _affordable(planned, lambda choice: {images[key] for key in choice.keys}, len, BUDGET)
    needed = {key: images[key] for choice in kept for key in sorted(choice.keys)}
    return _data(result, evidence, kept, needed) | {"shown": len(kept), "wanted": len(wanted)}


def choices(result: EvalResult, evidence: Evidence) -> list[Choice]:
    """Return all combinations of method and metric, the most informative first."""
    first = leading(result)
    known = [name for name in evidence.metrics if name in result.metrics]
    metrics = sorted(known, key=lambda name: first.index(name) if name in first else len(first))
    found = (
        _choice(index, metric, result, evidence)
        for is_baseline in (False, True)
        for metric in metrics
        for index, predictor in enumerate(evidence.predictors)
        if (predictor.kind == BASELINE) == is_baseline
    )
    return [choice for choice in found if choice.best]


def _choice(predictor: int, metric: str, result: EvalResult, evidence: Evidence) -> Choice:
    values = evidence.measured[predictor].values.get(metric, np.empty(0))
    sign = -1 if result.metrics[metric].direction == "higher" else 1
    order = np.argsort(sign * values, kind="stable")
    rows = order[np.isfinite(values[order])].tolist()
    best, worst = rows[:SHOWN], rows[::-1][:SHOWN]
    has_sketches = evidence.reference.read_sketches is not None
    sources = (predictor, _PHOTO, *((_SKETCH,) if has_sketches else ()))
    keys = {(source, row) for source in sources for row in (*best, *worst)}
    return Choice(predictor, metric, best, worst, keys)


def _affordable(
    wanted: Sequence[Choice],
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
    """Read and encode images at a size that keeps this number of them below the budget."""
    affordable = math.isqrt(int(BUDGET / _CHARACTERS_PER_PIXEL / max(1, len(keys))))
    side = min(max(affordable, SMALLEST_SIDE), LARGEST_SIDE)
    photos, sketches = evidence.reference.read, evidence.reference.read_sketches
    readers = [*(one.read for one in evidence.predictors), sketches or photos, photos]
    found = {}
    for source in sorted({source for source, _ in keys}):
        for rows in _runs(sorted(row for other, row in keys if other == source)):
            for row, pixels in zip(rows, readers[source](rows), strict=True):
                # A grey image without colour channels is smaller.
                is_grey = (pixels == pixels[..., :1]).all()
                found[source, row] = jpeg(pixels[..., 0].copy() if is_grey else pixels, side)
    return found


def _runs(rows: Sequence[int]) -> Iterator[range]:
    # Adjacent rows are grouped into ranges of at most one batch.
    for together in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        for part in batches(len(together), BATCH):
            yield range(together[part.start], together[part.stop - 1] + 1)


def _data(
    result: EvalResult, evidence: Evidence, kept: Sequence[Choice], images: dict[Key, str]
) -> dict[str, Any]:
    domains = evidence.reference.domains
    place = {content: index for index, content in enumerate(dict.fromkeys(images.values()))}
    numbers = {key: place[content] for key, content in images.items()}
    infos = {choice.metric: result.metrics[choice.metric] for choice in kept}
    rows = {
        row: {
            "id": evidence.reference.ids[row],
            "sketch": numbers.get((_SKETCH, row)),
            "photo": numbers[_PHOTO, row],
        }
        for row in sorted({row for source, row in images if source == _PHOTO})
    }
    predictors: dict[int, dict[str, Any]] = {}
    for choice in sorted(kept, key=lambda choice: choice.predictor):
        own = predictors.setdefault(
            choice.predictor,
            {
                "name": evidence.predictors[choice.predictor].name,
                "images": {row: n for (s, row), n in numbers.items() if s == choice.predictor},
                "shown": {},
            },
        )
        values = evidence.measured[choice.predictor].values[choice.metric].tolist()
        own["shown"][choice.metric] = {
            "best": [(row, number(values[row])) for row in choice.best],
            "worst": [(row, number(values[row])) for row in choice.worst],
        }
    return {
        "names": {"sketch": domains.input.one, "photo": domains.target.one},
        "size": list(evidence.reference.size),
        "images": list(place),
        "metrics": {name: [info.title, info.direction] for name, info in infos.items()},
        "rows": rows,
        "predictors": list(predictors.values()),
    }
