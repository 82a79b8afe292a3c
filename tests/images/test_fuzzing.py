"""The short form of scripts/fuzz_images.py, and that it finds what it looks for."""

import fuzz_images
import pytest

from sketchcli import images


def test_damaged_files_give_an_image_or_an_error():
    readings = [fuzz_images.examine(data) for _, _, data in fuzz_images.mutations(seed=1, count=25)]
    assert {reading.outcome for reading in readings} == {"image", "error"}
    assert {(reading.kind, reading.what) for reading in readings} == {("", "")}


def test_the_same_seed_gives_the_same_files():
    made = [list(fuzz_images.mutations(seed, count=2)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert {format_ for format_, _, _ in made[0]} >= {"PNG", "JPEG", "WEBP", "BMP", "TIFF", "HEIF"}


def zero_division(stream, *, name):
    return 1 / 0


def no_image(stream, *, name):
    return fuzz_images.np.zeros((2, 2), float)


@pytest.mark.parametrize("read", [zero_division, no_image])
def test_a_fault_is_a_finding(monkeypatch, read):
    monkeypatch.setattr(images, "read_stream", read)
    reading = fuzz_images.examine(b"")
    assert (reading.outcome, reading.kind) == ("finding", "traceback")


def test_time_and_memory_are_bounded(monkeypatch):
    data = fuzz_images.valid_files()["PNG"][0]
    monkeypatch.setattr(fuzz_images, "SLOW", -1)
    assert fuzz_images.examine(data).kind == "slow"
    monkeypatch.setattr(fuzz_images, "SLOW", 99)
    peaks = iter([0, 2**40])
    monkeypatch.setattr(fuzz_images, "_peak", lambda: next(peaks))
    assert fuzz_images.examine(data).kind == "memory"
