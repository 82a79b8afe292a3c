from collections import Counter

import pytest

from sketchcli.data.splits import split_from_hash, split_from_name, uniform_hash, words_of

IDS = [f"face-{number}" for number in range(2000)]


def draw(ids, *, val=0.1, test=0.2, seed=0):
    return {pair_id: split_from_hash(pair_id, val=val, test=test, seed=seed) for pair_id in ids}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training photo", "train"),
        ("val", "val"),
        ("validation_sketches", "val"),
        ("testing-photos", "test"),
        ("Test", "test"),
        ("evaluation", "test"),
        ("portraits", None),
        ("latest photos", None),
        ("Valerie", None),
        ("Testa", None),
        ("Trainor", None),
        ("", None),
    ],
)
def test_a_folders_words_name_the_split(folder, split):
    assert split_from_name(folder) == split


def test_words_are_parted_by_blanks_dashes_and_underscores():
    assert words_of("Anna_Maria-2  left") == ["anna", "maria", "2", "left"]


def test_adding_files_moves_no_other():
    few, many = draw(IDS[::3]), draw(IDS)
    assert few.items() <= many.items()


def test_a_larger_share_for_testing_takes_nobody_out_of_the_test_split():
    small, large = draw(IDS, test=0.1), draw(IDS, test=0.3)
    assert {i for i in IDS if small[i] == "test"} < {i for i in IDS if large[i] == "test"}


def test_shares_come_out_about_right():
    counts = Counter(draw(IDS).values())
    assert counts["test"] / len(IDS) == pytest.approx(0.2, abs=0.03)
    assert counts["val"] / len(IDS) == pytest.approx(0.1, abs=0.03)
    assert counts["train"] / len(IDS) == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize(
    ("shares", "only"),
    [
        ({"val": 0, "test": 0}, "train"),
        ({"val": 1, "test": 0}, "val"),
        ({"val": 0, "test": 1}, "test"),
    ],
)
def test_extreme_shares_leave_one_split(shares, only):
    assert set(draw(IDS, **shares).values()) == {only}


def test_another_seed_draws_another_split():
    assert draw(IDS, seed=0) == draw(IDS, seed=0)
    assert draw(IDS, seed=0) != draw(IDS, seed=1)


def test_the_draw_is_the_same_in_every_release():
    assert draw(["anna", "bob", "zoë", "face-1"], val=0.2, test=0.3) == {
        "anna": "test",
        "bob": "train",
        "zoë": "val",
        "face-1": "test",
    }


def test_hashes_lie_in_the_unit_interval():
    values = [uniform_hash(pair_id, 0) for pair_id in IDS]
    assert 0 <= min(values) < 0.01
    assert 0.99 < max(values) < 1
