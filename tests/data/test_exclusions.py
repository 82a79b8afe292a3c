from pathlib import Path

import numpy as np
import pytest

from sketchcli.data.pairing import Exclusions


def sketch(name, shade):
    return {f"sketch {shade}": Path(f"s/{name}.png")}


def photo(name, shade):
    return {f"photo {shade}": Path(f"p/{name}.png")}


@pytest.fixture
def exclusions():
    """An `Exclusions` that has taken a pair of shade 1 for testing."""
    exclusions = Exclusions()
    assert exclusions.takes(sketch("a", 1) | photo("a", 1), "test")
    return exclusions


def test_pairs_of_new_pictures_are_taken_without_a_word(exclusions):
    assert exclusions.takes(sketch("b", 2) | photo("b", 2), "test")
    assert exclusions.takes(sketch("c", 3) | photo("c", 3), "train")
    assert exclusions.left_out == exclusions.repeated == {}


@pytest.mark.parametrize("split", ["test", "train"])
def test_a_pair_that_repeats_both_pictures_goes(exclusions, split):
    assert not exclusions.takes(sketch("b", 1) | photo("b", 1), split)
    assert exclusions.left_out == {
        "s/b.png": "duplicate: identical to s/a.png (test)",
        "p/b.png": "duplicate: identical to p/a.png (test)",
    }
    assert exclusions.repeated == {}


@pytest.mark.parametrize(("shades", "kinds"), [((1, 2), "sp"), ((2, 1), "ps")])
def test_a_pair_that_shares_one_picture_with_another_split_goes(exclusions, shades, kinds):
    assert not exclusions.takes(sketch("b", shades[0]) | photo("b", shades[1]), "train")
    shared, other = kinds
    reason = f"duplicate: identical to {shared}/a.png (test)"
    assert exclusions.left_out == {
        f"{shared}/b.png": reason,
        f"{other}/b.png": f"its partner is a {reason}",
    }
    assert exclusions.repeated == {}


@pytest.mark.parametrize(
    ("shades", "named", "first"), [((1, 2), "s/b.png", "s/a.png"), ((2, 1), "p/b.png", "p/a.png")]
)
def test_a_pair_that_shares_one_picture_with_its_own_split_stays(exclusions, shades, named, first):
    assert exclusions.takes(sketch("b", shades[0]) | photo("b", shades[1]), "test")
    assert exclusions.left_out == {}
    assert exclusions.repeated == {named: f"identical to {first}"}


def test_a_repeated_picture_is_told_by_the_first_file_that_held_it(exclusions):
    for name, shade in [("b", 2), ("c", 3)]:
        assert exclusions.takes(sketch(name, shade) | photo(name, 1), "test")
    assert set(exclusions.repeated.values()) == {"identical to p/a.png"}


def test_a_picture_of_a_pair_that_went_is_not_remembered(exclusions):
    assert not exclusions.takes(sketch("b", 2) | photo("b", 1), "train")
    assert exclusions.takes(sketch("c", 2) | photo("c", 3), "train")
    assert exclusions.repeated == {}


def test_of_many_pairs_no_picture_is_in_two_splits():
    random = np.random.default_rng(0)
    exclusions, taken = Exclusions(), []
    for number in range(300):
        shades, split = random.integers(0, 60, 2), ("test", "train")[number // 150]
        if exclusions.takes(sketch(number, shades[0]) | photo(number, shades[1]), split):
            taken.append((split, *shades))
    for column in (1, 2):
        used = [{row[column] for row in taken if row[0] == split} for split in ("test", "train")]
        assert all(used)
        assert not used[0] & used[1]
    assert len(taken) + len(exclusions.left_out) / 2 == 300


def test_a_sketch_that_is_its_own_photo_is_one_picture():
    exclusions = Exclusions()
    assert exclusions.takes({"same": Path("a.png")}, "test")
    assert not exclusions.takes({"same": Path("b.png")}, "test")
    assert exclusions.left_out == {"b.png": "duplicate: identical to a.png (test)"}


def test_what_was_left_out_before_is_kept():
    before = {"s/z.png": "unpaired"}
    exclusions = Exclusions(before)
    exclusions.takes(sketch("a", 1) | photo("a", 1), "test")
    exclusions.takes(sketch("b", 1) | photo("b", 1), "test")
    assert exclusions.left_out.keys() == {"s/z.png", "s/b.png", "p/b.png"}
