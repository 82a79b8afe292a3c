"""Each fault planted in a set of drawn pairs and found; none found in a clean one."""

import time
from pathlib import Path

import numpy as np
import pytest

from sketchcli import images, machine
from sketchcli.data import sources
from sketchcli.data.audit import terms
from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES, SIDE, describe
from sketchcli.data.audit.terms import TITLES, Audit
from sketchcli.data.prepared import Pair


def rows(audit: Audit, kind: str) -> set[int | None]:
    return {finding.pair for finding in audit.findings if finding.kind == kind}


def only(audit: Audit, kind: str):
    assert [finding.kind for finding in audit.findings] == [kind]
    return audit.findings[0]


def notes(audit: Audit) -> str:
    return " | ".join(check.note for check in audit.checks)


def again(picture):
    """A copy as another program saves it: smaller, enlarged again, brighter."""
    height, width = picture.shape[:2]
    smaller = images.resize(picture, (height * 3 // 4, width * 3 // 4))
    back = images.resize(smaller, (height, width)).astype(np.int16)
    return np.clip(back + 6, 0, 255).astype(np.uint8)


def moved(photo, pixels):
    """The photo, shifted to the right; what comes in repeats its border."""
    return np.concatenate([np.repeat(photo[:, :1], pixels, axis=1), photo[:, :-pixels]], axis=1)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 24])
@pytest.mark.parametrize("is_drawn", [True, False])
def test_a_clean_set_is_left_in_peace(scene, count, is_drawn):
    audit = scene(count).audit(is_drawn=is_drawn)
    assert audit.findings == ()
    assert audit.pairs == count


def test_an_empty_set_is_no_fault():
    assert examine(np.zeros(0, FEATURES), [], is_drawn=False) == Audit(0, (), ())


def test_two_swapped_photos_are_found_and_where_they_belong(scene):
    pairs = scene()
    pairs.photos[3], pairs.photos[9] = pairs.photos[9], pairs.photos[3]
    audit = pairs.audit()
    assert {(f.kind, f.pair, f.other) for f in audit.findings} == {
        ("wrong-pair", 3, 9),
        ("wrong-pair", 9, 3),
    }
    assert all(finding.severity == "error" for finding in audit.findings)
    assert audit.findings[0].files in {("s/3.png", "p/3.png"), ("s/9.png", "p/9.png")}


def test_two_wrong_pairs_of_forty_do_not_spoil_the_set_but_three_or_a_leak_do(scene):
    pairs = scene(40)
    assert not pairs.audit().is_spoiled
    pairs.photos[3], pairs.photos[9] = pairs.photos[9], pairs.photos[3]
    audit = pairs.audit()
    assert (audit.errors, audit.is_spoiled) == (2, False)
    pairs.photos[3], pairs.photos[20] = pairs.photos[20], pairs.photos[3]
    audit = pairs.audit()
    assert (audit.errors, audit.is_spoiled) == (3, True)
    leaking = scene(40)
    leaking.photos[5], leaking.splits[5] = leaking.photos[4], "test"
    leaking.sketches[5] = leaking.sketches[4]
    audit = leaking.audit()
    assert {finding.kind for finding in audit.findings} == {"leakage"}
    assert audit.is_spoiled


@pytest.mark.parametrize("count", [8, 40])
def test_a_shifted_list_is_called_mispaired(scene, count):
    pairs = scene(count)
    pairs.photos = pairs.photos[1:] + pairs.photos[:1]
    audit = pairs.audit()
    assert audit.findings[0].kind == "mispaired-set"
    assert audit.is_spoiled
    assert len(rows(audit, "wrong-pair")) >= 0.8 * count
    assert audit.errors == len(audit.findings)
    assert "the dataset looks mis-paired" in notes(audit)


def test_a_strangers_photo_is_doubted(scene, drawn):
    pairs = scene()
    pairs.photos[5] = images.resize(drawn[30][1][8:40, 20:60], pairs.photos[5].shape[:2])
    assert only(pairs.audit(), "weak-pair").pair == 5


