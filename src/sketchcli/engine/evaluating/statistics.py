"""How sure a figure is: 95 % intervals over the pictures of a split, always from the same draws.

What is resampled is pictures: the interval says how much the figure would move with other pictures
of the same kind, not with another training run.

A mean of one value a picture has a bootstrap interval. A figure of two whole sets (KID, FID, EER)
must not have one: a resample holds pictures twice, and two copies of one picture are closer to each
other than any two pictures are (KID's kernel matrix gets its diagonal back, the EER's impostors
hold genuine pairs). There, random halves without repetition are drawn instead.
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
MEAN_PROTOCOL = "95 % interval: bias-corrected, accelerated bootstrap, 5000 resamples of pictures"
SHARE_PROTOCOL = "95 % interval: Wilson's, of a share"
SET_PROTOCOL = (
    "95 % interval: 1.96 standard deviations of the figure over 200 random halves of the pairs"
)
SET_SHARE_PROTOCOL = (
    "95 % interval: Wilson's, of as many pictures as have the share's spread over 200 random "
    "halves of the pairs"
)
SEED = 0
RESAMPLES = 5000
HALVES = 200
LARGEST_HALF = 500  # past that, smaller parts say as much in less time
FEWEST = 10  # pairs; of fewer, a half says nothing of a whole
# Of how many yes or no a picture may be worth in a rate. The EER's curves cross where both errors
# have about half of the weight, and (1/2)² of the variance; few errors make it look surer than that
# (simulated: an EER of .008 of 100 pairs is covered by 73 % of intervals without, 95 % with this).
MOST_SURE = 4
BLOCK = 2_000_000  # drawn numbers at a time
TAILS = (0.025, 0.975)
NORMAL = NormalDist()
WIDTH = NORMAL.inv_cdf(TAILS[1])


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Args:
        value: The figure; NaN where no picture has one.
        low: Where the interval begins; NaN where too few pictures, or no difference among them,
            leave nothing to say.
        high: Where it ends.
        count: Pictures that the figure is of; those without a value are left out.
    """

    value: float
    low: float
    high: float
    count: int


def estimate_mean(values: Values) -> Estimate:
    """The mean of one value a picture, `(N,)`; NaN is left out.

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
    """The mean of a yes (1) or no (0) for each picture, `(N,)`; NaN is left out.

    The interval is Wilson's (1927, "Probable inference", equation 1): it says something of a share
    of 0 or 1 too, where every resample would be the same.
    """
    values = _finite(values)
    mean = _mean(values)
    return _wilson(mean, len(values), len(values)) if len(values) else _unsure(mean, 0)


def estimate_set(
    compare: Compare, generated: Floats, real: Floats, *, is_share: bool = False
) -> Estimate:
    """A figure of two sets of features, row by row of one pair.

    The spread over halves is the delete-half jackknife's (Shao and Wu 1989, "A general theory for
    jackknife variance estimation"). It is right for a mean; for an unbiased figure such as KID it
    is right or too wide, never too narrow, because n times the variance of a U-statistic falls
    with n (Hoeffding 1948). The interval is about the figure at this number of pairs: FID, which
    falls as pairs are added, is elsewhere with more of them.

    Args:
        compare: A metric's own function.
        generated: Features `(N, D)`; a pair with a NaN, on either side, is left out.
        real: Features `(N, D)`.
        is_share: Whether the figure is a share or a rate, in [0, 1]. Its interval is then Wilson's,
            which is lopsided near 0 and 1, as the truth is.
    """
    ours, theirs = _usable(generated, real)
    count = len(ours)
    value = compare(ours, theirs) if count else float("nan")
    spread = _spread(lambda rows: compare(ours[rows], theirs[rows]), count)
    if not is_share or np.isnan(spread):
        return _normal(value, spread, count)
    variance = value * (1 - value)
    # Without a single error there is no spread to go by: then as a yes or no for each picture.
    effective = variance / spread**2 if variance > 0 and spread > 0 else count
    return _wilson(value, min(effective, MOST_SURE * count), count)


def _usable(generated: Floats, real: Floats) -> tuple[Floats, Floats]:
    """The pairs without a NaN; both sides as they are, and not copied, where none has any."""
    # A sum is finite where all its parts are; to look at each would take a mask as large as they.
    sums = [features.sum(axis=1, dtype=np.float64) for features in (generated, real)]
    kept = np.isfinite(sums).all(axis=0)
    return (generated, real) if kept.all() else (generated[kept], real[kept])


def _spread(figure: Callable[[NDArray[np.intp]], float], count: int) -> float:
    """The standard deviation of a figure of `count` rows; NaN where they are too few for it."""
    if count < FEWEST:
        return float("nan")
    part = min(count // 2, LARGEST_HALF)
    random = np.random.default_rng(SEED)
    drawn = [figure(random.permutation(count)[:part]) for _ in range(HALVES)]
    # A part differs from the whole as the whole from all pictures there are, but for this factor.
    return float(np.std(drawn) * np.sqrt(part / (count - part)))


def _normal(value: float, spread: float, count: int) -> Estimate:
    if not spread > 0:
        return _unsure(value, count)
    return Estimate(value, value - WIDTH * spread, value + WIDTH * spread, count)


def _wilson(share: float, effective: float, count: int) -> Estimate:
    """Wilson's interval of a share that `effective` independent pictures would give."""
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
    """Means of resamples with repetition, `(5000,)`."""
    random = np.random.default_rng(SEED)
    count = len(values)
    step = max(1, BLOCK // count)
    means = [
        values[random.integers(0, count, (min(step, RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, RESAMPLES, step)
    ]
    return np.concatenate(means)


def _corrected_tails(values: Values) -> list[float]:
    """Which quantiles of the resampled means bound the interval, once skew is allowed for."""
    deviations = values - values.mean()
    # The acceleration by the jackknife. Of a mean, the correction for bias is the same number (to
    # second order; counted from the resamples it would be that and noise).
    skew = float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))
    shifted = [skew + NORMAL.inv_cdf(tail) for tail in TAILS]
    return [NORMAL.cdf(skew + shift / (1 - skew * shift)) for shift in shifted]


# Figures with intervals and ranks, from what was measured of each predictor.

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
    """How a metric's interval is found."""
    is_share = getattr(metric, "IS_SHARE", False)
    if hasattr(metric, "compare"):
        return SET_SHARE_PROTOCOL if is_share else SET_PROTOCOL
    return SHARE_PROTOCOL if is_share else MEAN_PROTOCOL


def ranked(figures: Sequence[Figure], direction: str) -> list[Figure]:
    """The same figures of several predictors with their ranks: 1 is the best, equal ones share."""
    sign = -1 if direction == "higher" else 1
    keys = [None if f.value is None else sign * f.value for f in figures]
    known = [key for key in keys if key is not None]
    return [
        figure if key is None else replace(figure, rank=1 + sum(other < key for other in known))
        for figure, key in zip(figures, keys, strict=True)
    ]
