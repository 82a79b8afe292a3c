"""What every metric promises; a new file in the room is tested at once.

Two of these keep away a bug of published face-sketch code: a mean that was the last picture's
score, and a squared uint8 difference that wraps, which makes noise look like a good copy.

Metrics that need a network are held to their declarations here, and to their values where the
networks are: in tests of their own.
"""

import inspect

import numpy as np
import pytest

from sketchcli import registry

NAMES = registry.names(registry.METRICS)
MODULES = {name: registry.load(registry.METRICS, name) for name in NAMES}


def networks(module):
    return getattr(module, "NETWORKS", ())


PAIRWISE = [name for name, m in MODULES.items() if hasattr(m, "score") and not networks(m)]
WITH_A_NETWORK = [name for name, m in MODULES.items() if hasattr(m, "score") and networks(m)]
OF_FEATURES = [name for name, m in MODULES.items() if hasattr(m, "FEATURES")]
FORMS = ("score", "compare", "compare_pairs")  # a value a picture, a set of features, a row of them


@pytest.fixture(params=NAMES)
def any_metric(request):
    return MODULES[request.param]


@pytest.fixture(params=PAIRWISE)
def metric(request):
    return MODULES[request.param]


@pytest.fixture(params=OF_FEATURES)
def feature_metric(request):
    return MODULES[request.param]


@pytest.fixture(params=sorted({MODULES[name].FEATURES for name in OF_FEATURES}))
def features(request):
    return registry.extractor(request.param)


