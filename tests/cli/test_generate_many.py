"""`generate` for thousands of files."""

import os
import re
import subprocess
import sys

import pytest
from generating_fixtures import weights_of

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
PEAK = r"""
import re, sys
from pathlib import Path
from sketchcli.cli.main import main

for folder in ("few", "many"):
    code = main(["generate", folder, f"{folder}-photos", *sys.argv[1:]])
    print(code, re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""
FEW, MANY = 50, 500
MOST_A_FILE = (
    8  # KB: its name, its photo's name, and what became of it; a photo of 128 pixels is 48
)


@pytest.fixture
def weights(home, tiny):
    return weights_of(home / "runs" / "mine", tiny)


@pytest.fixture
def named(folders, tmp_path):
    """A folder of as many sketches as asked for, which are few under many names."""

    def fill(name, count):
        few = sorted((folders / "sketches").iterdir())
        folder = tmp_path / name
        folder.mkdir()
        for index in range(count):
            os.link(few[index % len(few)], folder / f"{index:04d}.png")
        return folder

    return fill


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak of memory")
def test_memory_does_not_grow_with_the_number_of_files(named, weights, tmp_path):
    """One process converts few files, then many; its peak is told after each."""
    named("few", FEW)
    named("many", MANY)
    command = [sys.executable, "-c", PEAK, "--model", str(weights), "--precision", "fp32"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    told = [line.split() for line in done.stdout.splitlines() if re.fullmatch(r"0 \d+", line)]
    assert len(told) == 2, done.stderr
    assert len(list((tmp_path / "many-photos").iterdir())) == MANY
    first, second = (int(peak) for _, peak in told)
    assert second - first < MOST_A_FILE * (MANY - FEW)
