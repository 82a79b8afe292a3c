import numpy as np
import pytest

from sketchcli.engine.evaluating import features
from sketchcli.engine.evaluating.features import (
    SIDE,
    distances,
    memorisation,
    memorisation_thumbnails,
)


def flat(*values):
    """A thumbnail of one grey for each value."""
    return np.stack([np.full((SIDE, SIDE, 3), value, np.uint8) for value in values])


def examined(generated, real, training):
    return memorisation([generated], real, training)[0]


@pytest.fixture
def photos(noise):
    """Thumbnails of 200 training photos, 40 real test photos, and 40 others."""
    drawn = noise(280, SIDE).astype(np.float64) / 3 + noise(280, 1, seed=1) / 2
    return np.split(drawn.astype(np.uint8), [200, 240])


def test_distances_by_hand():
    training, real = flat(0, 200, 90, 90), flat(14, 160, 205)
    least, nearness = distances(flat(10, 100, 205), training)
    assert least.tolist() == [10, 10, 5]
    assert nearness.tolist() == [10 / 90, 10 / 55, 5 / 110]
    assert distances(real, training)[0].tolist() == [14, 40, 5]
    # Of the references at 4, 60 and 0, the second alone is farther than a training photo.
    assert examined(flat(10, 100, 205), real, training).share_nearer == pytest.approx(1 / 3)


def test_a_distance_is_the_mean_over_pixels_and_colours():
    picture, photo = flat(100), flat(100)
    picture[0, 3, 4, 1] = 124
    assert distances(picture, photo)[0].tolist() == [24 / (SIDE * SIDE * 3)]


def test_copies_are_found(photos):
    training, real, _ = photos
    slightly = np.clip(training[5:45].astype(np.int64) + 2, 0, 255).astype(np.uint8)
    assert (distances(slightly, training)[0] <= 2).all()
    found = examined(slightly, real, training)
    assert (found.share_copied, found.share_nearer) == (1, 1)


def test_the_truth_is_no_copy(photos):
    training, real, _ = photos
    found = examined(real, real, training)
    assert found.share_nearer == 0
    assert found.share_copied == pytest.approx(features.BY_CHANCE, abs=1 / 40)


def test_new_pictures_are_no_copies_though_they_are_not_the_truth(photos):
    training, real, others = photos
    found = examined(others, real, training)
    assert found.share_nearer > 0.9  # one of 200 is nearer than the one reference, by chance
    assert found.share_copied < 0.2


def test_the_mean_photo_is_no_copy_though_it_is_near_to_all(photos):
    training, real, _ = photos
    mean = np.broadcast_to(np.rint(training.mean(axis=0)).astype(np.uint8), real.shape)
    nearer = distances(mean, training)[0] < distances(real, training)[0]
    assert nearer.mean() > 0.9
    found = examined(mean, real, training)
    assert found.share_nearer > 0.9
    assert found.share_copied == 0


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 33), (40, 200)])
def test_blocks_of_any_size_and_any_order_give_the_same(photos, monkeypatch, rows, columns):
    training, _, others = photos
    others[3] = training[20]
    whole = distances(others, training)
    assert whole[0][3] == 0
    monkeypatch.setattr(features, "ROWS", rows)
    monkeypatch.setattr(features, "COLUMNS", columns)
    for order in (slice(None), slice(None, None, -1)):
        parts = distances(others, training[order])
        np.testing.assert_array_equal(parts, whole)


def test_pictures_that_differ_from_every_photo_by_nothing_have_no_nearness():
    assert distances(flat(7, 7), flat(7, 7, 7))[1].tolist() == [1, 1]


def test_thumbnails_of_rows_on_disk(dataset):
    """As a prepared set has its photos: mapped, not loaded."""
    rows = dataset.split("train").photos
    small = memorisation_thumbnails(rows)
    assert small.shape == (len(rows), SIDE, SIDE, 3)
    assert small.dtype == np.uint8
    # Half of the size, by area: each pixel is the mean of four.
    four = rows[0].astype(np.float64).reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(small[0] - four).max() <= 0.5
