"""`generate` for thousands of files."""

import os
import subprocess
import sys

import pytest
from generating_fixtures import weights_of

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
PEAK = r"""
import re, sys
from pathlib import Path
from sketchcli.cli.main import main

code = main(sys.argv[1:])
print(code, re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""
FEW, MANY = 50, 1000
MOST_A_FILE = (
    8  # KB: its name, its photo's name, and what became of it; a photo of 128 pixels is 48
)


@pytest.fixture
def weights(home, tiny):
    return weights_of(home / "runs" / "mine", tiny)


@pytest.fixture
def named(folders, tmp_path):
    """A folder of as many sketches as asked for, which are few under many names."""

    def fill(count):
        few = sorted((folders / "sketches").iterdir())
        folder = tmp_path / f"in-{count}"
        folder.mkdir()
        for index in range(count):
            os.link(few[index % len(few)], folder / f"{index:04d}.png")
        return folder

    return fill


def peak(sketches, photos, weights):
    """Kilobytes that a process which converts a folder takes at most."""
    words = ["generate", sketches, photos, "--model", weights, "--precision", "fp32"]
    command = [sys.executable, "-c", PEAK, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    code, kilobytes = map(int, done.stdout.split()[-2:])
    assert code == 0, done.stderr
    assert len(list(photos.iterdir())) == len(list(sketches.iterdir()))
    return kilobytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak of memory")
def test_memory_does_not_grow_with_the_number_of_files(named, weights, tmp_path):
    peaks = [peak(named(n), tmp_path / f"out-{n}", weights) for n in (FEW, MANY)]
    assert peaks[1] - peaks[0] < MOST_A_FILE * (MANY - FEW)
