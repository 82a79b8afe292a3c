"""Figures with intervals and ranks, from what was measured of each predictor."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sketchcli.engine.evaluating import statistics
from sketchcli.engine.evaluating.measuring import Measured
from sketchcli.engine.evaluating.statistics import Estimate
from sketchcli.engine.results import Figure
from sketchcli.errors import DataError
from sketchcli.images import Floats
from sketchcli.registry import Named

Real = Mapping[str, Floats]  # extractor -> features of the real photos, (N, D)


def with_pair_values(measured: Measured, metrics: Mapping[str, Named], real: Real) -> Measured:
    """The same, with the values of metrics that compare features pair by pair; in their order."""
    values = measured.values | {
        name: metric.compare_pairs(measured.features[metric.FEATURES], real[metric.FEATURES])
        for name, metric in metrics.items()
        if hasattr(metric, "compare_pairs")
    }
    return replace(measured, values={name: values[name] for name in metrics if name in values})


def figure_of(metric: Named, name: str, measured: Measured, real: Real) -> Figure:
    """A metric's figure of one predictor; without a value where the pictures are too few."""
    is_share = getattr(metric, "IS_SHARE", False)
    values = measured.values.get(name)
    if values is None:
        ours, theirs = measured.features[metric.FEATURES], real[metric.FEATURES]
        try:
            estimate = statistics.estimate_set(metric.compare, ours, theirs, is_share=is_share)
        except DataError:
            estimate = Estimate(math.nan, math.nan, math.nan, len(ours))
    elif is_share:
        estimate = statistics.estimate_share(values)
    else:
        estimate = statistics.estimate_mean(values)
    value, low, high = map(_known, (estimate.value, estimate.low, estimate.high))
    return Figure(value, low, high, estimate.count, rank=None)


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def interval_of(metric: Named) -> str:
    """How a metric's interval is found."""
    is_share = getattr(metric, "IS_SHARE", False)
    if hasattr(metric, "compare"):
        return statistics.SET_SHARE_PROTOCOL if is_share else statistics.SET_PROTOCOL
    return statistics.SHARE_PROTOCOL if is_share else statistics.MEAN_PROTOCOL


def ranked(figures: Sequence[Figure], direction: str) -> list[Figure]:
    """The same figures of several predictors with their ranks: 1 is the best, equal ones share."""
    sign = -1 if direction == "higher" else 1
    keys = [None if f.value is None else sign * f.value for f in figures]
    known = [key for key in keys if key is not None]
    return [
        figure if key is None else replace(figure, rank=1 + sum(other < key for other in known))
        for figure, key in zip(figures, keys, strict=True)
    ]
