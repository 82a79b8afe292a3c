from pathlib import Path

import numpy as np
import pytest

from sketchcli import file_kinds, images
from sketchcli.config import Direction
from sketchcli.data import sources
from sketchcli.errors import DataError


def fill(root, *names):
    """Pictures of one white pixel, and empty files where the suffix is another."""
    for name in names:
        path = root / name
        if file_kinds.is_picture(path):
            images.write(path, np.full((1, 1), 255, np.uint8))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def found(source):
    return [(pair.split, pair.id) for pair in source.pairs]


def kinds(root, source):
    """Each pair's files, relative to the root."""
    return [
        (p.sketch.relative_to(root).as_posix(), p.photo.relative_to(root).as_posix())
        for p in source.pairs
    ]


def left_out(root, source):
    return {path.removeprefix(f"{root}/"): why for path, why in source.left_out.items()}


@pytest.mark.parametrize(
    ("sketches", "photos"),
    [
        ("sketches", "photos"),
        ("Training sketch", "Training photo"),
        ("edges", "real images"),
        ("faces/line drawings", "faces/targets"),
    ],
)
def test_a_trees_folders_say_what_they_hold(tmp_path, sketches, photos):
    root = fill(tmp_path / "set", f"{sketches}/a.png", f"{photos}/a.jpg")
    assert kinds(root, sources.tree(root)) == [(f"{sketches}/a.png", f"{photos}/a.jpg")]


def test_the_nearest_folder_that_speaks_of_just_one_kind_decides(tmp_path):
    root = fill(
        tmp_path / "sketch-photo-set",
        *("photos/sketch/a.png", "sketches/photo/a.png"),
        *("sketches/photo and sketch/b.png", "photos/photo and sketch/b.png"),
    )
    source = sources.tree(root)
    assert kinds(root, source) == [
        ("photos/sketch/a.png", "sketches/photo/a.png"),
        ("sketches/photo and sketch/b.png", "photos/photo and sketch/b.png"),
    ]
    assert found(source) == [(None, "a"), (None, "and/b")]


def test_a_tree_keeps_its_splits_apart(tmp_path):
    root = fill(
        tmp_path / "set",
        *("training-sketches/a.png", "training-photos/a.png"),
        *("testing-sketches/b.png", "testing-photos/b.png"),
        *("testing-sketches/c.png", "training-photos/c.png"),
    )
    source = sources.tree(root)
    assert found(source) == [("test", "b"), ("train", "a")]
    assert left_out(root, source).keys() == {"testing-sketches/c.png", "training-photos/c.png"}


def test_pictures_in_neither_kind_of_folder_are_listed(tmp_path):
    root = fill(tmp_path / "set", "sketches/a.png", "photos/a.png", "cover.png", "extra/a.png")
    source = sources.tree(root)
    assert found(source) == [(None, "a")]
    assert left_out(root, source).keys() == {"cover.png", "extra/a.png"}
    assert all("not in a folder of sketches or photos" in why for why in source.left_out.values())


def test_unpaired_and_duplicate_pictures_are_listed_with_the_reason(tmp_path):
    root = fill(
        tmp_path / "set", "sketches/a.png", "sketches/a.jpg", "sketches/b.png", "photos/a.png"
    )
    reasons = left_out(root, sources.tree(root))
    assert reasons["sketches/b.png"].startswith("unpaired")
    assert reasons["sketches/a.png"].startswith("duplicate")


def test_a_tree_that_does_not_say_what_it_holds_is_an_error_with_a_way_out(tmp_path):
    root = fill(tmp_path / "set", "A/a.png", "B/a.png")
    with pytest.raises(DataError, match="set") as caught:
        sources.tree(root)
    assert "--sketches" in caught.value.hint


def test_two_folders_of_any_name_are_paired(tmp_path):
    fill(tmp_path, "left/a.png", "left/b.png", "right/b.jpg", "right/a.jpg")
    source = sources.two_folders(tmp_path / "left", tmp_path / "right")
    assert found(source) == [(None, "a"), (None, "b")]
    assert source.rule == "exact"
    assert source.left_out == {}


