import numpy as np
import pytest

from sketchcli.engine.evaluating.features import FeatureStore


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((37, 5)).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 16, 37])
def test_what_was_added_in_batches_is_there_as_a_whole(rows, batch):
    pile = FeatureStore()
    for start in range(0, len(rows), batch):
        pile.add(rows[start : start + batch])
    np.testing.assert_array_equal(pile.whole(), rows)


def test_rows_that_do_not_lie_together_are_added_as_they_are(rows):
    pile = FeatureStore()
    pile.add(np.asfortranarray(rows)[::2])
    np.testing.assert_array_equal(pile.whole(), rows[::2])


def test_rows_outlive_their_pile_and_leave_no_file_behind(rows, home):
    pile = FeatureStore()
    pile.add(rows)
    whole = pile.whole()
    del pile
    np.testing.assert_array_equal(whole, rows)
    assert not whole.flags.owndata  # it is in a file, not in memory
    assert list((home / "cache").iterdir()) == []
