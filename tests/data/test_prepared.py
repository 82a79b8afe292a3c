import contextlib
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
    fit="stretch",
    align="none",
    licence="CC0",
    notice="be nice",
    citation="nobody",
    command="sketch2img preprocess",
    pairing="exact",
    pairs=PAIRS,
    left_out={"s/carl.png": "unpaired"},
    repeated={"p/bob.jpg": "identical to p/anna.jpg"},
)


@pytest.fixture
def folder(tmp_path):
    """A prepared set of three pairs."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for split, count in DESCRIPTION.counts.items():
        write(folder, f"{split}-sketches", draw(count, 6, 4))
        write(folder, f"{split}-photos", draw(count, 6, 4, 3))
    prepared.write_index(folder, DESCRIPTION)
    return folder


def draw(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def write(folder, stem, pixels):
    with contextlib.closing(ArrayWriter(folder / f"{stem}.npy")) as writer:
        for picture in pixels:
            writer.append(picture)


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
    np.testing.assert_array_equal(split.whole().sketches, draw(2, 6, 4))
    np.testing.assert_array_equal(split.whole().photos, draw(2, 6, 4, 3))


def test_a_splits_arrays_are_mapped_and_cannot_be_changed(folder):
    split = prepared.read(folder).split("train")
    assert isinstance(split.photos[0], np.memmap)
    assert not split.photos[0].flags.writeable


def test_taking_keeps_ids_and_pixels_together(folder):
    split = prepared.read(folder).split("train")
    taken = split.take([1, 0, 1])
    assert taken.ids == ("bob", "anna", "bob")
    np.testing.assert_array_equal(taken.photos, draw(2, 6, 4, 3)[[1, 0, 1]])
    np.testing.assert_array_equal(taken.sketches, draw(2, 6, 4)[[1, 0, 1]])


def test_a_split_that_is_not_there_lists_those_that_are(folder):
    with pytest.raises(DataError, match="'val'") as caught:
        prepared.read(folder).split("val")
    assert "only: train, test" in caught.value.message
    assert "--split train" in caught.value.hint
    assert "--val 0.2 --overwrite" in caught.value.hint


def index_without(key):
    index = {
        "schema": 2,
        "fit": "",
        "align": "",
        "size": [6, 4],
        "name": "",
        "licence": "",
        "notice": "",
        "citation": "",
        "command": "",
    }
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
        b"[" * 100_000,
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
    with pytest.raises(DataError, match="faces is not a prepared dataset") as caught:
        prepared.read(folder)
    assert not prepared.is_prepared(folder)
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
    with pytest.raises(DataError, match=name.removesuffix(".npy")):
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


def test_a_hash_depends_on_the_pixels_and_on_which_picture_they_are_of():
    sketch, photo = draw(4, 4), draw(4, 4, 3)
    assert prepared.picture_hash(sketch.copy()) == prepared.picture_hash(sketch)
    assert prepared.picture_hash(255 - sketch) != prepared.picture_hash(sketch)
    assert prepared.picture_hash(photo) != prepared.picture_hash(photo.reshape(4, 12))
    assert prepared.pair_hash("a", "b") != prepared.pair_hash("b", "a")