def test_two_folders_with_split_folders_are_paired_split_by_split(tmp_path):
    fill(
        tmp_path,
        *("left/train/a.png", "left/test/a.png", "left/val/deep/b.png"),
        *("right/train/a.png", "right/test/a.png", "right/deep/val/b.png"),
    )
    source = sources.two_folders(tmp_path / "left", tmp_path / "right")
    assert found(source) == [("test", "a"), ("train", "a"), ("val", "deep/b")]
    assert all(f"/{pair.split}/" in pair.photo.as_posix() for pair in source.pairs)


def test_a_split_in_the_given_folders_own_name_does_not_count(tmp_path):
    fill(tmp_path, "test sketches/a.png", "test photos/a.png")
    source = sources.two_folders(tmp_path / "test sketches", tmp_path / "test photos")
    assert found(source) == [(None, "a")]


@pytest.mark.parametrize("direction", Direction)
def test_side_by_side_files_are_both_sketch_and_photo(tmp_path, direction):
    root = fill(tmp_path / "facades", "train/1.jpg", "test/1.jpg", "extra.jpg")
    source = sources.side_by_side(root, direction=direction)
    assert sorted(found(source), key=str) == [
        ("test", "test/1"),
        ("train", "train/1"),
        (None, "extra"),
    ]
    assert all(pair.sketch == pair.photo for pair in source.pairs)
    assert {pair.direction for pair in source.pairs} == {direction}


@pytest.mark.parametrize(
    "look",
    [
        sources.pictures,
        sources.tree,
        lambda folder: sources.side_by_side(folder, direction=Direction.PHOTO_LEFT),
        lambda folder: sources.two_folders(folder, folder.with_name("full")),
        lambda folder: sources.two_folders(folder.with_name("full"), folder),
    ],
    ids=["pictures", "tree", "side_by_side", "sketches", "photos"],
)
def test_a_missing_a_wrong_and_an_empty_folder_are_errors_that_name_them(tmp_path, look):
    fill(tmp_path, "file.txt", "empty/notes.txt", "empty/.hidden.png", "full/a.png")
    for name, said in [("missing", "does not"), ("file.txt", "is a"), ("empty", "contains no")]:
        with pytest.raises(DataError, match=rf"{name} {said}"):
            look(tmp_path / name)


def test_a_folder_without_pictures_says_what_is_in_it_instead(tmp_path):
    root = fill(tmp_path / "set", "a.svg", "deep/b.SVG", "c.psd", "notes")
    with pytest.raises(DataError, match=r"files: 2 \.svg, 1 \.psd, 1 without an ext") as caught:
        sources.pictures(root)
    assert "PNG" in caught.value.hint


def test_a_folder_of_links_says_that_they_were_not_followed(tmp_path):
    fill(tmp_path / "elsewhere", "a.png")
    root = fill(tmp_path / "set", "notes.txt")
    (root / "people").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"1 \.txt; links .* not followed \(1\)") as caught:
        sources.pictures(root)
    assert caught.value.hint.endswith(str(root / "people"))


def test_pictures_are_found_at_any_depth_in_a_fixed_order(tmp_path):
    root = fill(tmp_path / "set", "b.png", "a/z.JPG", "a/b/c.webp", "notes.txt", ".hidden.png")
    assert [p.relative_to(root).as_posix() for p in sources.pictures(root)] == [
        "a/b/c.webp",
        "a/z.JPG",
        "b.png",
    ]


@pytest.mark.parametrize("place", ["set", "set/inner", "set/inner/deep", "."])
@pytest.mark.parametrize("is_linked", [False, True])
def test_folders_that_lie_in_one_another_are_refused(tmp_path, place, is_linked):
    fill(tmp_path, "set/inner/deep/a.png")
    (tmp_path / "link").symlink_to(tmp_path / place, target_is_directory=True)
    inner, other = tmp_path / "set" / "inner", tmp_path / ("link" if is_linked else place)
    for folders in [(inner, other), (other, inner)]:
        with pytest.raises(DataError, match="overlap"):
            sources.two_folders(*folders)


def test_folders_beside_each_other_may_begin_with_the_same_name(tmp_path):
    fill(tmp_path, "face/a.png", "faces/a.png")
    assert found(sources.two_folders(tmp_path / "face", tmp_path / "faces")) == [(None, "a")]


