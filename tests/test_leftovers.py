"""What killed processes leave is swept by the next call, and what living ones write is not."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest

from sketchcli import files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def forked(do):
    """Let a child process do something that kills it or that it ends after; return its number."""
    if child := os.fork():
        return child
    try:
        do()
    finally:
        os._exit(0)


def killed(do):
    os.waitpid(forked(do), 0)


def die(part):
    part.write_bytes(b"half")
    part.with_name(".tmpAbC123").write_bytes(b"what a library writes beside it")
    os.kill(os.getpid(), signal.SIGKILL)


def fill_and_die(target):
    with files.locked(target), files.new_folder(target, is_ours=Path.exists) as part:
        die(part / "0.png")


def test_a_killed_write_is_swept_by_the_next_one(work):
    killed(lambda: files.write_whole(work / "a.png", die))
    assert names(work) != []
    files.write_text(work / "b.txt", "")
    assert names(work) == ["b.txt"]


def test_a_killed_folder_and_its_lock_are_swept_by_the_next_call_there(work):
    killed(lambda: fill_and_die(work / "faces"))
    assert len(names(work)) == 2
    with files.locked(work / "other"):
        pass
    assert names(work) == []


def test_an_old_folder_is_deleted_even_if_its_process_is_killed_meanwhile(work, monkeypatch):
    for name in ("old", "new"):
        (work / name).mkdir()
        (work / name / "0.png").touch()

    def die_instead(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def replace():
        monkeypatch.setattr(files.shutil, "rmtree", die_instead)
        files.move_in(work / "new", work / "old", is_ours=Path.exists, overwrite=True)

    killed(replace)
    files.write_text(work / "b.txt", "")
    assert names(work) == ["b.txt", "old"]


def test_what_a_living_process_writes_is_left_alone(work):
    (told, tell), (asked, ask) = os.pipe(), os.pipe()

    def slowly(part):
        part.with_name(".tmpAbC123").touch()
        os.write(tell, b"x")
        os.read(asked, 1)
        part.write_text("whole")

    child = forked(lambda: files.write_whole(work / "a.txt", slowly))
    os.read(told, 1)
    long_ago = time.time() - 10 * files._OLD
    (folder,) = work.iterdir()
    os.utime(folder, (long_ago, long_ago))
    files.write_text(work / "b.txt", "")
    os.write(ask, b"x")
    os.waitpid(child, 0)
    assert (work / "a.txt").read_text() == "whole"
    assert names(work) == ["a.txt", "b.txt"]


def test_what_another_machine_writes_is_left_alone_for_a_day(work):
    now = time.time()
    for name, hours in ((".0123456789abcdef.part", 1), (".fedcba9876543210.part", 30)):
        (work / name).mkdir()
        os.utime(work / name, (now, now - 3600 * hours))
    files.write_text(work / "b.txt", "")
    assert names(work) == [".0123456789abcdef.part", "b.txt"]


def test_downloads_and_locks_of_others_are_never_swept(work):
    kept = [".0123456789abcdef.part", ".0123456789abcdef.part.json", ".set.tar.part", ".set.lock"]
    for name in kept:
        (work / name).touch()
        os.utime(work / name, (0, 0))
    files.write_text(work / "b.txt", "")
    assert names(work) == sorted([*kept, "b.txt"])


def test_a_large_folder_is_looked_at_once(work):
    for number in range(3_000):
        (work / f"{number}.png").symlink_to("elsewhere")
    started = time.process_time()
    for number in range(20):
        files.write_text(work / f"{number}.txt", "")
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("mask", [0o002, 0o027])
def test_every_file_has_the_permissions_that_the_mask_says(work, mask, sketch2img, folders):
    import torch

    from sketchcli import checkpoint

    before = os.umask(mask)
    try:
        checkpoint.save(work / "a.safetensors", {"x": torch.ones(2)}, {})
        sketch2img("preprocess", folders, "--size", "32", "--out", work / "set", "--quiet")
        (sketch, *_) = sorted((folders / "sketches").iterdir())
        sketch2img("generate", sketch, work / "photo.png", "--quiet")
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in work.rglob("*") if path.is_file()}
    assert set(modes.values()) == {0o666 & ~mask}, modes
    assert {path.suffix for path in modes} >= {".safetensors", ".npy", ".html", ".png"}
