"""Processes, kills: the same bytes whichever way they come about."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sketchcli import files, images
from sketchcli.data import sources
from sketchcli.data.prepared import ArrayWriter
from sketchcli.data.splits import SplitRule
from sketchcli.engine.events import SILENT, Advanced, Note
from sketchcli.engine.lookup import find_prepared
from sketchcli.engine.preprocessing import chunks
from sketchcli.engine.preprocessing import preprocess as preprocessing
from sketchcli.engine.preprocessing.chunks import CHUNK, ChunkStore
from sketchcli.engine.preprocessing.pair_builder import Job, PairOptions
from sketchcli.engine.preprocessing.preprocess import PreprocessConfig
from sketchcli.engine.runs import Provenance
from sketchcli.errors import DataError, InterruptedRunError

COUNT = 3 * CHUNK + 5
COMMAND = [sys.executable, "-m", "sketchcli", "preprocess"]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """More pairs than fit in a chunk: noise, quick to write."""
    root = tmp_path_factory.mktemp("many")
    draw = np.random.default_rng(0)
    for index in range(COUNT):
        images.write(root / "sketches" / f"{index}.png", draw.integers(0, 256, (20, 20), np.uint8))
        photo = draw.integers(0, 256, (20, 20, 3), np.uint8)
        images.write(root / "photos" / f"{index}.png", photo)
    return root


def run(source, target, *, processes=1, notes=None, styles=("pencil",), size=16):
    """Prepare a folder at 16 pixels."""
    config = PreprocessConfig(PairOptions((size, size)), SplitRule(test=0.2), styles=styles)
    return preprocessing.preprocess(
        source,
        Provenance("many"),
        config,
        target=target,
        processes=processes,
        reporter=(notes if notes is not None else []).append,
    )


def stop_at(chunk, source, target, monkeypatch):
    """Prepare a folder until Ctrl-C comes in one of its chunks."""
    real = chunks.make_chunk

    def interrupted(folder, options, number, jobs):
        if number == chunk:
            raise KeyboardInterrupt
        real(folder, options, number, jobs)

    monkeypatch.setattr(chunks, "make_chunk", interrupted)
    with pytest.raises(InterruptedRunError):
        run(source, target)
    monkeypatch.setattr(chunks, "make_chunk", real)


def arrays_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def test_eight_processes_write_the_bytes_of_one(many, tmp_path):
    one = run(sources.tree(many), tmp_path / "one")
    eight = run(sources.tree(many), tmp_path / "eight", processes=8)
    assert sum(one.counts.values()) == COUNT
    assert arrays_of(one.folder) == arrays_of(eight.folder)
    first, second = (find_prepared(r.folder).description for r in (one, eight))
    assert first.fingerprint == second.fingerprint
    assert first.pairs == second.pairs


def test_workers_are_spawned_and_no_more_of_them_than_windows_can_wait_for():
    with chunks._pool(2) as pool:  # none is started before the first chunk
        assert pool._mp_context.get_start_method() == "spawn"
    assert (chunks.MOST_WORKERS == 61) == (sys.platform == "win32")


def test_drawn_sketches_are_the_same_in_any_process(many, tmp_path):
    photos = sources.photographs(many / "photos")
    styles = ("canny", "hand", "pencil")
    result = run(photos, tmp_path / "set", styles=styles)
    again = run(photos, tmp_path / "again", processes=2, styles=styles)
    assert arrays_of(result.folder) == arrays_of(again.folder)
    drawn = [pair.style for pair in find_prepared(result.folder).description.pairs]
    assert {style: drawn.count(style) > COUNT / 5 for style in styles} == dict.fromkeys(
        styles, True
    )


def children_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def begun(many, target):
    """The command, drawing with two workers, when it has made its first chunk."""
    process = subprocess.Popen(
        [*COMMAND, many, "--size", "24", "--out", target, "--workers", "2", "--style", "hand"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not list(target.with_name(".set.work").glob("0*.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def assert_no_orphan_goes_on(family):
    deadline = time.monotonic() + 5
    while any(map(is_alive, family)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, family))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
def test_a_killed_run_goes_on_without_redoing_what_was_finished(many, tmp_path, sketch2img):
    target, work = tmp_path / "set", tmp_path / ".set.work"
    process = begun(many, target)
    family = children_of(process.pid)
    process.kill()
    process.wait()
    assert not target.exists()
    assert_no_orphan_goes_on(family)
    finished = len(list(work.glob("0*.json")))
    command = ("preprocess", many, "--size", "24", "--workers", "1", "--style", "hand", "--out")
    again = sketch2img(*command, target)
    assert again.code == 0, again.stderr
    assert f"resuming: {finished} of 4 chunks" in again.stderr
    assert not work.exists()
    assert not (tmp_path / ".set.lock").exists()
    assert sketch2img(*command, tmp_path / "whole").code == 0
    assert arrays_of(target) == arrays_of(tmp_path / "whole")


def test_finished_chunks_are_not_made_again(many, tmp_path, monkeypatch):
    source, target = sources.tree(many), tmp_path / "set"
    stop_at(2, source, target, monkeypatch)
    made, real = [], chunks.make_chunk
    monkeypatch.setattr(chunks, "make_chunk", lambda *a: (made.append(a[2]), real(*a)))
    notes = []
    run(source, target, notes=notes)
    assert made == [2, 3]
    assert "resuming: 2 of 4 chunks are already done" in [
        n.message for n in notes if isinstance(n, Note)
    ]
    assert not (tmp_path / ".set.work").exists()


def test_a_chunk_is_handed_on_before_the_next_is_made(many, tmp_path):
    jobs = tuple(Job(p.id, "train", p.sketch, p.photo) for p in sources.tree(many).pairs)
    store = ChunkStore(tmp_path / "work", PairOptions((16, 16)), jobs)
    told = []
    store.prepare(told.append)
    numbers = chunks.made_chunks(store, workers=1, reporter=told.append)
    assert next(numbers) == 0
    assert [number for number in store.chunks if store.is_done(number)] == [0]
    store.folder.joinpath("00002.json").write_text("[]")  # as if another call had made it
    assert list(numbers) == [1, 2, 3]
    assert [event.done for event in told if isinstance(event, Advanced)][-1] == COUNT


@pytest.mark.parametrize("workers_", [1, 3])
def test_whoever_stops_taking_chunks_leaves_no_process_behind(many, tmp_path, workers_):
    jobs = tuple(Job(p.id, "train", p.sketch, p.photo) for p in sources.tree(many).pairs)
    store = ChunkStore(tmp_path / "work", PairOptions((16, 16)), jobs)
    store.prepare(SILENT)
    numbers = chunks.made_chunks(store, workers=workers_, reporter=SILENT)
    assert next(numbers) == 0
    numbers.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("change", ["size", "file", "nothing"])
def test_other_work_is_not_taken_up(many, tmp_path, monkeypatch, change):
    source, target = sources.tree(many), tmp_path / "set"
    stop_at(1, source, target, monkeypatch)
    if change == "file":
        path = source.pairs[0].photo
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    notes = []
    run(source, target, notes=notes, size=8 if change == "size" else 16)
    told = [note.message for note in notes if isinstance(note, Note)]
    assert any("starting over" in message for message in told) == (change != "nothing")
    assert any("resuming" in message for message in told) == (change == "nothing")


def test_old_work_that_cannot_be_cleared_is_not_mixed_with_new(many, tmp_path, monkeypatch):
    source, target = sources.tree(many), tmp_path / "set"
    stop_at(1, source, target, monkeypatch)

    def denied(path, *, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", denied)
    with pytest.raises(DataError, match=r"cannot write .*\.set\.work: Permission denied"):
        run(source, target, size=8)


@pytest.mark.parametrize("damage", ["short", "changed", "records"])
def test_a_chunk_that_a_power_cut_damaged_is_made_again(many, tmp_path, monkeypatch, damage):
    source, target = sources.tree(many), tmp_path / "set"
    stop_at(3, source, target, monkeypatch)
    pictures = tmp_path / ".set.work" / "00001.pictures"
    whole = pictures.read_bytes()
    if damage == "records":
        np.save(pictures.with_suffix(".npy"), np.load(pictures.with_suffix(".npy"))[:-1])
    else:
        pictures.write_bytes(whole[:-1] + (b"" if damage == "short" else bytes([whole[-1] ^ 1])))
    notes = []
    result = run(source, target, notes=notes)
    assert "resuming: 2 of 4 chunks are already done" in [
        n.message for n in notes if isinstance(n, Note)
    ]
    assert arrays_of(result.folder) == arrays_of(run(source, tmp_path / "whole").folder)


def test_unfinished_work_of_another_command_is_not_cleared_without_a_word(
    many, tmp_path, monkeypatch
):
    work = tmp_path / ".set.work"
    work.mkdir()
    nothing = sources.Source((), "exact", {"a.png": "unpaired"})
    with pytest.raises(DataError, match="no pair can be used"):
        run(nothing, tmp_path / "set")
    assert work.exists()
    notes = []
    run(sources.tree(many), tmp_path / "set", notes=notes)
    assert any("starting over" in n.message for n in notes if isinstance(n, Note))


def test_a_second_process_is_turned_away(many, tmp_path):
    with (
        files.locked(tmp_path / "set"),
        pytest.raises(DataError, match="another sketch2img"),
    ):
        run(sources.tree(many), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_dead_worker_is_an_error_that_says_what_to_do(many, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "make_chunk", die)
    with pytest.raises(DataError, match="worker process died") as caught:
        run(sources.tree(many), tmp_path / "set", processes=2)
    assert "to resume" in caught.value.hint
    monkeypatch.undo()
    assert sum(run(sources.tree(many), tmp_path / "set").counts.values()) == COUNT


def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_full_disk_leaves_the_old_set(many, tmp_path, monkeypatch):
    first = run(sources.tree(many), tmp_path / "set")
    before = arrays_of(first.folder)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArrayWriter, "append", full)
    config = PreprocessConfig(PairOptions((8, 8)))
    with pytest.raises(DataError, match="No space left"):
        preprocessing.preprocess(
            sources.tree(many), Provenance("x"), config, target=tmp_path / "set", overwrite=True
        )
    assert arrays_of(first.folder) == before
    assert (tmp_path / ".set.work" / "00000.json").exists()  # freed of other files, it goes on


def test_a_folder_that_appears_meanwhile_is_not_replaced(many, tmp_path, monkeypatch):
    real = chunks.make_chunk

    def slow(folder, options, number, jobs):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / "thesis.txt").write_text("years of work")
        real(folder, options, number, jobs)

    monkeypatch.setattr(chunks, "make_chunk", slow)
    with pytest.raises(DataError, match="exists"):
        run(sources.tree(many), tmp_path / "set")
    assert (tmp_path / "set" / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("megabytes", [2, 3, 4])
def test_a_disk_that_fills_up_is_an_error_not_a_crash(many, tmp_path, megabytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}00k", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with pytest.raises(DataError, match="No space left"):
            run(sources.tree(many), disk / "set")
        assert not (disk / "set").exists()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)  # arrays are still mapped


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
def test_ctrl_c_twice_ends_at_once_and_says_how_to_go_on(many, tmp_path):
    process = begun(many, tmp_path / "set")
    family = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode in {130, -signal.SIGINT}  # both are 130 to a shell
    assert_no_orphan_goes_on(family)


def test_a_stopped_run_says_how_to_go_on(many, tmp_path):
    process = begun(many, tmp_path / "set")
    stopped = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - stopped < 3
    assert "hint: run the same command again to resume" in errors
