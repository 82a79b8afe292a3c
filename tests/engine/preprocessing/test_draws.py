"""Several sketches of one photo, loose cuts, studio backdrops."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import network_file
from PIL import Image

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.config import Direction
from sketchcli.data import prepared
from sketchcli.engine.preprocessing.pair_builder import Job, PairBuilder, PairOptions

YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
STYLES = ("--style", "pencil", "--style", "sobel", "--style", "sobel")


@pytest.fixture
def portraits(tmp_path):
    """Six drawn portraits of 96 pixels."""
    folder = tmp_path / "portraits"
    for index in range(6):
        images.write(folder / f"face-{index}.png", draw_pair(index, size=96)[1])
    return folder


@pytest.fixture
def prepare(sketch2img, portraits, tmp_path):
    """Draw the portraits' sketches at 48 pixels, by the command."""

    def run(*more, test="0"):
        out = tmp_path / "set"
        shutil.rmtree(out, ignore_errors=True)
        arguments = ("preprocess", "--photos", portraits, "--size", "48", "--test", test)
        done = sketch2img(*arguments, "--workers", "1", "--out", out, *more)
        assert done.code == 0, done.stderr
        return prepared.read(out)

    return run


@pytest.fixture
def detector(home):
    """The face detector, where `fetch-data yunet` puts it."""
    file = network_file(YUNET)
    target = home / "assets" / "yunet" / file.name
    target.parent.mkdir(parents=True)
    shutil.copy(file, target)


def test_each_photo_is_drawn_several_times(prepare):
    dataset = prepare(*STYLES, "--draws", "3")
    split = dataset.split("train")
    assert len(split) == 18
    assert set(split.ids) == {f"face-{i}{more}" for i in range(6) for more in ("", "#2", "#3")}
    rows = [split.ids.index(name) for name in ("face-4", "face-4#2", "face-4#3")]
    sketches, photos = split.sketches[rows], split.photos[rows]
    assert (photos == photos[0]).all()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(sketches[one].astype(int) - sketches[other]).mean() > 1


def test_styles_take_turns_and_one_named_twice_comes_twice_as_often(prepare):
    pairs = prepare(*STYLES, "--draws", "3").description.pairs
    for photo in {pair.photo for pair in pairs}:
        styles = sorted(pair.style for pair in pairs if pair.photo == photo)
        assert styles == ["pencil", "sobel", "sobel"]


def test_the_first_sketch_is_the_one_that_is_drawn_alone(prepare):
    alone = prepare("--style", "pencil").split("train")
    several = prepare("--style", "pencil", "--draws", "2").split("train")
    for row, name in enumerate(alone.ids):
        assert np.array_equal(alone.sketches[row], several.sketches[several.ids.index(name)])


def test_all_sketches_of_a_photo_are_in_one_split(prepare):
    dataset = prepare("--style", "pencil", "--draws", "4", test="0.5")
    homes = {}
    for pair in dataset.description.pairs:
        homes.setdefault(pair.photo, set()).add(pair.split)
    assert len(homes) == 6
    assert all(len(splits) == 1 for splits in homes.values())
    assert set().union(*homes.values()) == {"train", "test"}


def test_a_photo_s_own_sketches_are_no_duplicates_but_another_file_s_are(prepare, portraits):
    shutil.copy(portraits / "face-0.png", portraits / "face-9.png")
    dataset = prepare("--style", "pencil", "--draws", "3")
    assert dataset.description.findings == {}
    assert [name.rpartition("/")[2] for name in dataset.description.left_out] == ["face-9.png"]
    assert len(dataset.split("train")) == 18


@pytest.mark.usefixtures("detector")
def test_loose_cuts_differ_from_draw_to_draw_and_move_sketch_and_photo_together(prepare):
    dataset = prepare("--style", "pencil", "--draws", "4", "--align", "loose")
    assert dataset.description.align == "loose"
    assert dataset.description.unaligned == {}
    split = dataset.split("train")
    own = [row for row, name in enumerate(split.ids) if name.startswith("face-1")]
    photos = split.photos[own]
    assert len(np.unique(photos.reshape(len(own), -1), axis=0)) == 4
    for row in own:
        edges = np.hypot(*np.gradient(images.luma(split.photos[row]).astype(float)))
        darkness = 255 - split.sketches[row].astype(float)
        here, aside = (
            np.corrcoef(darkness.ravel(), np.roll(edges, shift, axis=1).ravel())[0, 1]
            for shift in (0, 6)
        )
        assert here > aside + 0.1


