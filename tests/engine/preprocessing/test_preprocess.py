import dataclasses
import functools
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_folders

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.config import Direction, Fit
from sketchcli.data import prepared, sources
from sketchcli.data.splits import SplitBy, SplitRule
from sketchcli.engine.events import SILENT, Note
from sketchcli.engine.lookup import Inputs, find_prepared, find_source, official_splits
from sketchcli.engine.preprocessing import preprocess as preprocessing
from sketchcli.engine.preprocessing.pair_builder import PairOptions
from sketchcli.engine.preprocessing.preprocess import PreprocessConfig
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError


def draw_photos(folder, count):
    for index in range(count):
        images.write(folder / f"{index}.png", draw_pair(index, size=32)[1])
    return folder


@functools.cache
def drawn(index):
    return draw_pair(index, size=48)


def draw_pairs(root, others):
    """Folders of sketches and photos, each photo with the sketch of another face or its own."""
    for index, other in enumerate(others):
        images.write(root / "s" / f"{index}.png", drawn(other)[0])
        images.write(root / "p" / f"{index}.png", drawn(index)[1])
    return "--sketches", root / "s", "--photos", root / "p", "--size", "48"


@pytest.fixture
def prepare(tmp_path):
    """Prepare a source at 32 pixels."""

    def run(source, *, reporter=SILENT, options=None, **division):
        config = PreprocessConfig(
            options or PairOptions((32, 32)), SplitRule(**{"test": 0.0} | division)
        )
        target = tmp_path / "prepared"
        return preprocessing.preprocess(
            source, Provenance("drawn", "MIT", "us"), config, target=target, reporter=reporter
        )

    return run


def test_arrays_hold_the_resized_pictures_of_each_pair(folders, prepare):
    result = prepare(sources.tree(folders))
    dataset = find_prepared(result.folder)
    split = dataset.split("train")
    assert isinstance(split.photos[0], np.memmap)
    for pair, sketch, photo in zip(
        dataset.description.pairs, split.sketches, split.photos, strict=True
    ):
        assert np.array_equal(sketch, images.luma(images.read(folders / f"sketches/{pair.id}.png")))
        assert np.array_equal(photo, images.read_rgb(folders / f"photos/{pair.id}.png"))


def test_splits_of_the_source_are_kept(tmp_path, prepare):
    root = tmp_path / "named"
    draw_folders(root, count=6)
    for kind in ("sketches", "photos"):
        for split, indices in {"Training": range(4), "testing": range(4, 6)}.items():
            (root / split / kind).mkdir(parents=True)
            for index in indices:
                name = f"face-{index}.png"
                (root / kind / name).rename(root / split / kind / name)
    assert prepare(sources.tree(root), test=0.9).counts == {"train": 4, "test": 2}


def test_a_pair_that_is_in_training_and_test_stays_in_test(tmp_path, prepare):
    root = tmp_path / "named"
    draw_folders(root / "train", count=4)
    draw_folders(root / "test", count=1)
    result = prepare(sources.tree(root))
    assert result.counts == {"train": 3, "test": 1}
    assert [reason.split(":")[0] for reason in result.left_out.values()] == 2 * ["duplicate"]


def test_unpaired_unreadable_and_duplicate_files_are_listed(folders, prepare):
    (folders / "sketches" / "face-0.png").unlink()
    (folders / "photos" / "face-1.png").write_bytes(b"no picture")
    for kind in ("sketches", "photos"):
        shutil.copy(folders / kind / "face-2.png", folders / kind / "face-9.png")
    notes = []
    result = prepare(sources.tree(folders), reporter=notes.append)
    reasons = {path.rpartition("/")[2]: why.split(":")[0] for path, why in result.left_out.items()}
    assert reasons == {
        "face-0.png": "unpaired",
        "face-1.png": "unreadable pair",
        "face-9.png": "duplicate",
    }
    assert result.counts == {"train": 6}
    assert len([n for n in notes if isinstance(n, Note) and n.is_warning]) == len(result.left_out)
    assert find_prepared(result.folder).description.left_out == result.left_out


