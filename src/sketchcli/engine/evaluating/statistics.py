"""95% confidence intervals of scores over the images of a split, with a fixed random seed.

Images are resampled: an interval says how much the score would vary with other images of the same
kind, not with another training run.

The mean of one value per image gets a bootstrap interval. A score of two whole sets (KID, FID, EER)
must not: a resample contains images twice, and two copies of one image are closer to each other
than any two images are (KID's kernel matrix gets its diagonal back, the EER's impostors contain
genuine pairs). Such a score gets its interval from random halves without repetition.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sketchcli.engine.evaluating.features import Measured
from sketchcli.engine.results import Figure
from sketchcli.errors import DataError
from sketchcli.images import Floats
from sketchcli.registry import Named

Values = NDArray[np.float64]
Compare = Callable[[Floats, Floats], float]
INTERVAL = "95% confidence interval"
MEAN_PROTOCOL = f"{INTERVAL}: bias-corrected, accelerated bootstrap, 5,000 resamples of images"
SHARE_PROTOCOL = f"{INTERVAL}: Wilson's, for a fraction"
SET_PROTOCOL = (
    f"{INTERVAL}: 1.96 standard deviations of the score over 200 random halves of the pairs"
)
SET_SHARE_PROTOCOL = (
    f"{INTERVAL}: Wilson's, for the number of images that has the score's spread over 200 "
    "random halves of the pairs"
)

SEED = 0
RESAMPLES = 5000
HALVES = 200
LARGEST_HALF = 500  # pairs; larger halves would cost time and not be more accurate
FEWEST = 10  # pairs; with fewer, a half does not represent the whole
# Upper limit on the effective sample size of a rate, in yes/no observations per image. The EER's
# curves cross where both errors have about half of the weight, and (1/2)² of the variance; few
# errors make it look more certain (in a simulation with an EER of 0.008 on 100 pairs, 73% of the
# intervals cover it without this limit, and 95% with it).
MOST_SURE = 4
BLOCK = 2_000_000  # random numbers that are drawn at a time
TAILS = (0.025, 0.975)
NORMAL = NormalDist()
WIDTH = NORMAL.inv_cdf(TAILS[1])


@dataclass(frozen=True)
class Estimate:
    """A score and its 95% confidence interval."""

    value: float  # NaN if no image has a value
    low: float  # NaN if there are too few images, or no differences among them
    high: float
    count: int  # images with a value


def estimate_mean(values: Values) -> Estimate:
    """Return the mean of one value per image, `(N,)`; NaN values are ignored.

    The interval is Efron's BCa (1987, "Better bootstrap confidence intervals", section 6).
    """
    values = _finite(values)
    mean = _mean(values)
    if len(values) < 2:
        return _unsure(mean, len(values))
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean, len(values))
    resampled = _resampled_means(values)
    low, high = np.quantile(resampled, _corrected_tails(values))
    return Estimate(mean, float(low), float(high), len(values))


def estimate_share(values: Values) -> Estimate:
    """Return the mean of one yes (1) or no (0) per image, `(N,)`; NaN values are ignored.

    The interval is Wilson's (1927, "Probable inference", equation 1), which also holds for a
    fraction of 0 or 1, of which all resamples would be the same.
    """
    values = _finite(values)
    mean = _mean(values)
    return _wilson(mean, len(values), len(values)) if len(values) else _unsure(mean, 0)


def estimate_set(
    compare: Compare, generated: Floats, real: Floats, *, is_share: bool = False
) -> Estimate:
    """Return a score of two sets of features, whose rows are paired.

    The spread over halves is that of the delete-half jackknife (Shao and Wu 1989, "A general theory
    for jackknife variance estimation"). It is right for a mean; for an unbiased score such as KID
    it is right or too wide, never too narrow, because n times the variance of a U-statistic falls
    with n (Hoeffding 1948). The interval applies to this number of pairs: FID falls as pairs are
    added, and lies elsewhere with more of them.

    Pairs of features `(N, D)` with a NaN are ignored. If the score is a fraction or a rate in
    [0, 1] (`is_share`), the interval is Wilson's, which is asymmetric near 0 and 1.
    """
    ours, theirs = _usable(generated, real)
    count = len(ours)
    value = compare(ours, theirs) if count else float("nan")
    spread = _spread(lambda rows: compare(ours[rows], theirs[rows]), count)
    if not is_share or np.isnan(spread):
        return _normal(value, spread, count)
    variance = value * (1 - value)
    # Without a single error there is no spread; each image then counts as one yes or no.
    effective = variance / spread**2 if variance > 0 and spread > 0 else count
    return _wilson(value, min(effective, MOST_SURE * count), count)


def _usable(generated: Floats, real: Floats) -> tuple[Floats, Floats]:
    """Return the pairs without a NaN; if there is no NaN, nothing is copied."""
    # A sum is finite if all its terms are; a mask of the terms would be as large as the features.
    sums = [features.sum(axis=1, dtype=np.float64) for features in (generated, real)]
    kept = np.isfinite(sums).all(axis=0)
    return (generated, real) if kept.all() else (generated[kept], real[kept])


def _spread(figure: Callable[[NDArray[np.intp]], float], count: int) -> float:
    """Return the standard deviation of a score of `count` rows; NaN if there are too few rows."""
    if count < FEWEST:
        return float("nan")
    part = min(count // 2, LARGEST_HALF)
    random = np.random.default_rng(SEED)
    drawn = [figure(random.permutation(count)[:part]) for _ in range(HALVES)]
    # Up to this factor, a part varies around the whole as the whole does around the population.
    return float(np.std(drawn) * np.sqrt(part / (count - part)))


def _normal(value: float, spread: float, count: int) -> Estimate:
    if not spread > 0:
        return _unsure(value, count)
    return Estimate(value, value - WIDTH * spread, value + WIDTH * spread, count)


def _wilson(share: float, effective: float, count: int) -> Estimate:
    square = WIDTH**2 / effective
    centre = (share + square / 2) / (1 + square)
    reach = float(np.sqrt(share * (1 - share) * square + square**2 / 4)) / (1 + square)
    return Estimate(share, max(0.0, centre - reach), min(1.0, centre + reach), count)


def _unsure(value: float, count: int) -> Estimate:
    return Estimate(value, float("nan"), float("nan"), count)


def _finite(values: Values) -> Values:
    return values[np.isfinite(values)]


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _resampled_means(values: Values) -> Values:
    random = np.random.default_rng(SEED)
    count = len(values)
    step = max(1, BLOCK // count)
    means = [
        values[random.integers(0, count, (min(step, RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, RESAMPLES, step)
    ]
    return np.concatenate(means)


def _corrected_tails(values: Values) -> list[float]:
    """Return the quantiles of the resampled means that bound the interval, corrected for skew."""
    deviations = values - values.mean()
    # This is the jackknife's acceleration. For a mean, the bias correction is the same number (to
    # second order; an estimate from the resamples would add noise).
    skew = float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))
    shifted = [skew + NORMAL.inv_cdf(tail) for tail in TAILS]
    return [NORMAL.cdf(skew + shift / (1 - skew * shift)) for shift in shifted]


# This section turns the values and features of each method into scores, intervals and ranks.

Real = Mapping[str, Floats]  # extractor -> features of the real photos, (N, D)


def with_pair_values(measured: Measured, metrics: Mapping[str, Named], real: Real) -> Measured:
    """Add the values of metrics that compare features pair by pair, in the order of `metrics`."""
    values = measured.values | {
        name: metric.compare_pairs(measured.features[metric.FEATURES], real[metric.FEATURES])
        for name, metric in metrics.items()
        if hasattr(metric, "compare_pairs")
    }
    return replace(measured, values={name: values[name] for name in metrics if name in values})


def figure_of(metric: Named, name: str, measured: Measured, real: Real) -> Figure:
    """Return a metric's score of one method; it has no value if there are too few images."""
    is_share = getattr(metric, "IS_SHARE", False)
    values = measured.values.get(name)
    if values is None:
        ours, theirs = measured.features[metric.FEATURES], real[metric.FEATURES]
        try:
            estimate = estimate_set(metric.compare, ours, theirs, is_share=is_share)
        except DataError:
            estimate = Estimate(math.nan, math.nan, math.nan, len(ours))
    elif is_share:
        estimate = estimate_share(values)
    else:
        estimate = estimate_mean(values)
    value, low, high = map(_known, (estimate.value, estimate.low, estimate.high))
    return Figure(value, low, high, estimate.count, rank=None)


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def interval_of(metric: Named) -> str:
    """Return the protocol text of a metric's confidence interval."""
    is_share = getattr(metric, "IS_SHARE", False)
    if hasattr(metric, "compare"):
        return SET_SHARE_PROTOCOL if is_share else SET_PROTOCOL
    return SHARE_PROTOCOL if is_share else MEAN_PROTOCOL


def ranked(figures: Sequence[Figure], direction: str) -> list[Figure]:
    """Rank the scores of several methods: 1 is the best, and equal scores share a rank."""
    sign = -1 if direction == "higher" else 1
    keys = [None if f.value is None else sign * f.value for f in figures]
    known = [key for key in keys if key is not None]
    return [
        figure if key is None else replace(figure, rank=1 + sum(other < key for other in known))
        for figure, key in zip(figures, keys, strict=True)
    ]
