import json

import pytest

from sketchcli import images
from sketchcli.assets import sketch_datasets
from sketchcli.data import sources
from sketchcli.errors import DataError


@pytest.fixture
def folder(tmp_path, noise):
    """Three styles of two pairs each, as the archive has them; the second of each is a test."""
    root = tmp_path / "fs2k"
    for style in "123":
        for number in ("0001", "0002"):
            images.write(root / f"photo/photo{style}/image{number}.jpg", noise(1)[0])
            images.write(root / f"sketch/sketch{style}/sketch{number}.png", noise(1)[0])
    for file, number in (("anno_train.json", "0001"), ("anno_test.json", "0002")):
        people = [{"image_name": f"photo{style}/image{number}", "hair": 0} for style in "123"]
        (root / file).write_text(json.dumps(people))
    return root


def test_pairs_share_a_name_and_their_split_is_a_folder(folder):
    sketch_datasets.arrange_fs2k(folder)
    pairs = {(p.id, p.split, p.photo.name, p.sketch.name) for p in sources.tree(folder).pairs}
    assert pairs == {
        (f"{style}-{number}", split, f"{style}-{number}.jpg", f"{style}-{number}.png")
        for style in "123"
        for number, split in (("0001", "train"), ("0002", "test"))
    }
    assert not list(folder.rglob("*.json"))


def test_without_the_lists_every_picture_keeps_its_place(folder):
    for file in folder.glob("*.json"):
        file.unlink()
    before = sorted(folder.rglob("*"))
    sketch_datasets.arrange_fs2k(folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("content", ["{", '{"a": 1}', '[{"name": "x"}]', "3"])
def test_a_damaged_list_is_named(folder, content):
    (folder / "anno_test.json").write_text(content)
    with pytest.raises(DataError, match=r"anno_test\.json"):
        sketch_datasets.arrange_fs2k(folder)