def test_seven_pairs_are_too_few_to_judge(scene):
    pairs = scene(7)
    pairs.photos = pairs.photos[1:] + pairs.photos[:1]
    audit = pairs.audit()
    assert not rows(audit, "wrong-pair")
    assert "7 pairs not checked: 8 are needed" in notes(audit)


def test_where_sketches_were_drawn_no_pair_can_be_wrong(scene):
    pairs = scene()
    pairs.photos = pairs.photos[1:] + pairs.photos[:1]
    audit = pairs.audit(is_drawn=True)
    assert audit.findings == ()
    assert "24 pairs not checked: the sketches were drawn from" in notes(audit)


def test_a_shifted_photo_is_measured(scene):
    pairs = scene()
    pairs.photos[4] = moved(pairs.photos[4], 6)
    finding = only(pairs.audit(), "misaligned")
    assert (finding.pair, finding.severity) == (4, "warning")
    right = float(finding.message.split("by ")[1].split(" px right")[0])
    assert right == pytest.approx(6, abs=0.7)


def test_a_set_that_is_shifted_as_a_whole_is_told_once(scene):
    pairs = scene()
    pairs.photos = [moved(photo, 5) for photo in pairs.photos]
    finding = only(pairs.audit(), "misaligned")
    assert finding.pair is None
    assert "typically shifted" in finding.message


def test_a_shift_of_one_pixel_is_nothing(scene):
    pairs = scene()
    pairs.photos[4] = moved(pairs.photos[4], 1)
    assert pairs.audit().findings == ()


@pytest.mark.parametrize(
    ("split", "kind", "severity"),
    [("test", "leakage", "error"), ("train", "near-duplicate", "warning")],
)
def test_a_copied_photo_is_found(scene, split, kind, severity):
    pairs = scene()
    pairs.sketches.append(pairs.sketches[30 % 24][:, ::-1])
    pairs.photos.append(again(pairs.photos[7]))
    pairs.splits[24] = split
    found = [f for f in pairs.audit().findings if f.kind in {"leakage", "near-duplicate"}]
    assert [(f.kind, f.severity) for f in found] == [(kind, severity)]
    assert found[0].files == ("p/7.png", "p/24.png")
    assert (found[0].pair, found[0].other) == (7, 24)


def test_a_copied_sketch_is_found_but_not_among_drawn_ones(scene):
    pairs = scene()
    pairs.sketches[11] = again(pairs.sketches[2])
    assert rows(pairs.audit(), "near-duplicate") == {2}
    assert not rows(pairs.audit(is_drawn=True), "near-duplicate")


def test_equal_pictures_of_one_split_are_left_to_the_exclusions(scene):
    pairs = scene()
    pairs.photos[8] = pairs.photos[1]
    assert not rows(pairs.audit(is_drawn=True), "near-duplicate")
    pairs.splits[8] = "test"
    assert rows(pairs.audit(is_drawn=True), "leakage") == {1}


def test_many_copies_are_one_finding(scene):
    pairs = scene()
    for row in (3, 6, 9, 12):
        pairs.photos[row] = np.clip(pairs.photos[0].astype(int) + row, 0, 255).astype(np.uint8)
    finding = only(pairs.audit(is_drawn=True), "near-duplicate")
    assert finding.files == ("p/0.png", "p/3.png", "p/6.png", "p/9.png", "p/12.png")
    assert "and 2 more" in finding.message


@pytest.mark.parametrize("kind", ["sketches", "photos"])
def test_a_blank_picture_is_an_error(scene, kind):
    pairs = scene()
    pictures = getattr(pairs, kind)
    pictures[2] = np.full_like(pictures[2], 250)
    audit = pairs.audit()
    blank = next(finding for finding in audit.findings if finding.kind == "blank")
    assert (blank.pair, blank.severity) == (2, "error")
    assert f"the {'sketch' if kind == 'sketches' else 'photo'} is blank" in blank.message
    assert not rows(audit, "low-contrast")


