"""Faces against a gallery: closed forms and properties, on made-up features."""

import numpy as np
import pytest

from sketchcli.metrics import faces


def directions(count, width=32, seed=0):
    """Random features `(N, D)`, no two alike."""
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def at_angle(cosine, count):
    """Real features, each in a plane of its own, and generated ones at an angle to them."""
    axes = np.eye(2 * count, dtype=np.float32)
    return cosine * axes[:count] + np.sqrt(1 - cosine**2) * axes[count:], axes[:count]


def eer_by_thresholds(genuine, impostors):
    """The equal error rate by trying every threshold; exact where a step crosses."""
    best = 1.0
    for threshold in np.unique(np.concatenate([genuine, impostors, [2.0]])):
        rejects, accepts = (genuine < threshold).mean(), (impostors >= threshold).mean()
        best = min(best, max(rejects, accepts))
    return best


# ---- the cosine


def test_similarity_is_the_cosine_whatever_the_lengths():
    generated, real = at_angle(0.6, 4)
    lengths = np.array([[1], [2], [30], [0.4]], np.float32)
    np.testing.assert_allclose(faces.cosines(generated * lengths, real), [0.6] * 4, atol=1e-6)


def test_a_pair_without_a_face_has_no_similarity_and_no_rank():
    generated, real = directions(6), directions(6)
    generated[2] = real[2] = np.nan
    generated[4] = 0  # no direction at all
    missing = [False, False, True, False, True, False]
    assert np.isfinite(faces.cosines(generated, real)).tolist() == [
        not is_missing for is_missing in missing
    ]
    for metric in (
        faces.ENTRIES["face-similarity"],
        faces.ENTRIES["rank-1"],
        faces.ENTRIES["rank-5"],
    ):
        assert np.isnan(metric.compare_pairs(generated, real)).tolist() == missing


def test_a_pair_without_a_face_is_not_in_the_gallery_either():
    generated, real = directions(20), directions(20, seed=1)
    kept = np.arange(20) % 4 > 0
    holed, holed_real = generated.copy(), real.copy()
    holed[~kept] = holed_real[~kept] = np.nan
    assert faces.verification_eer(holed, holed_real) == faces.verification_eer(
        generated[kept], real[kept]
    )
    np.testing.assert_array_equal(
        faces.rank(holed, holed_real, among=5)[kept],
        faces.rank(generated[kept], real[kept], among=5),
    )


# ---- identification


def test_rank_by_hand():
    """The own photo is the first, the second, the sixth and the last of six."""
    real = np.eye(6, dtype=np.float32)
    generated = np.array(
        [
            [9, 1, 2, 3, 4, 5],
            [9, 8, 1, 2, 3, 4],
            [6, 5, 1, 4, 3, 2],
            [1, 2, 3, 9, 4, 5],
            [5, 4, 3, 2, 1, 0],
            [5, 4, 3, 2, 1, 0],
        ],
        np.float32,
    )
    assert faces.rank(generated, real, among=1).tolist() == [1, 0, 0, 1, 0, 0]
    assert faces.rank(generated, real, among=5).tolist() == [1, 1, 0, 1, 1, 0]


def test_perfect_pictures_are_all_found():
    real = directions(50)
    assert faces.rank(real, real, among=1).tolist() == [1] * 50
    assert faces.verification_eer(real, real) == 0


def test_random_pictures_are_found_as_often_as_by_guessing():
    generated, real = directions(2000), directions(2000, seed=1)
    assert faces.rank(generated, real, among=1).sum() == pytest.approx(1, abs=4)
    assert faces.rank(generated, real, among=5).sum() == pytest.approx(5, abs=8)
    assert faces.verification_eer(generated, real) == pytest.approx(0.5, abs=0.03)


def test_a_network_that_sees_no_difference_scores_what_guessing_does():
    same = np.ones((40, 8), np.float32)
    assert faces.rank(same, same, among=1).mean() == pytest.approx(1 / 40)
    assert faces.rank(same, same, among=5).mean() == pytest.approx(5 / 40)
    assert faces.verification_eer(same, same) == pytest.approx(0.5)


def test_two_photos_of_the_same_pixels_share_the_first_place():
    real = directions(10)
    real[7] = real[3]
    found = faces.rank(real, real, among=1)
    assert found[[3, 7]].tolist() == [0.5, 0.5]
    assert np.delete(found, [3, 7]).tolist() == [1] * 8


