import json

import pytest

from sketchcli import images
from sketchcli.engine import runs
from sketchcli.engine.fetching.fetch import FetchConfig, fetch
from sketchcli.engine.fetching.inventory import list_assets
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, UsageError


def test_the_demo_set_is_drawn_with_its_licence(home):
    result = fetch(FetchConfig("demo", count=3, size=32))
    assert result.folder == home / "raw" / "demo"
    assert sorted(p.name for p in (result.folder / "sketches").iterdir()) == [
        "00000.png",
        "00001.png",
        "00002.png",
    ]
    assert images.read_rgb(result.folder / "photos" / "00000.png").shape == (32, 32, 3)
    assert "MIT" in json.loads((result.folder / "source.json").read_text())["licence"]


def test_another_seed_draws_other_faces():
    first = fetch(FetchConfig("demo", name="a", count=1, size=32)).folder
    second = fetch(FetchConfig("demo", name="b", count=1, size=32, seed=1)).folder
    name = "photos/00000.png"
    assert (first / name).read_bytes() != (second / name).read_bytes()


def test_what_is_not_said_of_drawn_pairs_has_a_default(monkeypatch):
    monkeypatch.setattr("sketchcli.engine.fetching.fetch.PAIRS", 2)
    drawn = fetch(FetchConfig("demo"))
    said = fetch(FetchConfig("demo", name="said", count=2, size=128, seed=0))
    assert drawn.pictures == 4
    for name in ("photos/00001.png", "sketches/00001.png"):
        assert (drawn.folder / name).read_bytes() == (said.folder / name).read_bytes()


def test_a_folder_is_copied_with_its_tree(folders):
    result = fetch(FetchConfig("folder", name="mine", source=str(folders)))
    copied = sorted(p.relative_to(result.folder) for p in result.folder.rglob("*.png"))
    assert copied == sorted(p.relative_to(folders) for p in folders.rglob("*.png"))


def test_a_folder_without_from_says_what_is_missing():
    with pytest.raises(UsageError) as caught:
        fetch(FetchConfig("folder"))
    assert "--from" in caught.value.hint


@pytest.mark.parametrize("name", ["", "demo"])
def test_a_copied_folder_has_a_name_of_its_own(folders, name):
    with pytest.raises(UsageError) as caught:
        fetch(FetchConfig("folder", name=name, source=str(folders)))
    assert "--name" in caught.value.hint


def test_a_foreign_folder_is_never_replaced(home):
    other = home / "raw" / "demo"
    other.mkdir(parents=True)
    (other / "source.json").write_text('{"name": "mine"}')
    with pytest.raises(DataError, match="was not made by"):
        fetch(FetchConfig("demo", count=1, size=32), overwrite=True)
    assert (other / "source.json").exists()


def test_an_older_set_is_replaced_only_when_asked():
    fetch(FetchConfig("demo", count=1, size=32))
    with pytest.raises(DataError, match="exists"):
        fetch(FetchConfig("demo", count=2, size=32))
    assert fetch(FetchConfig("demo", count=2, size=32), overwrite=True).pictures == 4


def test_a_failure_half_way_leaves_nothing(home):
    def full(event):
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left"):
        fetch(FetchConfig("demo", count=2, size=32), reporter=full)
    assert not list((home / "raw").iterdir())


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "/abs"])
def test_a_name_cannot_lead_elsewhere(name):
    with pytest.raises(UsageError, match="cannot be used as a dataset name"):
        fetch(FetchConfig("demo", name=name, count=1, size=32))


def test_the_list_shows_states_and_copied_sets(folders, home):
    (home / "raw" / "mine too").mkdir(parents=True)
    (home / "raw" / "mine too" / "source.json").write_text('{"of": "another program"}')
    assert {item.state for item in list_assets()} == {"absent"}
    fetch(FetchConfig("demo", count=1, size=32))
    fetch(FetchConfig("folder", name="mine", source=str(folders), licence="CC0"))
    listed = {item.name: item for item in list_assets()}
    assert listed["demo"].state == listed["mine"].state == "ready"
    assert listed["mine"].licence == "CC0"
    assert listed["demo"].pairs == 1
    assert all(item.licence and item.citation for item in listed.values())
    assert "mine too" not in listed


def test_an_older_version_s_source_is_still_read(tmp_path):
    old = {"name": "cuhk", "licence": "research", "citation": "Wang", "asset": "cuhk"}
    (tmp_path / "source.json").write_text(json.dumps(old))
    assert runs.read(tmp_path) == Provenance(**old)
    assert runs.is_fetched(tmp_path)


@pytest.mark.parametrize("about", [{"name": "x"}, {"asset": 3}, [], "x", None])
def test_a_stranger_s_source_is_none_of_ours(tmp_path, about):
    (tmp_path / "source.json").write_text(json.dumps(about))
    assert runs.read(tmp_path) == Provenance(tmp_path.name)
    assert not runs.is_fetched(tmp_path)


def test_what_is_written_is_read(tmp_path):
    whole = Provenance("a", "b", "c", "d", "e", "f", "g", "h")
    runs.write(tmp_path, whole)
    assert runs.read(tmp_path) == whole


def test_a_set_can_be_copied_onto_itself(folders, home):
    first = fetch(FetchConfig("folder", name="mine", source=str(folders)))
    config = FetchConfig("folder", name="mine", source=str(first.folder))
    assert fetch(config, overwrite=True).pictures == first.pictures
    assert [path.name for path in (home / "raw").iterdir()] == ["mine"]
