import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sketchcli import files
from sketchcli.engine.fetching import fetch
from sketchcli.engine.fetching.download import Obtained
from sketchcli.errors import DataError


@pytest.fixture
def arrived(tmp_path):
    """A file that arrived from `http://x/KEY`, with this hash, to be remembered."""
    (tmp_path / "a.zip").write_bytes(b"x")

    def arrive(key="a"):
        return Obtained(tmp_path / "a.zip", "", sha256=key, key=f"http://x/{key}")

    return arrive


def test_what_many_record_at_once_is_all_there(home, arrived):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: fetch.remember(arrived(str(number))), range(12)))
    assert [fetch.recorded([f"http://x/{n}"]) for n in range(12)] == list(map(str, range(12)))
    assert [path.name for path in home.iterdir()] == [fetch.KNOWN]


def test_another_one_who_records_is_waited_for(home, arrived):
    is_held, may_go = threading.Event(), threading.Event()

    def hold():
        with files.locked(home / fetch.KNOWN):
            is_held.set()
            may_go.wait(5)

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(hold)
        assert is_held.wait(5)
        ours = pool.submit(fetch.remember, arrived())
        with pytest.raises(TimeoutError):
            ours.result(0.2)
        assert fetch.recorded(["http://x/a"]) is None
        may_go.set()
        other.result(5)
        ours.result(5)
    assert fetch.recorded(["http://x/a"]) == "a"


def test_one_who_never_ends_is_named(home, arrived, monkeypatch):
    monkeypatch.setattr(fetch, "LONGEST_WAIT", 0.1)
    with (
        files.locked(home / fetch.KNOWN),
        pytest.raises(DataError, match="by another sketch2img"),
    ):
        fetch.remember(arrived())


def test_a_home_that_cannot_be_written_is_an_error(home, arrived):
    home.write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        fetch.remember(arrived())


def test_a_damaged_record_is_neither_believed_nor_replaced(home, arrived):
    home.mkdir()
    (home / fetch.KNOWN).write_text("[]")
    with pytest.raises(DataError, match="damaged"):
        fetch.remember(arrived())
    assert [path.read_text() for path in home.iterdir()] == ["[]"]