@pytest.mark.parametrize(
    "look",
    [
        sources.tree,
        lambda root: sources.two_folders(root / "sketches", root / "photos"),
        lambda root: sources.side_by_side(root, direction=Direction.PHOTO_LEFT),
    ],
    ids=["tree", "two_folders", "side_by_side"],
)
def test_files_without_a_pictures_suffix_are_listed(tmp_path, look):
    root = fill(
        tmp_path / "set",
        *("sketches/a.png", "photos/a.png"),
        *("sketches/b.psd", "photos/deep/c.kra", "photos/noname"),
        *("source.json", "photos/source.json", "sketches/.DS_Store"),
    )
    assert left_out(root, look(root)) == dict.fromkeys(
        ["sketches/b.psd", "photos/deep/c.kra", "photos/noname"], "no supported image extension"
    )


def test_files_beside_the_folders_of_a_tree_are_listed_too(tmp_path):
    root = fill(tmp_path / "set", "sketches/a.png", "photos/a.png", "README.txt")
    assert left_out(root, sources.tree(root)) == {"README.txt": "no supported image extension"}


def test_equal_names_in_two_subfolders_are_two_pairs(tmp_path):
    names = ["monday/1.png", "tuesday/1.png"]
    root = fill(
        tmp_path / "set",
        *(f"sketches/{name}" for name in names),
        *(f"photos/{name}" for name in names),
    )
    for source in (
        sources.tree(root),
        sources.two_folders(root / "sketches", root / "photos"),
    ):
        assert found(source) == [(None, "monday/1"), (None, "tuesday/1")]
        assert all(p.sketch.parent.name == p.photo.parent.name for p in source.pairs)
        assert source.left_out == {}


def test_a_folder_may_come_before_or_after_those_for_split_and_kind(tmp_path):
    root = fill(tmp_path / "set", "monday/train/sketches/1.png", "train/photos/monday/1.png")
    assert found(sources.tree(root)) == [("train", "monday/1")]


@pytest.mark.parametrize("name", ["Valerie", "Testa", "Realtor", "Trainor", "Photography"])
def test_a_name_that_begins_like_a_split_or_kind_is_just_a_name(tmp_path, name):
    root = fill(tmp_path / "set", f"sketches/{name}/1.png", f"photos/{name}/1.png")
    fill(root, f"{name}/sketches/2.png", f"{name}/photos/2.png")
    assert found(sources.tree(root)) == [(None, f"{name}/1"), (None, f"{name}/2")]


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("1.png", ""),
        ("sketches/1.png", ""),
        ("Training photo/1.png", ""),
        ("train/monday/sketches/late/1.png", "monday/late"),
        ("Valerie/1.png", "Valerie"),
        ("sketches and photos/1.png", "and"),
    ],
)
def test_the_inner_folder_is_neither_split_nor_kind(path, inner):
    for root in (Path("photos"), Path("/data/train")):
        assert sources.inner_folder(root / path, root) == inner


@pytest.mark.shared
def test_the_cuhk_student_set_is_found_whole(shared):
    source = sources.tree(shared / "cuhk-student")
    counts = [pair.split for pair in source.pairs]
    assert (counts.count("train"), counts.count("test"), len(counts)) == (88, 100, 188)
    assert source.left_out == {}
    assert len({pair.sketch for pair in source.pairs}) == 188
    assert len({pair.photo for pair in source.pairs}) == 188


def test_folders_are_part_of_a_name_without_the_words_for_their_kind(tmp_path):
    for kind, ann, bob in (("Sketches", 1, 2), ("Photos", 2, 1)):
        for person, number in (("Ann", ann), ("Bob", bob)):
            fill(tmp_path, f"{kind} of {person}/{number}.png")
    source = sources.tree(tmp_path)
    assert not source.pairs  # Ann's sketch 1 is not Bob's photo 1
    assert len(source.left_out) == 4


def test_hidden_folders_are_not_searched(tmp_path):
    fill(tmp_path, "a.png")
    fill(tmp_path, ".thumbs/a.png")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    (tmp_path / ".git" / "link").symlink_to(tmp_path)
    source = sources.side_by_side(tmp_path, direction=Direction.PHOTO_LEFT)
    assert [pair.id for pair in source.pairs] == ["a"]
    assert not source.left_out


def test_two_side_by_side_files_of_one_name_are_a_duplicate(tmp_path):
    fill(tmp_path, "a.png")
    fill(tmp_path, "a.jpg")
    source = sources.side_by_side(tmp_path, direction=Direction.PHOTO_LEFT)
    assert len(source.pairs) == 1
    assert len(source.left_out) == 1
