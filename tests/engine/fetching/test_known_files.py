import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sketchcli import files
from sketchcli.engine.fetching import obtaining
from sketchcli.errors import DataError


def test_what_many_record_at_once_is_all_there(home):
    def record(number):
        obtaining.record(f"http://x/{number}", sha256=str(number), size=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(24)))
    assert [obtaining.recorded([f"http://x/{n}"]) for n in range(24)] == list(map(str, range(24)))
    assert [path.name for path in home.iterdir()] == [obtaining.FILE]


def test_another_one_who_records_is_waited_for(home):
    is_held, may_go = threading.Event(), threading.Event()

    def hold():
        with files.locked(home / obtaining.FILE):
            is_held.set()
            may_go.wait(5)

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(hold)
        assert is_held.wait(5)
        ours = pool.submit(obtaining.record, "http://x/a", sha256="a", size=1)
        with pytest.raises(TimeoutError):
            ours.result(0.2)
        assert obtaining.recorded(["http://x/a"]) is None
        may_go.set()
        other.result(5)
        ours.result(5)
    assert obtaining.recorded(["http://x/a"]) == "a"


def test_one_who_never_ends_is_named(home, monkeypatch):
    monkeypatch.setattr(obtaining, "LONGEST_WAIT", 0.1)
    with (
        files.locked(home / obtaining.FILE),
        pytest.raises(DataError, match="by another sketch2img"),
    ):
        obtaining.record("http://x/a", sha256="a", size=1)


def test_a_home_that_cannot_be_written_is_an_error(home):
    home.write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        obtaining.record("http://x/a", sha256="a", size=1)


def test_a_damaged_record_is_neither_believed_nor_replaced(home):
    home.mkdir()
    (home / obtaining.FILE).write_text("[]")
    with pytest.raises(DataError, match="damaged"):
        obtaining.record("http://x/a", sha256="a", size=1)
    assert [path.read_text() for path in home.iterdir()] == ["[]"]