def test_the_photo_in_the_place_of_the_sketch_is_an_error(scene):
    pairs = scene()
    pairs.sketches[2] = images.luma(pairs.photos[2])
    finding = only(pairs.audit(), "same-picture")
    assert (finding.pair, finding.severity) == (2, "error")


def test_a_tinted_sketch_is_found(scene):
    pairs = scene()
    pairs.sources["sketch", 2] = images.to_rgb(pairs.sketches[2]) // np.array([1, 1, 2], np.uint8)
    assert only(pairs.audit(), "tinted").pair == 2


def test_an_inverted_sketch_is_found(scene):
    pairs = scene()
    pairs.sketches[2] = 255 - pairs.sketches[2]
    assert only(pairs.audit(), "inverted").pair == 2


def test_a_faint_sketch_is_found(scene):
    pairs = scene()
    pairs.sketches[2] = 200 + pairs.sketches[2] // 8
    assert only(pairs.audit(), "low-contrast").pair == 2


@pytest.mark.parametrize("kind", ["sketch", "photo"])
def test_a_tiny_picture_is_found(scene, kind):
    pairs = scene()
    pairs.sources[kind, 2] = np.full((16, 32, 3), 255, np.uint8)
    finding = only(pairs.audit(), "enlarged")
    assert f"the {kind} is tiny: it was enlarged 2.8 times" in finding.message


def test_what_most_sketches_have_is_told_once(scene):
    pairs = scene()
    for row in range(20):
        pairs.sketches[row] = 255 - pairs.sketches[row]
    finding = only(pairs.audit(), "inverted")
    assert finding.pair is None
    assert finding.message.startswith("20 of 24 sketches")


def test_errors_come_first_and_are_counted(scene):
    pairs = scene()
    pairs.sketches[1] = 255 - pairs.sketches[1]
    pairs.sketches[2] = images.luma(pairs.photos[2])
    audit = pairs.audit()
    assert [finding.kind for finding in audit.findings] == ["same-picture", "inverted"]
    assert (audit.errors, audit.warnings) == (1, 1)
    assert audit.counts == {"same-picture": 1, "inverted": 1}


def test_every_kind_has_a_check(scene):
    for is_drawn in (True, False):
        checked = [
            kind for check in scene().audit(is_drawn=is_drawn).checks for kind in check.kinds
        ]
        assert sorted([*checked, "torn-group"]) == sorted(TITLES)  # that needs the groups


def test_the_same_records_give_the_same_audit(scene):
    pairs = scene()
    pairs.photos = pairs.photos[2:] + pairs.photos[:2]
    assert pairs.audit() == pairs.audit()


def test_threads_and_whether_a_panel_stands_for_the_set_change_no_finding(monkeypatch):
    features = synthetic(1000)
    features["photo"][[100, 700]] = features["photo"][[700, 100]]
    features["photo"][300] = np.roll(features["photo"][300], 5, axis=1)
    names = [Pair(str(row), "train", "", str(row), "") for row in range(len(features))]
    audit = examine(features, names, is_drawn=False)
    assert rows(audit, "wrong-pair") == {100, 700}
    assert 300 in rows(audit, "misaligned")
    monkeypatch.setattr(machine, "usable_cores", lambda: 3)
    assert examine(features, names, is_drawn=False) == audit
    monkeypatch.setattr(terms, "PANEL", 990)
    sampled = examine(features, names, is_drawn=False)
    assert [(f.kind, f.pair, f.other) for f in sampled.findings] == [
        (f.kind, f.pair, f.other) for f in audit.findings
    ]


