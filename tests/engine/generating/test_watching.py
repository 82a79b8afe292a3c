"""A folder under watch."""

import itertools
from functools import partial
from types import SimpleNamespace

import pytest

from sketchcli import images
from sketchcli.engine.generating import folder_watcher
from sketchcli.engine.generating.folder_watcher import watch
from sketchcli.engine.generating.inputs import Existing, Naming, Request, Selection
from sketchcli.engine.generating.prepare import Preparer
from sketchcli.errors import DataError


@pytest.fixture
def on_each_poll(monkeypatch):
    """Let a second pass and an action run instead of each pause; in the end, press Ctrl-C."""

    def patch(*actions):
        todo, seconds = iter(actions), itertools.count()

        def sleep(_):
            action = next(todo, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=sleep)
        monkeypatch.setattr(folder_watcher, "time", clock)

    return patch


@pytest.fixture
def watched(weights, tmp_path, cpu, on_each_poll):
    """Watch a folder while a script of actions runs, one before each look."""

    def run(*actions, **naming):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        first, *others = [partial(action, folder) for action in actions]
        first()
        on_each_poll(*others)
        request = Request((), str(tmp_path / "out"), models=(weights,), naming=Naming(**naming))
        return watch(request, folder, device=cpu)

    return run


@pytest.fixture
def put(folders):
    """An action: a sketch under a name, or only the beginning of its bytes."""
    data = (folders / "sketches/face-0.png").read_bytes()

    def action(name, share=1.0):
        def act(folder):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data[: int(share * len(data))])

        return act

    return action


def wait(folder):
    """Nothing happens between two looks."""


def test_what_is_there_and_what_appears_is_converted_once(watched, put, tmp_path):
    result = watched(put("a.png"), wait, wait, put("deep/b.png"), wait, wait, wait)
    assert [file.output for file in result.files] == [
        tmp_path / "out/a.png",
        tmp_path / "out/deep/b.png",
    ]


def test_a_file_is_left_alone_until_it_is_whole(watched, put, tmp_path):
    growing = [put("a.png", share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]
    result = watched(*growing, wait, wait, wait)
    assert [file.status for file in result.files] == ["made"]
    assert images.read_rgb(tmp_path / "out/a.png").shape == (32, 32, 3)


def test_a_broken_file_is_reported_once_and_tried_again_when_it_changes(watched, put):
    result = watched(put("a.png", 0.5), wait, wait, wait, put("a.png"), wait, wait)
    assert [file.status for file in result.files] == ["failed", "made"]


def test_photos_that_were_there_are_kept_and_ours_follow_their_sketches(watched, put, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_bytes(b"theirs")

    def touch(folder):
        (folder / "b.png").write_bytes((folder / "b.png").read_bytes() + b"\0")

    def begin(folder):
        put("a.png")(folder)
        put("b.png")(folder)

    result = watched(begin, wait, wait, touch, wait, wait)
    assert [file.source.name for file in result.files] == ["b.png", "b.png"]
    assert (tmp_path / "out/a.png").read_bytes() == b"theirs"
    replaced = watched(wait, wait, wait, existing=Existing.OVERWRITE)
    assert sorted(file.source.name for file in replaced.files) == ["a.png", "b.png"]


def test_a_photo_of_another_watch_is_kept(watched, put, tmp_path, monkeypatch):
    prepare = Preparer.prepare

    def prepare_late(*arguments):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/a.png").write_bytes(b"theirs")
        return prepare(*arguments)

    monkeypatch.setattr(Preparer, "prepare", prepare_late)
    result = watched(put("a.png"), wait, wait)
    assert [file.status for file in result.files] == ["skipped"]
    assert (tmp_path / "out/a.png").read_bytes() == b"theirs"


def test_ctrl_c_ends_it_well(watched, put, tmp_path):
    def interrupt(folder):
        raise KeyboardInterrupt

    result = watched(put("a.png"), wait, wait, interrupt)
    assert [file.status for file in result.files] == ["made"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_a_file_that_disappears_is_forgotten(watched, put):
    def remove(folder):
        (folder / "a.png").unlink()

    assert watched(put("a.png"), remove, wait, wait).files == ()


@pytest.mark.parametrize("output", ["in", "in/below"])
def test_photos_do_not_go_where_sketches_come(weights, tmp_path, cpu, output):
    (tmp_path / "in").mkdir()
    request = Request((), str(tmp_path / output), models=(weights,))
    with pytest.raises(DataError, match="mixed"):
        watch(request, tmp_path / "in", device=cpu)


def test_a_folder_outside_the_tree_is_an_error_and_not_an_endless_wait(weights, tmp_path, cpu):
    (tmp_path / "in").mkdir()
    selection = Selection(root=tmp_path / "elsewhere")
    request = Request((), str(tmp_path / "out"), models=(weights,), selection=selection)
    with pytest.raises(DataError, match="not below"):
        watch(request, tmp_path / "in", device=cpu)


def test_the_tree_may_begin_at_the_folder(weights, tmp_path, cpu, on_each_poll):
    on_each_poll()
    (tmp_path / "in").mkdir()
    selection = Selection(root=tmp_path / "in")
    request = Request((), str(tmp_path / "out"), models=(weights,), selection=selection)
    assert watch(request, tmp_path / "in", device=cpu).files == ()


def test_an_older_manifest_is_kept(weights, tmp_path, cpu):
    (tmp_path / "in").mkdir()
    (tmp_path / "made.csv").write_text("old")
    request = Request((), str(tmp_path / "out"), models=(weights,), manifest=tmp_path / "made.csv")
    with pytest.raises(DataError, match="exists"):
        watch(request, tmp_path / "in", device=cpu)
    assert (tmp_path / "made.csv").read_text() == "old"


def test_a_folder_that_is_not_there_is_an_error(weights, tmp_path, cpu):
    request = Request((), str(tmp_path / "out"), models=(weights,))
    with pytest.raises(DataError, match="not an existing folder"):
        watch(request, tmp_path / "in", device=cpu)
