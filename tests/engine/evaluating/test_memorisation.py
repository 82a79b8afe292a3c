import numpy as np
import pytest

from sketchcli.engine.evaluating import memorisation
from sketchcli.engine.evaluating.memorisation import SIDE, examine, thumbnails


def flat(*values):
    """A thumbnail of one grey for each value."""
    return np.stack([np.full((SIDE, SIDE, 3), value, np.uint8) for value in values])


@pytest.fixture
def photos(noise):
    """Thumbnails of 200 training photos, 40 real test photos, and 40 others."""
    drawn = noise(280, SIDE).astype(np.float64) / 3 + noise(280, 1, seed=1) / 2
    return np.split(drawn.astype(np.uint8), [200, 240])


def test_distances_by_hand():
    found = examine(flat(10, 100, 205), flat(14, 160, 205), flat(0, 200, 90, 90))
    assert found.generated.rows.tolist() == [0, 2, 1]
    assert found.generated.distances.tolist() == [10, 10, 5]
    assert found.generated.usual.tolist() == [90, 55, 110]
    assert found.generated.nearness.tolist() == [10 / 90, 10 / 55, 5 / 110]
    assert found.to_truth.tolist() == [4, 60, 0]
    assert found.real.distances.tolist() == [14, 40, 5]
    assert found.ratios.tolist() == [2.5, 10 / 60, np.inf]
    assert found.share_nearer == pytest.approx(1 / 3)


def test_a_distance_is_the_mean_over_pixels_and_colours():
    picture, photo = flat(100), flat(100)
    picture[0, 3, 4, 1] = 124
    assert examine(picture, picture, photo).generated.distances.tolist() == [24 / (SIDE * SIDE * 3)]


def test_copies_are_found(photos):
    training, real, _ = photos
    slightly = np.clip(training[5:45].astype(np.int64) + 2, 0, 255).astype(np.uint8)
    found = examine(slightly, real, training)
    assert found.generated.rows.tolist() == list(range(5, 45))
    assert found.share_copied == 1
    assert found.share_nearer == 1
    assert (found.ratios < 0.2).all()


def test_the_truth_is_no_copy(photos):
    training, real, _ = photos
    found = examine(real, real, training)
    assert found.share_nearer == 0
    assert np.isinf(found.ratios).all()
    assert found.share_copied == pytest.approx(memorisation.BY_CHANCE, abs=1 / 40)


def test_new_pictures_are_no_copies_though_they_are_not_the_truth(photos):
    training, real, others = photos
    found = examine(others, real, training)
    assert found.share_nearer > 0.9  # one of 200 is nearer than the one truth, by chance
    assert found.share_copied < 0.2


def test_the_mean_photo_is_no_copy_though_it_is_near_to_all(photos):
    training, real, _ = photos
    mean = np.broadcast_to(np.rint(training.mean(axis=0)).astype(np.uint8), real.shape)
    found = examine(mean, real, training)
    assert found.share_nearer > 0.9
    assert (found.generated.distances < found.real.distances).mean() > 0.9
    assert found.share_copied == 0


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 33), (40, 200)])
def test_blocks_of_any_size_give_the_same(photos, monkeypatch, rows, columns):
    training, real, others = photos
    training[150] = training[20]  # of equal ones, the first is named
    others[3] = training[20]
    whole = examine(others, real, training)
    assert whole.generated.rows[3] == 20
    monkeypatch.setattr(memorisation, "ROWS", rows)
    monkeypatch.setattr(memorisation, "COLUMNS", columns)
    parts = examine(others, real, training)
    for one, other in ((parts.generated, whole.generated), (parts.real, whole.real)):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.distances, other.distances)
        np.testing.assert_array_equal(one.usual, other.usual)


def test_the_order_of_the_training_photos_does_not_matter(photos):
    training, real, others = photos
    order = np.random.default_rng(0).permutation(len(training))
    plain, shuffled = examine(others, real, training), examine(others, real, training[order])
    np.testing.assert_array_equal(order[shuffled.generated.rows], plain.generated.rows)
    np.testing.assert_array_equal(shuffled.generated.nearness, plain.generated.nearness)


def test_pictures_that_differ_from_every_photo_by_nothing_have_no_nearness():
    found = examine(flat(7, 7), flat(7, 9), flat(7, 7, 7))
    assert found.generated.nearness.tolist() == [1, 1]


def test_thumbnails_of_rows_on_disk(dataset):
    """As a prepared set has its photos: mapped, not loaded."""
    rows = dataset.split("train").photos
    small = thumbnails(rows)
    assert small.shape == (len(rows), SIDE, SIDE, 3)
    assert small.dtype == np.uint8
    # Half of the size, by area: each pixel is the mean of four.
    four = rows[0].astype(np.float64).reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(small[0] - four).max() <= 0.5
