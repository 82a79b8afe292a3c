import unicodedata
from pathlib import Path

import pytest

from sketchcli.data import pairing
from sketchcli.data.pairing import pair_by_name


def paths(root, *names):
    """Files, each with the folders between it and the root."""
    return {Path(root) / name: "/".join(Path(name).parts[:-1]) for name in names}


def pair(sketches, photos):
    return pair_by_name(paths("sketches", *sketches), paths("photos", *photos))


def stems(result):
    return [(p.sketch.stem, p.photo.stem) for p in result.pairs]


def names(files):
    return [path.as_posix() for path in files]


@pytest.mark.parametrize(
    ("rule", "sketches", "photos"),
    [
        ("exact", ["a.png", "b.jpg"], ["b.png", "a.png"]),
        ("words", ["anna_sketch.png", "Bob-Sketch.png"], ["Photo-Anna.jpg", "bob photo.jpg"]),
        ("words", ["sketches (1).png"], ["image (1).png"]),
        ("cuhk", ["F2-005-01-sz1.jpg", "M2-1-01-sz1.jpg"], ["f-005-01.jpg", "m-1-01.jpg"]),
        ("cuhk", ["f-039-01-sz1.jpg"], ["f-039-01.jpg"]),
    ],
)
def test_each_rule_pairs_what_it_is_for(rule, sketches, photos):
    result = pair(sketches, photos)
    assert result.rule == rule
    assert len(result.pairs) == len(sketches)
    assert result.unpaired == result.duplicates == ()


def test_the_strictest_rule_wins_where_several_pair_as_many():
    assert pair(["f-1.png", "m-1.png"], ["m-1.png", "f-1.png"]).rule == "exact"


def test_words_inside_other_words_stay():
    assert pairing.words("realistic") == "realistic"
    assert pairing.words("imagesketcher") == "imagesketcher"


def test_names_pair_where_a_plain_sort_pairs_the_wrong_people():
    sketches = ["F2-005-01-sz1", "M2-025-01-sz1", "f1-001-01-sz1", "m1-010-01-sz1"]
    photos = ["f-005-01", "f1-001-01", "m-025-01", "m1-010-01"]
    by_name = {(sketches[0], photos[0]), (sketches[1], photos[2])}
    by_name |= {(sketches[2], photos[1]), (sketches[3], photos[3])}
    by_position = set(zip(sorted(sketches), sorted(photos), strict=True))
    result = pair([f"{name}.jpg" for name in sketches], [f"{name}.jpg" for name in photos])
    assert set(stems(result)) == by_name != by_position


def test_both_ways_of_writing_an_accent_are_one_name():
    composed, decomposed = (unicodedata.normalize(form, "zoë") for form in ("NFC", "NFD"))
    assert composed != decomposed
    result = pair([f"{composed}.png"], [f"{decomposed}.png"])
    assert (result.rule, len(result.pairs)) == ("exact", 1)
    assert result.pairs[0].id == composed


def test_files_without_a_partner_are_listed():
    result = pair(["a.png", "b.png", "c.png"], ["a.png", "b.png", "d.png"])
    assert stems(result) == [("a", "a"), ("b", "b")]
    assert names(result.unpaired) == ["sketches/c.png", "photos/d.png"]


def test_a_second_file_of_the_same_name_is_listed():
    result = pair(["a.jpg", "a.png", "b.png"], ["a.png", "b.png", "b.webp"])
    assert stems(result) == [("a", "a"), ("b", "b")]
    assert names(result.duplicates) == ["sketches/a.png", "photos/b.webp"]
    assert result.unpaired == ()


def test_every_file_is_accounted_for_whatever_the_order():
    sketches = paths("s", "a.png", "a.jpg", "c_sketch.png", "x.png")
    photos = paths("p", "photo-c.png", "a.webp", "y.png", "a.bmp")
    result = pair_by_name(sketches, photos)
    listed = [path for p in result.pairs for path in (p.sketch, p.photo)]
    assert sorted([*listed, *result.unpaired, *result.duplicates]) == sorted(sketches | photos)
    backwards = [dict(reversed(files.items())) for files in (sketches, photos)]
    assert pair_by_name(*backwards) == result


def test_nothing_pairs_with_nothing():
    assert pair([], []).pairs == ()
    assert names(pair(["a.png"], []).unpaired) == ["sketches/a.png"]


def test_equal_names_in_two_folders_are_two_pairs():
    files = ["monday/1.png", "tuesday/1.png", "tuesday/late/1.png", "1.png"]
    result = pair(files, files)
    assert [p.id for p in result.pairs] == ["1", "monday/1", "tuesday/1", "tuesday/late/1"]
    assert result.unpaired == result.duplicates == ()
    assert all(p.sketch.parts[1:] == p.photo.parts[1:] for p in result.pairs)


def test_a_file_is_paired_only_with_one_from_the_same_folder():
    result = pair(["monday/1.png", "2.png"], ["tuesday/1.png", "tuesday/2.png"])
    assert result.pairs == ()
    assert len(result.unpaired) == 4


def test_a_rule_reads_the_files_name_and_leaves_the_folders():
    result = pair(["My Sketches/Anna_sketch.png"], ["My Sketches/photo-anna.png"])
    assert (result.rule, result.pairs[0].id) == ("words", "My Sketches/anna")


@pytest.mark.parametrize(
    "stem",
    [
        *("anna", "anna_sketch", "Photo-Anna", "Bob 2 (drawing)", "realistic", "photo"),
        *("F2-005-01-sz1", "f-005-01", "m1-010-01-sz1", "f-039-01-sz1", "F2_005_01-sz1"),
        *(unicodedata.normalize(form, "Zoë_sketch") for form in ("NFC", "NFD")),
    ],
)
@pytest.mark.parametrize("folder", ["", "monday/", "My Sketches/late/"])
def test_a_pair_has_one_canonical_name_under_whichever_rule_it_was_found(folder, stem):
    ids = {folder + rule(stem) for rule in pairing.RULES.values()}
    assert len({pairing.canonical(pair_id) for pair_id in ids}) == 1


def test_a_canonical_name_keeps_the_folder_and_tells_people_apart():
    assert pairing.canonical("monday/Anna_sketch") == "monday/anna"
    assert pairing.canonical("F2-005-01-sz1") == pairing.canonical("f-005-01") == "f-005-01"
    ids = ["anna", "bob", "monday/anna", "tuesday/anna", "f-005-01", "m-005-01", "f-005-02"]
    assert len(set(map(pairing.canonical, ids))) == len(ids)