@pytest.mark.parametrize("direction", Direction)
def test_side_by_side_pictures_are_cut_in_the_middle(tmp_path, folders, prepare, direction):
    sketch = images.to_rgb(images.luma(images.read(folders / "sketches/face-3.png")))
    photo = images.read_rgb(folders / "photos/face-3.png")
    halves = [photo, sketch] if direction is Direction.PHOTO_LEFT else [sketch, photo]
    images.write(tmp_path / "both" / "val" / "x.png", np.hstack(halves))
    images.write(tmp_path / "both" / "train" / "y.png", np.hstack(halves)[::-1].copy())
    result = prepare(sources.side_by_side(tmp_path / "both", direction=direction))
    split = find_prepared(result.folder).split("val")
    assert np.array_equal(split.sketches[0], sketch[:, :, 0])
    assert np.array_equal(split.photos[0], photo)


def test_the_same_command_gives_the_same_bytes(folders, prepare):
    first = prepare(sources.tree(folders), test=0.3)
    before = {p.name: p.read_bytes() for p in first.folder.glob("*.npy")}
    shutil.rmtree(first.folder)
    again = prepare(sources.tree(folders), test=0.3)
    assert {p.name: p.read_bytes() for p in again.folder.glob("*.npy")} == before
    assert len(before) == 4


def test_nothing_is_left_where_no_pair_can_be_used(tmp_path, folders, prepare):
    for file in (folders / "photos").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="and 15 more"):
        prepare(sources.tree(folders))
    assert not (tmp_path / "prepared").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_photo_in_training_and_test_is_not_trained_on(tmp_path, prepare):
    root = tmp_path / "named"
    draw_folders(root / "train", count=4)
    draw_folders(root / "test", count=1)
    sketch = images.luma(images.read(root / "test/sketches/face-0.png"))
    images.write(root / "test/sketches/face-0.png", 255 - sketch)  # another sketch, the same photo
    result = prepare(sources.tree(root))
    assert result.counts == {"train": 3, "test": 1}
    assert list(result.left_out) == [
        str(root / f"train/{k}/face-0.png") for k in ("sketches", "photos")
    ]


def test_two_sketches_of_one_photo_are_two_pairs_and_are_mentioned(folders, prepare):
    photo = folders / "photos" / "face-0.png"
    shutil.copy(photo, folders / "photos" / "face-9.png")
    images.write(
        folders / "sketches/face-9.png",
        255 - images.luma(images.read(folders / "sketches/face-0.png")),
    )
    result = prepare(sources.tree(folders))
    assert result.counts == {"train": 9}
    assert list(result.repeated) == [str(folders / "photos" / "face-9.png")]


def test_adding_a_pair_that_changes_the_rule_moves_no_other(tmp_path, prepare):
    draw_folders(tmp_path / "drawn", count=10)
    prepare(sources.tree(tmp_path / "drawn"), test=0.5)
    before = find_prepared(tmp_path / "prepared").description.pairs
    shutil.rmtree(tmp_path / "prepared")
    blank = np.zeros((32, 32), np.uint8)
    images.write(tmp_path / "drawn/sketches/Zoe_sketch.png", blank)
    images.write(tmp_path / "drawn/photos/Zoe_photo.png", blank)
    assert prepare(sources.tree(tmp_path / "drawn"), test=0.5).pairing == "words"
    after = {p.id: p.split for p in find_prepared(tmp_path / "prepared").description.pairs}
    assert {p.id: p.split for p in before}.items() <= after.items()


def test_a_folder_that_is_no_prepared_set_is_never_replaced(tmp_path, folders):
    with pytest.raises(DataError, match="was not made by this command"):
        preprocessing.preprocess(
            sources.tree(folders),
            Provenance("x"),
            PreprocessConfig(PairOptions((32, 32))),
            target=folders,
            overwrite=True,
        )
    assert len(list(folders.rglob("*.png"))) == 16


def test_a_split_that_came_out_empty_is_mentioned(folders, prepare):
    notes = []
    found = sources.tree(folders)
    few = dataclasses.replace(found, pairs=found.pairs[:2])
    prepare(few, test=0.0001, reporter=notes.append)
    assert any("'test'" in n.message for n in notes if isinstance(n, Note))


def test_where_the_official_lists_divide_no_other_shares_are_advised(tmp_path, prepare):
    trained = [name for name, split in official_splits().items() if split == "train"]
    for index, name in enumerate(trained[:3]):
        images.write(tmp_path / "p" / f"{name}.png", draw_pair(index, size=32)[1])
    notes, division = [], {"by": SplitBy.CUHK, "test": 0.1}
    result = prepare(sources.photographs(tmp_path / "p"), reporter=notes.append, **division)
    assert result.counts == {"train": 3}
    assert not [note for note in notes if isinstance(note, Note)]