def test_of_several_frames_the_first_is_taken_and_it_is_said_once(prepare, portraits):
    frames = [Image.open(portraits / f"face-{index}.png") for index in (0, 1)]
    frames[0].rotate(180).save(portraits / "two.gif", save_all=True, append_images=frames[1:])
    dataset = prepare("--style", "pencil", "--draws", "2")
    ((file, why),) = dataset.description.unaligned.items()
    assert file.endswith("two.gif")
    assert why == "has several frames or pages: only the first is used"


def test_a_remark_on_a_side_by_side_image_is_made_once(tmp_path):
    images.write(tmp_path / "both.png", np.full((60, 80, 3), 200, np.uint8))
    builder = PairBuilder(PairOptions((32, 32)))
    builder.finder = SimpleNamespace(find=lambda _: None)
    both = tmp_path / "both.png"
    made = builder.make(Job("both", "train", both, both, Direction.PHOTO_LEFT))
    assert made.unaligned == {str(both): "no face detected: the centre crop is used"}


@pytest.mark.usefixtures("detector")
def test_where_no_face_is_found_the_centre_is_taken_and_said(prepare, portraits):
    stripes = np.zeros((90, 60, 3), np.uint8)
    stripes[::9] = 200
    images.write(portraits / "stripes.png", stripes)
    dataset = prepare("--style", "pencil", "--align", "face")
    (file,) = dataset.description.unaligned
    assert file.endswith("stripes.png")
    assert "the centre crop is used" in dataset.description.unaligned[file]
    assert "stripes" in " ".join(pair.id for pair in dataset.description.pairs)


@pytest.mark.usefixtures("detector")
def test_a_studio_backdrop_replaces_the_background_and_not_the_face(prepare):
    plain = prepare("--style", "pencil", "--align", "face").split("train").whole()
    studio = prepare("--style", "pencil", "--align", "face", "--backdrop", "studio").split("train")
    for before, after in zip(plain.photos, studio.whole().photos, strict=True):
        changed = np.abs(before.astype(int) - after).mean(axis=2)
        assert changed[20:32, 18:30].mean() < 3
        assert changed[:6, :6].mean() > 3
        assert after[:6, :6].std(axis=(0, 1)).max() < 6


@pytest.mark.usefixtures("detector")
def test_even_light_brightens_a_dim_face_before_it_is_drawn(prepare):
    plain = prepare("--style", "pencil", "--align", "face").split("train").whole()
    even = prepare("--style", "pencil", "--align", "face", "--light", "even").split("train").whole()
    cheek = np.s_[:, 20:26, 10:13]
    assert np.abs(plain.photos[cheek].astype(int) - even.photos[cheek]).mean() > 3
    assert not np.array_equal(plain.sketches, even.sketches)


def test_a_photo_is_read_once_for_all_its_sketches(portraits, monkeypatch):
    read, count = images.read, []
    monkeypatch.setattr(images, "read", lambda path, **way: count.append(path) or read(path, **way))
    builder = PairBuilder(PairOptions(size=(48, 48)))
    first = Job("face-0", "train", None, portraits / "face-0.png", style="pencil")
    for draw in range(3):
        builder.make(replace(first, draw=draw))
    assert len(count) == 1


@pytest.mark.usefixtures("detector")
@pytest.mark.parametrize("align", ["face", "loose"])
def test_a_free_likeness_changes_the_sketch_and_not_the_photo(prepare, align):
    words = ("--style", "pencil", "--align", align)
    true = prepare(*words).split("train").whole()
    free = prepare(*words, "--likeness", "free").split("train").whole()
    assert np.array_equal(true.photos, free.photos)
    changed = [not np.array_equal(*both) for both in zip(true.sketches, free.sketches, strict=True)]
    assert np.mean(changed) > 0.8


@pytest.mark.usefixtures("detector")
def test_without_a_face_a_free_likeness_is_a_true_one(prepare, portraits):
    for file in portraits.iterdir():
        file.unlink()
    stripes = np.zeros((90, 60, 3), np.uint8)
    stripes[::9] = 200
    for number in range(3):
        images.write(portraits / f"stripes-{number}.png", np.roll(stripes, number, axis=0))
    words = ("--style", "pencil", "--align", "face", "--test", "0")
    true, free = (prepare(*words, "--likeness", likeness) for likeness in ("true", "free"))
    sketches = [dataset.split("train").whole().sketches for dataset in (true, free)]
    assert np.array_equal(*sketches)


@pytest.mark.parametrize(
    "option", [("--backdrop", "studio"), ("--light", "even"), ("--likeness", "free")]
)
def test_what_needs_a_face_to_go_by_is_a_usage_error_without(sketch2img, portraits, option):
    done = sketch2img("preprocess", "--photos", portraits, *option)
    assert done.code == 2
    assert " ".join(option) in done.stderr
    assert "--align face" in done.stderr