@pytest.fixture
def real(noise):
    """Three pictures of flat squares, not so bright that what is added to them is cut off."""
    return (60 + noise(3, 4).repeat(8, axis=1).repeat(8, axis=2) // 3).astype(np.uint8)


@pytest.fixture
def better(metric):
    """Compare scores, the way that the metric counts."""
    return ahead(metric)


def ahead(metric):
    return np.greater if metric.DIRECTION == "higher" else np.less


def damaged(photos, strength):
    """Noise, and a tint: there are metrics that see only one of them."""
    random = np.random.default_rng(1)
    noise = strength * random.standard_normal(photos.shape) * 0.7
    tint = strength * np.array([0.5, 0, -0.5])
    return np.clip(photos + noise + tint, 0, 255).astype(np.uint8)


def test_the_metrics_are_found():
    assert {"mae", "psnr", "ssim", "fsim"} <= set(PAIRWISE)
    assert "kid" in OF_FEATURES
    assert sorted(PAIRWISE + WITH_A_NETWORK + OF_FEATURES) == NAMES


def test_it_says_which_way_is_better(any_metric):
    assert any_metric.DIRECTION in {"higher", "lower"}


def test_it_says_how_it_is_measured_in_one_line(any_metric):
    assert any_metric.TITLE
    assert any_metric.PROTOCOL
    assert "\n" not in any_metric.TITLE + any_metric.PROTOCOL


def test_no_two_metrics_have_the_same_title():
    titles = [module.TITLE for module in MODULES.values()]
    assert len(set(titles)) == len(titles)


def test_it_scores_pictures_or_compares_features(any_metric):
    forms = [form for form in FORMS if hasattr(any_metric, form)]
    assert len(forms) == 1
    assert hasattr(any_metric, "FEATURES") == (forms != ["score"])
    if hasattr(any_metric, "FEATURES"):
        assert registry.extractor(any_metric.FEATURES).TITLE
        assert not networks(any_metric)  # they are those of its features


def test_a_network_is_asked_for_where_one_is_named(any_metric):
    has_a_network = bool(networks(any_metric))
    assert len(networks(any_metric)) <= 1
    assert set(networks(any_metric)) <= set(registry.names(registry.ASSETS))
    assert hasattr(any_metric, "load") == has_a_network
    if hasattr(any_metric, "score"):
        expected = ["generated", "real"] + ["network"] * has_a_network
        assert list(inspect.signature(any_metric.score).parameters) == expected


def test_features_say_what_they_are_and_what_they_need(features):
    assert features.TITLE
    assert "\n" not in features.PROTOCOL
    assert set(features.NETWORKS) <= set(registry.names(registry.ASSETS))
    assert list(inspect.signature(features.open_extractor).parameters) == ["files"]


@pytest.mark.parametrize("count", [1, 3])
def test_every_picture_has_a_score_of_its_own(metric, real, count):
    scores = metric.score(damaged(real, 20)[:count], real[:count])
    assert scores.shape == (count,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


def test_an_identical_picture_has_the_best_score(metric, real, better):
    perfect = metric.score(real, real)
    assert np.isfinite(perfect).all()
    assert np.ptp(perfect) < 1e-9
    assert not better(metric.score(damaged(real, 4), real), perfect + 1e-9).any()
    assert better(perfect, metric.score(damaged(real, 60), real)).all()


def test_more_damage_scores_worse(metric, real, better):
    mild, medium, strong = (metric.score(damaged(real, s), real) for s in (5, 20, 60))
    assert not better(medium, mild + 1e-9).any()  # an edge may bear a little noise unchanged
    assert better(medium, strong).all()


def test_a_score_does_not_depend_on_the_other_pictures(metric, real):
    generated = damaged(real, 20)
    together = metric.score(generated, real)
    alone = [metric.score(generated[i : i + 1], real[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-9)
    np.testing.assert_allclose(metric.score(generated[::-1], real[::-1])[::-1], together, rtol=1e-9)


def test_the_last_picture_does_not_speak_for_all(metric, real, better):
    generated = damaged(real, 60)
    generated[-1] = real[-1]
    scores = metric.score(generated, real)
    assert better(scores[-1], scores[:-1]).all()


def test_the_pictures_are_left_as_they_were(metric, real):
    generated = damaged(real, 20)
    copies = generated.copy(), real.copy()
    metric.score(generated, real)
    np.testing.assert_array_equal(generated, copies[0])
    np.testing.assert_array_equal(real, copies[1])


def test_it_does_not_matter_which_of_two_pictures_is_the_real_one(metric, real):
    generated = damaged(real, 20)
    np.testing.assert_allclose(
        metric.score(generated, real), metric.score(real, generated), rtol=1e-9
    )


def test_it_does_not_matter_which_of_two_pictures_is_the_darker(metric):
    dark, light = np.full((1, 16, 16, 3), 10, np.uint8), np.full((1, 16, 16, 3), 250, np.uint8)
    scores = metric.score(dark, light)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, metric.score(light, dark))


@pytest.mark.parametrize("shape", [(24, 40), (33, 25)])
def test_a_picture_need_not_be_square_nor_even(metric, real, better, shape):
    height, width = shape
    wide = np.tile(real, (1, 2, 2, 1))[:, :height, :width]
    assert better(metric.score(wide, wide), metric.score(damaged(wide, 60), wide)).all()


def test_pictures_that_are_mapped_from_disk_will_do(metric, real, tmp_path):
    np.save(tmp_path / "real.npy", real)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        metric.score(damaged(real, 9), mapped), metric.score(damaged(real, 9), real)
    )


@pytest.fixture
def drawn_features():
    return np.random.default_rng(0).standard_normal((40, 12)).astype(np.float32)


def compare(metric, generated, real):
    """A figure for the whole, whichever of its two forms the metric has."""
    if hasattr(metric, "compare"):
        figure = metric.compare(generated, real)
        assert type(figure) is float
        return figure
    each = metric.compare_pairs(generated, real)
    assert each.shape == (len(real),)
    assert each.dtype == np.float64
    return each.mean()


def test_equal_features_are_better_than_others(feature_metric, drawn_features):
    others = np.random.default_rng(1).standard_normal((40, 12)).astype(np.float32) * 2 + 3
    before = drawn_features.copy(), others.copy()
    perfect = compare(feature_metric, drawn_features, drawn_features)
    worse = compare(feature_metric, others, drawn_features)
    assert np.isfinite([perfect, worse]).all()
    assert ahead(feature_metric)(perfect, worse)
    np.testing.assert_array_equal(drawn_features, before[0])
    np.testing.assert_array_equal(others, before[1])


def test_the_order_of_pairs_does_not_matter_to_features(feature_metric, drawn_features):
    others = np.random.default_rng(1).standard_normal((40, 12)).astype(np.float32) + 1
    order = np.random.default_rng(2).permutation(40)
    assert compare(feature_metric, others[order], drawn_features[order]) == pytest.approx(
        compare(feature_metric, others, drawn_features), rel=1e-5
    )