def test_a_photo_that_has_changed_is_drawn_anew_in_the_same_process(tmp_path, prepare):
    for index in range(2):
        photo = draw_pair(index, size=32)[1]
        images.write(tmp_path / "p" / "face.png", photo)
        result = prepare(sources.photographs(tmp_path / "p"))
        assert np.array_equal(prepared.read(result.folder).split("train").photos[0], photo)
        shutil.rmtree(result.folder)


def test_a_dot_is_the_working_directory_not_home(folders, home, monkeypatch):
    (home / "raw").mkdir(parents=True)
    monkeypatch.chdir(folders)
    source, origin = find_source(Inputs(Path()))
    assert len(source.pairs) == 8
    assert origin.name == folders.name


def test_a_dead_link_is_listed(folders, prepare):
    (folders / "sketches" / "gone.png").symlink_to(folders / "nowhere.png")
    left_out = prepare(sources.tree(folders)).left_out
    assert left_out == {
        str(folders / "sketches" / "gone.png"): "a broken link, or a link to a folder"
    }


def test_an_older_set_of_that_name_stays(folders, prepare):
    first = prepare(sources.tree(folders))
    before = (first.folder / "dataset.json").read_text()
    with pytest.raises(DataError, match="exists"):
        prepare(sources.tree(folders), test=0.5)
    assert (first.folder / "dataset.json").read_text() == before


def test_the_newest_set_is_found(folders, home):
    config = PreprocessConfig(PairOptions((16, 16)), SplitRule(test=0.0))
    for name in ("first", "second"):
        preprocessing.preprocess(
            sources.tree(folders), Provenance(name), config, target=home / "prepared" / name
        )
    assert find_prepared(None).description.name == "second"
    assert find_prepared(home / "prepared" / "first").description.name == "first"
    with pytest.raises(DataError) as caught:
        find_prepared(home / "third")
    assert caught.value.hint == "choose from: first, second"


