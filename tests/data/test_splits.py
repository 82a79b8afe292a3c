import re
from collections import Counter
from pathlib import Path

import pytest

from sketchcli.data.pairing import Exclusions
from sketchcli.data.sources import SourcePair
from sketchcli.data.splits import (
    SplitRule,
    split_from_hash,
    split_from_name,
    uniform_hash,
    words_of,
)
from sketchcli.engine.lookup import find_prepared
from sketchcli.engine.preprocessing import preprocess

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


def assign(rule, ids, given=None):
    """The split of each pair, as `preprocess` plans them."""
    pairs = [SourcePair(i, None, Path(f"{i}.png"), (given or {}).get(i)) for i in ids]
    jobs = preprocess.plan(pairs, Exclusions(), preprocess.PreprocessConfig(division=rule))
    return {job.id: job.split for job in jobs}


@pytest.mark.parametrize("count", [3, 4, 7, 12])
@pytest.mark.parametrize(("val", "test"), [(0.0, 0.1), (0.1, 0.1), (0.0, 0.01), (0.45, 0.45)])
def test_three_pairs_or_more_leave_no_split_empty(count, val, test):
    for seed in range(20):
        found = assign(SplitRule(val=val, test=test, seed=seed), [f"p{i}" for i in range(count)])
        assert set(found.values()) == {"train", "test", *(["val"] if val else [])}


def test_a_set_without_an_empty_split_is_split_as_ever():
    rule = SplitRule(val=0.1, test=0.2)
    assert assign(rule, IDS) == draw(IDS)


def test_only_as_many_pairs_move_as_there_are_empty_splits():
    for seed in range(20):
        ids = [f"p{i}" for i in range(12)]
        before, after = draw(ids, seed=seed), assign(SplitRule(val=0.1, test=0.2, seed=seed), ids)
        moved = [i for i in ids if before[i] != after[i]]
        assert len(moved) == 3 - len(set(before.values()))


def test_a_group_is_never_torn_to_fill_a_split():
    ids = [f"{person}_{number}" for person in "abc" for number in range(4)]
    for seed in range(20):
        rule = SplitRule(test=0.1, seed=seed, group=re.compile("^[a-z]"))
        found = assign(rule, ids)
        assert all(len({found[f"{p}_{n}"] for n in range(4)}) == 1 for p in "abc")
        assert set(found.values()) == {"train", "test"}


def test_splits_of_the_source_and_single_groups_stay():
    given = {f"p{i}": "train" for i in range(5)}
    assert set(assign(SplitRule(), list(given), given).values()) == {"train"}
    assert len(set(assign(SplitRule(group=re.compile("p")), list(given)).values())) == 1
    assert len(set(assign(SplitRule(test=1e-9), ["a", "b"]).values())) == 1


def test_a_few_pairs_have_one_to_test_on(folders, sketch2img, tmp_path):
    names = [f"p{i}" for i in range(400)]
    few = [name for name in names if draw([name], val=0, test=0.1)[name] == "train"][:8]
    for kind in ("sketches", "photos"):
        for path, name in zip(sorted((folders / kind).iterdir()), few, strict=True):
            path.rename(path.with_name(f"{name}.png"))
    assert sketch2img("preprocess", folders, "--size", 32, "--out", tmp_path / "set").code == 0
    assert find_prepared(tmp_path / "set").description.counts == {"train": 7, "test": 1}


def test_an_empty_split_says_what_to_type(folders, sketch2img, tmp_path):
    out = tmp_path / "set"
    assert sketch2img("preprocess", folders, "--test", 0, "--size", 32, "--out", out).code == 0
    done = sketch2img("eval", "--data", out)
    assert done.code == 3
    assert "--split train" in done.stderr
    assert "--test 0.2 --overwrite" in done.stderr
