"""Intervals: closed forms, then how often they hold the reference when it is known.

The simulations are seeded. Their limits leave room for the luck of 300 trials (a standard deviation
of .013 around .95) and no more.
"""

import numpy as np
import pytest

from sketchcli.engine.evaluating import evaluate
from sketchcli.engine.evaluating.evaluate import estimate_mean, estimate_set, estimate_share
from sketchcli.metrics import faces

TRIALS = 300


def mean_of_first_column(generated, real):
    """A figure of two sets that is a mean, so that its spread is known."""
    return float((generated[:, 0] - real[:, 0]).mean())


def unbiased_distance(generated, real):
    """Squared MMD with the kernel (x . y)²: a KID in a few lines, without pairs of one picture."""
    count = len(real)
    within = sum(
        np.square(rows @ rows.T).sum() - np.square((rows * rows).sum(axis=1)).sum()
        for rows in (generated, real)
    )
    return float(
        within / (count * (count - 1)) - 2 * np.square(generated @ real.T).sum() / count**2
    )


def shifted(random, count=60, shift=0.5):
    real = random.standard_normal((count, 4))
    return 0.6 * real + 0.8 * random.standard_normal((count, 4)) + shift, real


def lookalikes(random, count=80, *, blur=1.3):
    """Heavy-tailed, unlike the normal features on which `MOST_SURE` was tuned."""
    real = random.standard_t(5, (count, 24))
    return real + blur * random.standard_t(5, (count, 24)), real


def coverage(estimates, reference):
    return np.mean([e.low <= reference <= e.high for e in estimates])


# ---- means


def test_a_mean_and_what_it_is_of():
    estimate = estimate_mean(np.array([1.0, np.nan, 2, 6]))
    assert (estimate.value, estimate.count) == (3, 3)
    assert 1 <= estimate.low < 3 < estimate.high <= 6


def test_the_interval_of_many_is_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 4000)
    estimate = estimate_mean(values)
    reach = 1.96 * values.std(ddof=1) / np.sqrt(4000)
    assert estimate.high - estimate.value == pytest.approx(reach, rel=0.06)
    assert estimate.value - estimate.low == pytest.approx(reach, rel=0.06)


def test_the_interval_of_skewed_values_leans_to_their_tail():
    estimate = estimate_mean(np.random.default_rng(0).exponential(size=40))
    assert estimate.high - estimate.value > 1.1 * (estimate.value - estimate.low)


def test_nothing_is_said_where_there_is_nothing_to_say():
    assert estimate_mean(np.array([])).count == 0
    assert estimate_mean(np.array([np.nan])).value is None
    single = estimate_mean(np.array([4.0]))
    assert single.value == 4
    assert (single.low, single.high) == (None, None)


def test_equal_values_have_an_interval_of_no_width():
    estimate = estimate_mean(np.full(20, 0.1))
    assert estimate.low == estimate.high == estimate.value == pytest.approx(0.1)


def test_scaled_values_have_a_scaled_interval():
    values = np.random.default_rng(0).exponential(size=30)
    plain, scaled = estimate_mean(values), estimate_mean(8 * values + 3)
    assert scaled.low == pytest.approx(8 * plain.low + 3)
    assert scaled.high == pytest.approx(8 * plain.high + 3)


@pytest.mark.parametrize("block", [1, 77, 3000])
def test_the_same_interval_in_blocks_of_any_size(monkeypatch, block):
    values = np.random.default_rng(0).exponential(size=30)
    whole = estimate_mean(values)
    assert estimate_mean(values) == whole
    monkeypatch.setattr(evaluate, "BLOCK", block)
    assert estimate_mean(values) == whole


@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_intervals_of_means_hold_the_truth(kind):
    random = np.random.default_rng(3)
    draw, reference = {
        "normal": (random.standard_normal, 0),
        "exponential": (random.standard_exponential, 1),
    }[kind]
    assert 0.91 <= coverage([estimate_mean(draw(60)) for _ in range(TRIALS)], reference) <= 0.985


def test_wilsons_interval_is_the_published_one():
    """81 of 263: .2553 to .3662 (Newcombe 1998, table I, method 3)."""
    values = np.r_[np.ones(81), np.zeros(182)]
    estimate = estimate_share(values)
    assert estimate.value == 81 / 263
    assert (estimate.low, estimate.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.mark.parametrize(("share", "low", "high"), [(0, 0, 0.1611), (1, 0.8389, 1)])
def test_a_share_of_none_or_all_is_not_certain(share, low, high):
    """0 of 20: 0 to .1611 (Newcombe 1998, table I, method 3)."""
    estimate = estimate_share(np.r_[np.full(20, share), np.nan])
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)
    assert estimate.count == 20


def test_no_share_of_no_picture():
    assert estimate_share(np.array([np.nan])).low is None


