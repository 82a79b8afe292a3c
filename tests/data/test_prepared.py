import dataclasses
import json

import numpy as np
import pytest

from sketchcli.data import prepared
from sketchcli.data.prepared import ArrayWriter, Description, Pair
from sketchcli.errors import DataError

PAIRS = (
    Pair("anna", "train", "aa", "s/anna.png", "p/anna.jpg"),
    Pair("zoë", "test", "bb", "s/zoë.png", "p/zoë.jpg"),
    Pair("bob", "train", "cc", "s/bob.png", "p/bob.jpg"),
)
DESCRIPTION = Description(
    name="faces",
    size=(6, 4),
    licence="CC0",
    citation="nobody",
    command="sketch2img preprocess",
    pairing="exact",
    pairs=PAIRS,
    left_out={"s/carl.png": "unpaired"},
    repeated={"p/bob.jpg": "the same picture as p/anna.jpg"},
)


@pytest.fixture
def folder(tmp_path):
    """A prepared set of three pairs."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for split, count in DESCRIPTION.counts.items():
        write(folder / f"{split}-sketches.npy", draw(count, 6, 4))
        write(folder / f"{split}-photos.npy", draw(count, 6, 4, 3))
    prepared.write_index(folder, DESCRIPTION)
    return folder


def draw(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def write(path, pixels):
    with ArrayWriter(path) as writer:
        for picture in pixels:
            writer.append(picture)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 8, 8), (3, 46, 50, 3), (1200, 3, 2), (2, 1024, 1, 3), (1, 10_000, 3)]
)
@pytest.mark.parametrize("mode", [None, "r"])
def test_what_is_appended_is_what_numpy_loads(tmp_path, shape, mode):
    pixels = draw(*shape)
    write(tmp_path / "a.npy", pixels)
    loaded = np.load(tmp_path / "a.npy", mmap_mode=mode, allow_pickle=False)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, pixels)


def test_a_picture_that_is_a_view_is_written_as_it_looks(tmp_path):
    turned = draw(3, 4, 5).transpose(0, 2, 1)
    for number, view in enumerate((turned, turned[:, ::-1])):
        write(tmp_path / f"{number}.npy", view)
        np.testing.assert_array_equal(np.load(tmp_path / f"{number}.npy"), view)


def test_a_description_comes_back_from_json(folder):
    found = prepared.read(folder)
    assert found.description == DESCRIPTION
    assert found.folder == folder


def test_the_index_says_what_people_ask_first(folder):
    index = json.loads((folder / prepared.INDEX).read_text(encoding="utf-8"))
    assert index["counts"] == {"train": 2, "test": 1}
    assert index["fingerprint"] == DESCRIPTION.fingerprint


def test_a_split_has_its_pairs_in_the_indexs_order(folder):
    split = prepared.read(folder).split("train")
    assert split.ids == ("anna", "bob")
    assert len(split) == 2
    np.testing.assert_array_equal(split.sketches, draw(2, 6, 4))
    np.testing.assert_array_equal(split.photos, draw(2, 6, 4, 3))


def test_a_splits_arrays_are_mapped_and_cannot_be_changed(folder):
    split = prepared.read(folder).split("train")
    assert isinstance(split.photos, np.memmap)
    assert not split.photos.flags.writeable


def test_taking_keeps_ids_and_pixels_together(folder):
    split = prepared.read(folder).split("train")
    taken = split.take([1, 0, 1])
    assert taken.ids == ("bob", "anna", "bob")
    np.testing.assert_array_equal(taken.photos, draw(2, 6, 4, 3)[[1, 0, 1]])
    np.testing.assert_array_equal(taken.sketches, draw(2, 6, 4)[[1, 0, 1]])


def test_a_split_that_is_not_there_lists_those_that_are(folder):
    with pytest.raises(DataError, match="'val'") as caught:
        prepared.read(folder).split("val")
    assert caught.value.hint == "it has: train, test"


def index_without(key):
    index = {"schema": 1, "size": [6, 4], "name": "", "licence": "", "citation": "", "command": ""}
    index |= {"pairing": "", "pairs": [], "left_out": {}, "repeated": {}}
    return json.dumps({name: value for name, value in index.items() if name != key}).encode()


def test_an_index_with_every_key_is_read(folder):
    (folder / prepared.INDEX).write_bytes(index_without(""))
    assert prepared.read(folder).description.size == (6, 4)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        index_without("schema"),
        index_without("pairs"),
        index_without("size"),
        index_without("").replace(b'"pairs": []', b'"pairs": [{"id": "anna"}]'),
        index_without("").replace(b"[6, 4]", b"6"),
    ],
)
def test_a_missing_or_damaged_index_is_an_error_that_names_the_folder(folder, content):
    (folder / prepared.INDEX).unlink()
    if content is not None:
        (folder / prepared.INDEX).write_bytes(content)
    with pytest.raises(DataError, match="faces: not a prepared set") as caught:
        prepared.read(folder)
    assert "sketch2img preprocess" in caught.value.hint


def test_a_set_of_another_version_is_refused(folder):
    prepared.write_index(folder, dataclasses.replace(DESCRIPTION, schema=99))
    with pytest.raises(DataError, match="schema 99"):
        prepared.read(folder)


def remove(path):
    path.unlink()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def pickle_into(path):
    np.save(path, np.array([{"any": "object"}]), allow_pickle=True)


def lose_a_picture(path):
    np.save(path, np.load(path)[1:])


def turn_into_floats(path):
    np.save(path, np.load(path) / 255)


@pytest.mark.parametrize("damage", [remove, cut_off, pickle_into, lose_a_picture, turn_into_floats])
@pytest.mark.parametrize("name", ["train-sketches.npy", "train-photos.npy"])
def test_a_missing_or_damaged_array_is_an_error_that_names_it(folder, damage, name):
    damage(folder / name)
    with pytest.raises(DataError, match=name):
        prepared.read(folder).split("train")


def with_pairs(*pairs):
    return dataclasses.replace(DESCRIPTION, pairs=pairs).fingerprint


def test_the_fingerprint_knows_names_pixels_and_splits_and_nothing_else():
    moved = [dataclasses.replace(p, sketch="s", photo="p") for p in PAIRS]
    elsewhere = dataclasses.replace(
        DESCRIPTION, name="other", command="other", left_out={}, repeated={}
    )
    assert with_pairs(*reversed(PAIRS)) == DESCRIPTION.fingerprint
    assert with_pairs(*moved) == DESCRIPTION.fingerprint
    assert elsewhere.fingerprint == DESCRIPTION.fingerprint
    assert with_pairs(*PAIRS[:2]) != DESCRIPTION.fingerprint
    for change in ({"id": "Anna"}, {"split": "val"}, {"sha256": "dd"}):
        changed = dataclasses.replace(PAIRS[0], **change)
        assert with_pairs(changed, *PAIRS[1:]) != DESCRIPTION.fingerprint


def test_a_pairs_hash_depends_on_sketch_and_photo():
    sketch, photo = draw(4, 4), draw(4, 4, 3)
    expected = prepared.content_hash(sketch, photo)
    assert prepared.content_hash(sketch.copy(), photo.copy()) == expected
    assert prepared.content_hash(255 - sketch, photo) != expected
    assert prepared.content_hash(sketch, 255 - photo) != expected


def test_a_writer_takes_one_shape_and_uint8_only(tmp_path):
    with ArrayWriter(tmp_path / "a.npy") as writer:
        writer.append(np.zeros((5, 4), np.uint8))
        with pytest.raises(DataError):
            writer.append(np.zeros((4, 5), np.uint8))
        with pytest.raises(DataError):
            writer.append(np.zeros((5, 4), np.float32))
    assert np.load(tmp_path / "a.npy").shape == (1, 5, 4)