def synthetic(count: int) -> np.ndarray:
    """Random landscapes and the outlines of their hills."""
    random = np.random.default_rng(0)
    features = np.zeros(count, FEATURES)
    enlarge = np.repeat(np.eye(SIDE // 4), 4, axis=0)
    smooth = sum(np.eye(SIDE, k=k) for k in range(-2, 3)) / 5
    for start in range(0, count, 1000):
        hills = smooth @ enlarge @ random.normal(size=(1000, SIDE // 4, SIDE // 4)) @ enlarge.T
        hills @= smooth
        slopes = np.hypot(np.gradient(hills, axis=1), np.gradient(hills, axis=2))
        features["photo"][start : start + 1000] = np.clip(128 + 60 * hills, 0, 255)
        features["sketch"][start : start + 1000] = np.clip(255 - 400 * slopes, 0, 255)
    features["size"] = features["sketch_source"] = features["photo_source"] = 128
    features["paper"] = features["middle"] = 240
    features["sketch_range"] = 200
    return features


@pytest.mark.slow
def test_five_thousand_pairs_take_seconds_and_a_swap_is_found():
    features = synthetic(5000)
    features["photo"][[100, 4000]] = features["photo"][[4000, 100]]
    names = [Pair(str(row), "train", "", "", "") for row in range(len(features))]
    start = time.perf_counter()
    audit = examine(features, names, is_drawn=False)
    assert time.perf_counter() - start < 15  # 2 s where nothing else runs
    assert rows(audit, "wrong-pair") == {100, 4000}
    assert "were compared with all 5000 photos" in notes(audit)


@pytest.fixture(params=[128, 256])
def cuhk(shared, request):
    """The CUHK student set, stretched to a square: its records and names."""
    side = (request.param, request.param)
    pairs = sources.tree(shared / "cuhk-student").pairs
    records = []
    for pair in pairs:
        sketch, photo = images.read_rgb(pair.sketch), images.read_rgb(pair.photo)
        stored = images.resize(images.luma(sketch), side), images.resize(photo, side)
        records.append(describe(sketch, photo, *stored))
    names = [Pair(p.id, str(p.split), "", str(p.sketch), str(p.photo)) for p in pairs]
    return np.array(records, FEATURES), names


def with_photos(features, order):
    changed = features.copy()
    for field in ("photo", "photo_source"):
        changed[field] = features[field][order]
    return changed


@pytest.mark.shared
def test_the_cuhk_set_is_right(cuhk):
    assert examine(*cuhk, is_drawn=False).findings == ()


@pytest.mark.shared
def test_the_cuhk_set_sorted_by_position_is_not(cuhk):
    """All files of a kind sorted by name: `F2-005-01-sz1` then stands beside `f-005-01`, and so on
    until the capital letters end.
    """
    features, names = cuhk
    order = np.arange(len(names))
    everyone = range(len(names))
    sketches = sorted(everyone, key=lambda row: Path(names[row].sketch).name)
    order[sketches] = sorted(everyone, key=lambda row: Path(names[row].photo).name)
    is_wrong = order != np.arange(len(names))
    audit = examine(with_photos(features, order), names, is_drawn=False)
    found = rows(audit, "wrong-pair")
    assert audit.findings[0].kind == "mispaired-set"
    assert len(found & set(np.flatnonzero(is_wrong))) > 0.8 * is_wrong.sum()
    assert len(found & set(np.flatnonzero(~is_wrong))) <= 0.05 * len(names)


@pytest.mark.shared
def test_the_cuhk_set_shifted_by_one_is_called_mispaired(cuhk):
    features, names = cuhk
    audit = examine(with_photos(features, np.roll(np.arange(len(names)), 1)), names, is_drawn=False)
    assert audit.findings[0].kind == "mispaired-set"
    assert len(rows(audit, "wrong-pair")) > 0.9 * len(names)


@pytest.mark.shared
def test_single_swaps_in_the_cuhk_set_are_found(cuhk):
    features, names = cuhk
    random, found, alarms = np.random.default_rng(0), 0, 0
    for first in range(0, 180, 12):
        order = np.arange(len(names))
        second = (first + random.integers(1, len(names))) % len(names)
        order[[first, second]] = second, first
        wrong = rows(examine(with_photos(features, order), names, is_drawn=False), "wrong-pair")
        found += len(wrong & {first, second})
        alarms += len(wrong - {first, second})
    assert found >= 27  # of 30
    assert alarms == 0