def test_one_drawn_line_does_not_silence_the_audit(tmp_path, prepare):
    """Forty drawn faces with the sketches of others, and one photo without a sketch."""
    draw_pairs(tmp_path, [*range(1, 40), 0])
    images.write(tmp_path / "p" / "alone.png", draw_pair(99, size=48)[1])
    lines = ["sketch,photo", *(f"s/{i}.png,p/{i}.png" for i in range(40)), ",p/alone.png"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    result = prepare(sources.read(tmp_path / "pairs.csv"), options=PairOptions((48, 48)))
    assert result.counts == {"train": 41}
    assert result.findings["wrong-pair"] > 20
    assert "mispaired-set" in result.findings


def test_sketches_of_side_by_side_pictures_are_drawn_from_the_photos_half(sketch2img, tmp_path):
    for index in range(4):
        sketch, photo = draw_pair(index, size=48)
        images.write(tmp_path / "both" / f"{index}.png", np.hstack([photo, images.to_rgb(sketch)]))
    out = tmp_path / "set"
    arguments = ("--paired", tmp_path / "both", "--style", "canny", "--size", "48", "--test", "0")
    assert sketch2img("preprocess", *arguments, "--out", out).code == 0
    split = prepared.read(out).split("train")
    for name, photo in zip(split.ids, split.photos, strict=True):
        assert np.array_equal(photo, draw_pair(int(name), size=48)[1])


def test_groups_that_the_source_tears_apart_are_reported(tmp_path, sketch2img):
    for index, name in enumerate(("train/ann-1", "train/bob-1", "test/ann-2", "test/cat-1")):
        images.write(tmp_path / "set" / f"{name}.png", draw_pair(index, size=32)[1])
    arguments = ("--photos", tmp_path / "set", "--size", "32", "--style", "canny")
    group = ("--group-by", "(\\w+)-", "--json")
    data = sketch2img("preprocess", *arguments, *group, "--name", "a").json["data"]
    assert data["findings"] == {"torn-group": 1}
    again = ("--splits", "shares", "--test", "0.5", "--name", "b")
    assert sketch2img("preprocess", *arguments, *group, *again).json["data"]["findings"] == {}


def test_a_folder_with_an_unusual_name_needs_no_other_where_out_says_it(tmp_path, sketch2img):
    folder = draw_photos(tmp_path / "my photos [1]", 3)
    arguments = ("preprocess", "--photos", folder, "--size", "32", "--style", "sobel")
    assert sketch2img(*arguments, "--out", tmp_path / "set").code == 0
    refused = sketch2img(*arguments)
    assert refused.code == 2
    assert "--name" in refused.stderr


def test_a_name_written_with_its_accents_apart_is_drawn_alike(tmp_path, prepare):
    photo = draw_pair(0, size=32)[1]
    drawn = []
    for form in ("NFC", "NFD"):
        folder = tmp_path / form
        images.write(folder / f"{unicodedata.normalize(form, 'José')}.png", photo)
        result = prepare(sources.photographs(folder))
        drawn.append(prepared.read(result.folder).split("train").sketches[0].copy())
        shutil.rmtree(result.folder)
    assert np.array_equal(*drawn)


def test_a_padded_photo_has_no_frame_in_its_drawn_sketch(tmp_path, prepare):
    images.write(tmp_path / "p" / "dark.png", np.full((32, 64, 3), 40, np.uint8))
    for fit in (Fit.PAD, Fit.CROP, Fit.STRETCH):
        result = prepare(sources.photographs(tmp_path / "p"), options=PairOptions((64, 64), fit))
        assert prepared.read(result.folder).split("train").sketches[0].min() > 150, fit
        shutil.rmtree(result.folder)


def test_a_name_that_is_not_utf_8_is_a_name(tmp_path, prepare):
    folder = tmp_path / "p"
    images.write(folder / "whole.png", draw_pair(0, size=32)[1])
    (folder / "whole.png").rename(folder / os.fsdecode(b"lat\xe9n.png"))
    result = prepare(sources.photographs(folder), test=0.5)
    pairs = prepared.read(result.folder).description.pairs
    assert [os.fsencode(pair.id) for pair in pairs] == [b"lat\xe9n"]
    assert "lat" in result.audit.read_text(encoding="utf-8")  # and it is UTF-8


def test_a_spoiled_set_is_no_quiet_success(tmp_path, sketch2img):
    arguments = draw_pairs(tmp_path, [*range(1, 30), 0])
    outcome = sketch2img("preprocess", *arguments, "--name", "wrong")
    assert outcome.code == 0
    assert "warning: " in outcome.stderr
    assert "before you train" in outcome.stderr
    assert "sketch2img train" not in outcome.stdout


def test_a_few_wrong_pairs_are_to_be_looked_at_before_training(tmp_path, sketch2img):
    arguments = draw_pairs(tmp_path, [1, 0, *range(2, 40)])
    outcome = sketch2img("preprocess", *arguments, "--name", "nearly")
    assert outcome.code == 0
    assert "2 wrong-pair" in outcome.stdout
    assert "next: review the audit, then run: sketch2img train nearly" in outcome.stdout


def test_a_prepared_set_inside_the_folder_is_no_source(tmp_path, sketch2img):
    draw_photos(tmp_path / "p", 4)
    arguments = ("preprocess", "--photos", tmp_path / "p", "--size", "32", "--style", "canny")
    assert sketch2img(*arguments, "--out", tmp_path / "p" / "set").code == 0
    again = sketch2img(*arguments, "--name", "again", "--json").json["data"]
    assert sum(again["counts"].values()) == 4
    assert again["left_out"] == {}


def test_groups_are_counted_and_a_pattern_that_finds_nothing_is_a_warning(folders, sketch2img):
    arguments = ("preprocess", folders, "--size", "32", "--group-by")
    assert "--group-by found 8 groups in 8 of 8" in sketch2img(*arguments, "\\d+").stderr
    outcome = sketch2img(*arguments, "zzz", "--name", "other")
    assert "warning: --group-by found 0 groups in 0 of 8 names" in outcome.stderr


def test_a_set_that_is_not_side_by_side_is_not_cut(sketch2img):
    assert sketch2img("fetch-data", "demo", "--count", "3", "--size", "32").code == 0
    outcome = sketch2img("preprocess", "demo", "--direction", "photo-left")
    assert outcome.code == 2
    assert "only to side-by-side" in outcome.stderr


def test_a_file_name_cannot_forge_a_line(folders, sketch2img):
    (folders / "photos" / "a\nwarning: forged.jpg").write_bytes(b"no picture")
    errors = sketch2img("preprocess", folders, "--size", "32").stderr
    assert "warning: forged" not in errors.splitlines()
    assert "a\\nwarning: forged.jpg" in errors