# ---- figures of sets


def test_halves_know_the_spread_of_a_mean():
    generated, real = shifted(np.random.default_rng(0), 101)
    estimate = estimate_set(mean_of_first_column, generated, real)
    differences = generated[:, 0] - real[:, 0]
    reach = 1.96 * differences.std(ddof=1) / np.sqrt(101)
    assert estimate.value == pytest.approx(differences.mean())
    assert estimate.high - estimate.value == pytest.approx(reach, rel=0.15)
    assert estimate.value - estimate.low == pytest.approx(reach, rel=0.15)


def test_smaller_parts_of_a_large_set_know_it_too(monkeypatch):
    monkeypatch.setattr(evaluate, "LARGEST_HALF", 20)
    test_halves_know_the_spread_of_a_mean()


def test_no_picture_is_drawn_twice_and_pairs_stay_pairs():
    rows = np.arange(31.0)[:, None]
    drawn = []

    def compare(generated, real):
        np.testing.assert_array_equal(generated, real)
        drawn.append(real[:, 0])
        return 0.5

    estimate_set(compare, rows, rows)
    assert all(len(set(part)) == len(part) for part in drawn)
    assert {len(part) for part in drawn} == {31, 15}


def test_a_pair_without_features_is_left_out():
    generated, real = shifted(np.random.default_rng(0), 40)
    holed = generated.copy()
    holed[::4] = np.nan
    kept = np.arange(40) % 4 > 0
    estimate = estimate_set(unbiased_distance, holed, real)
    assert estimate == estimate_set(unbiased_distance, generated[kept], real[kept])
    assert estimate.count == 30


def test_of_few_pairs_there_is_a_figure_and_no_interval():
    generated, real = shifted(np.random.default_rng(0), evaluate.FEWEST - 1)
    for is_share in (False, True):
        estimate = estimate_set(mean_of_first_column, generated, real, is_share=is_share)
        assert np.isfinite(estimate.value)
        assert (estimate.low, estimate.high) == (None, None)
    assert estimate_set(mean_of_first_column, generated[:0], real[:0]).value is None


def test_where_all_halves_agree_nothing_is_said_of_a_distance():
    real = np.random.default_rng(0).normal(size=(30, 4))
    assert estimate_set(mean_of_first_column, real, real).high is None


def test_a_perfect_rate_is_not_certain():
    real = np.random.default_rng(0).normal(size=(30, 16))
    perfect = estimate_set(faces.verification_eer, real, real, is_share=True)
    assert (perfect.value, perfect.low) == (0, 0)
    assert perfect.high == pytest.approx(estimate_share(np.zeros(30)).high)


def test_no_interval_of_a_rate_leaves_what_a_rate_can_be():
    random = np.random.default_rng(0)
    for blur in (0.7, 1, 1.5):
        estimate = estimate_set(
            faces.verification_eer, *lookalikes(random, 30, blur=blur), is_share=True
        )
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@pytest.mark.slow
def test_intervals_of_an_unbiased_distance_hold_the_truth(monkeypatch):
    monkeypatch.setattr(evaluate, "HALVES", 50)
    random = np.random.default_rng(0)
    reference = np.mean([unbiased_distance(*shifted(random)) for _ in range(4000)])
    found = [estimate_set(unbiased_distance, *shifted(random)) for _ in range(TRIALS)]
    assert 0.92 <= coverage(found, reference) <= 0.985


@pytest.mark.slow
def test_a_bootstrap_would_not_hold_it():
    """Why halves: resampled with repetition, KID's pairs of one picture come back."""
    random = np.random.default_rng(0)
    generated, real = random.standard_normal((2, 40, 16))
    rows = random.integers(0, 40, (400, 40))
    bootstrap = [unbiased_distance(generated[row], real[row]) for row in rows]
    halves = [random.permutation(40)[:20] for _ in range(400)]
    drawn = [unbiased_distance(generated[row], real[row]) for row in halves]
    value, spread = unbiased_distance(generated, real), np.std(drawn)
    assert np.mean(bootstrap) > value + 2 * spread
    assert abs(np.mean(drawn) - value) < 0.2 * spread


@pytest.mark.slow
@pytest.mark.parametrize("blur", [0.9, 1.6, 4.0])
def test_intervals_of_the_equal_error_rate_hold_the_truth(monkeypatch, blur):
    monkeypatch.setattr(evaluate, "HALVES", 50)
    random = np.random.default_rng(1)
    compare = faces.verification_eer
    reference = np.mean([compare(*lookalikes(random, blur=blur)) for _ in range(1000)])
    trials = range(TRIALS // 2)
    found = [estimate_set(compare, *lookalikes(random, blur=blur), is_share=True) for _ in trials]
    assert coverage(found, reference) >= 0.92
