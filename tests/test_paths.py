from pathlib import Path

import pytest

from sketchcli import paths

ROOMS = (paths.raw_home, paths.prepared_home, paths.runs_home)


def test_the_variable_moves_the_home_and_all_rooms(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "elsewhere"))
    assert paths.home() == tmp_path / "elsewhere"
    assert {room().parent for room in ROOMS} == {paths.home()}
    assert len({room() for room in ROOMS}) == len(ROOMS)


@pytest.mark.parametrize("variable", [None, ""])
def test_without_it_the_home_is_the_platforms_data_folder(monkeypatch, tmp_path, variable):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv(paths.HOME_VARIABLE)
    if variable is not None:
        monkeypatch.setenv(paths.HOME_VARIABLE, variable)
    assert paths.home().is_absolute()
    assert paths.home().name == "sketch2img"


def test_a_relative_home_and_a_tilde_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(paths.HOME_VARIABLE, "here")
    assert paths.home() == tmp_path / "here"
    monkeypatch.setenv(paths.HOME_VARIABLE, "~/sketches")
    assert paths.home() == Path.home() / "sketches"


def test_what_is_in_a_room_is_called_by_its_name_alone_and_found_again(tmp_path, home):
    (tmp_path / "link").symlink_to(home)
    room = paths.runs_home()
    for folder in (room / "mine", tmp_path / "link" / "runs" / "mine"):
        assert paths.named(room, folder) == "mine"
    assert paths.in_room(room, Path("mine")) == room / "mine"
    elsewhere = tmp_path / "mine"
    assert paths.named(room, elsewhere) == str(elsewhere)


def test_a_folder_of_a_room_is_typed_by_its_name_and_others_by_their_path(tmp_path, monkeypatch):
    room = tmp_path / "room"
    (room / "a b").mkdir(parents=True)
    monkeypatch.chdir(room / "a b")
    for folder in (room / "a b", room / "a b" / ".." / "a b", Path()):
        assert paths.named(room, folder) == "a b"
    assert paths.named(room, room / "a" / "b") == str(room / "a" / "b")


def test_a_new_folder_takes_no_name_that_is_there_or_that_another_process_has(tmp_path):
    made = set()
    for _ in range(3):
        folder = paths.unused(tmp_path / "room", "faces", "modern")
        assert folder.name.startswith("20")
        assert "-faces-modern" in folder.name
        made.add(folder)
    assert len(made) == 3


def test_asking_where_creates_nothing(home):
    for room in ROOMS:
        assert not room().exists()
    assert not home.exists()
