"""What every metric promises; a new file in the room is tested at once.

Two of these keep away a bug of published face-sketch code: a mean that was the last picture's
score, and a squared uint8 difference that wraps, which makes noise look like a good copy.
"""

import numpy as np
import pytest

from sketchcli import registry


@pytest.fixture(params=registry.names(registry.METRICS))
def metric(request):
    return registry.load(registry.METRICS, request.param)


@pytest.fixture
def real(noise):
    """Three pictures that are smooth enough for noise to show."""
    return noise(3, 4).repeat(4, axis=1).repeat(4, axis=2)


@pytest.fixture
def better(metric):
    """Compare scores, the way that the metric counts."""
    return np.greater if metric.DIRECTION == "higher" else np.less


def noisy(photos, strength):
    random = np.random.default_rng(1)
    noise = strength * random.standard_normal(photos.shape)
    return np.clip(photos + noise, 0, 255).astype(np.uint8)


def test_it_says_which_way_is_better(metric):
    assert metric.DIRECTION in {"higher", "lower"}


@pytest.mark.parametrize("count", [1, 3])
def test_every_picture_has_a_score_of_its_own(metric, real, count):
    scores = metric.score(noisy(real, 20)[:count], real[:count])
    assert scores.shape == (count,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


def test_an_identical_picture_has_the_best_score(metric, real, better):
    perfect = metric.score(real, real)
    assert np.isfinite(perfect).all()
    assert np.ptp(perfect) < 1e-9
    assert better(perfect, metric.score(noisy(real, 2), real)).all()


def test_more_noise_scores_worse(metric, real, better):
    mild, medium, strong = (metric.score(noisy(real, s), real) for s in (5, 20, 60))
    assert better(mild, medium).all()
    assert better(medium, strong).all()


def test_a_score_does_not_depend_on_the_other_pictures(metric, real):
    generated = noisy(real, 20)
    together = metric.score(generated, real)
    alone = [metric.score(generated[i : i + 1], real[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_the_last_picture_does_not_speak_for_all(metric, real, better):
    generated = noisy(real, 60)
    generated[-1] = real[-1]
    scores = metric.score(generated, real)
    assert better(scores[-1], scores[:-1]).all()


def test_the_pictures_are_left_as_they_were(metric, real):
    generated = noisy(real, 20)
    copies = generated.copy(), real.copy()
    metric.score(generated, real)
    np.testing.assert_array_equal(generated, copies[0])
    np.testing.assert_array_equal(real, copies[1])


def test_it_does_not_matter_which_of_two_pictures_is_the_darker(metric):
    dark, light = np.full((1, 16, 16, 3), 10, np.uint8), np.full((1, 16, 16, 3), 250, np.uint8)
    np.testing.assert_allclose(metric.score(dark, light), metric.score(light, dark))


def test_pictures_that_are_mapped_from_disk_will_do(metric, real, tmp_path):
    np.save(tmp_path / "real.npy", real)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        metric.score(noisy(real, 9), mapped), metric.score(noisy(real, 9), real)
    )