# ---- verification


def test_eer_by_hand():
    """One genuine pair of four is below one of the twelve impostors."""
    genuine, impostors = np.array([0.9, 0.8, 0.7, 0.1]), np.zeros(12)
    generated, real = at_angle(0.0, 4)
    generated = genuine[:, None] * real + np.sqrt(1 - genuine[:, None] ** 2) * generated
    assert faces.verification_eer(generated, real) == 0
    # Now picture 3 looks more like photo 0 (.5) than like its own (.1).
    generated[3] = 0.1 * real[3] + 0.5 * real[0] + np.sqrt(0.74) * generated[3]
    impostors[0] = 0.5
    assert faces.verification_eer(generated, real) == pytest.approx(1 / 12, abs=0)
    assert eer_by_thresholds(genuine, impostors) == pytest.approx(1 / 12)


@pytest.mark.parametrize("blur", [0.5, 1.0, 3.0])
def test_eer_is_where_both_errors_are_equal(blur):
    real = directions(60)
    generated = real + blur * directions(60, seed=1)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (generated, real)]
    cosines = unit[0].astype(np.float64) @ unit[1].T
    own = np.eye(60, dtype=bool)
    expected = eer_by_thresholds(cosines[own], cosines[~own])
    found = faces.verification_eer(generated, real)
    # Between two thresholds the rate is on the line, not at its worse end.
    assert expected - 1 / 60 <= found <= expected


def test_roc_goes_from_one_corner_to_the_other_and_holds_the_equal_error_rate():
    real = directions(40)
    curve = faces.roc(real + directions(40, seed=1), real)
    assert (curve.false_accepts[0], curve.false_rejects[0]) == (1, 0)
    assert (curve.false_accepts[-1], curve.false_rejects[-1]) == (0, 1)
    assert (np.diff(curve.false_accepts) <= 0).all()
    assert (np.diff(curve.false_rejects) >= 0).all()
    assert (np.diff(curve.thresholds) >= 0).all()
    rate = curve.equal_error_rate
    assert np.interp(rate, curve.false_rejects, curve.false_accepts) == pytest.approx(
        rate, abs=0.05
    )


def test_a_single_pair_has_no_impostor():
    assert np.isnan(faces.verification_eer(directions(1), directions(1)))
    assert np.isnan(faces.verification_eer(directions(0), directions(0)))


# ---- of all of them


@pytest.fixture
def somewhat_alike():
    real = directions(70)
    real[11] = real[12]  # ties too
    return real + 1.5 * directions(70, seed=1), real


def test_the_order_of_the_pairs_does_not_matter(somewhat_alike):
    generated, real = somewhat_alike
    order = np.random.default_rng(5).permutation(len(real))
    assert faces.verification_eer(generated[order], real[order]) == faces.verification_eer(
        generated, real
    )
    for metric in (
        faces.ENTRIES["face-similarity"],
        faces.ENTRIES["rank-1"],
        faces.ENTRIES["rank-5"],
    ):
        np.testing.assert_array_equal(
            metric.compare_pairs(generated[order], real[order]),
            metric.compare_pairs(generated, real)[order],
        )


@pytest.mark.parametrize("block", [1, 70 * 9, 70 * 64])
def test_blocks_of_any_size_give_the_same(somewhat_alike, monkeypatch, block):
    ranks = faces.rank(*somewhat_alike, among=1)
    rate = faces.verification_eer(*somewhat_alike)
    monkeypatch.setattr(faces, "BLOCK", block)
    np.testing.assert_array_equal(faces.rank(*somewhat_alike, among=1), ranks)
    assert faces.verification_eer(*somewhat_alike) == rate


def test_blurrier_faces_score_worse():
    real = directions(100)
    blurs = [real + strength * directions(100, seed=1) for strength in (1, 3, 9)]
    similarities = [faces.cosines(blur, real).mean() for blur in blurs]
    ranks = [faces.rank(blur, real, among=1).mean() for blur in blurs]
    rates = [faces.verification_eer(blur, real) for blur in blurs]
    assert similarities == sorted(similarities, reverse=True)
    assert ranks == sorted(ranks, reverse=True)
    assert rates == sorted(rates)
    assert all(len(set(found)) == 3 for found in (similarities, ranks, rates))
