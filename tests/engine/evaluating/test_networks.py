"""Networks that are converted when they are first needed."""

import os
import shutil
import threading
import time

import pytest
from conftest import network_file

from sketchcli import files
from sketchcli.engine.evaluating import features


@pytest.fixture
def target(home):
    """Where the converted LPIPS network will be; its pickle is fetched."""
    shutil.copytree(network_file("alexnet.ckpt").parent, home / "assets" / "lpips-alex")
    return home / "cache" / "networks" / "lpips-alex.safetensors"


def test_two_processes_that_need_a_network_at_once_both_get_it(target, monkeypatch):
    made = []
    monkeypatch.setattr(features, "convert", lambda *given: made.append(given))
    target.parent.mkdir(parents=True)

    def convert_elsewhere():
        with files.locked(target):
            held.set()
            time.sleep(0.3)
            target.write_bytes(b"converted by the other one")

    held = threading.Event()
    other = threading.Thread(target=convert_elsewhere)
    other.start()
    held.wait()
    assert features.file_of("lpips-alex") == target
    other.join()
    assert target.read_bytes() == b"converted by the other one"
    assert made == []


def test_a_network_is_converted_once_and_again_when_a_newer_one_was_fetched(target):
    assert features.file_of("lpips-alex") == target
    first = target.stat().st_mtime_ns
    assert features.file_of("lpips-alex").stat().st_mtime_ns == first
    newer = time.time() + 5
    for file in target.parents[2].joinpath("assets", "lpips-alex").iterdir():
        os.utime(file, (newer, newer))
    assert features.file_of("lpips-alex").stat().st_mtime_ns > first
