"""`--help` is quick: it imports nothing heavy. One picture is nearly as quick as the imports."""

import os
import resource
import subprocess
import sys

import pytest
from generating_fixtures import weights_of

LIMIT_SECONDS = 0.25
LIMIT_RATIO = 1.25  # of one picture's time to that of its imports


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_imports_neither_torch_nor_cv2(arguments):
    code = (
        "import sys; from sketchcli.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'cv2', 'numpy', 'matplotlib', 'torchmetrics'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def spent(*command):
    """Processor time: the clock's depends on what else the machine does."""

    def children():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = children()
    # An installed program is compiled once, not at each start.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    words = [sys.executable, *map(str, command)]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return children() - before


def test_help_takes_less_than_a_quarter_of_a_second():
    assert min(spent("-m", "sketchcli", "--help") for _ in range(8)) < LIMIT_SECONDS


@pytest.mark.slow
def test_one_picture_takes_little_longer_than_importing_torch_and_opencv(tiny, folders, tmp_path):
    weights = weights_of(tmp_path / "run", tiny)
    words = ["generate", folders / "sketches/face-0.png", tmp_path / "a.png", "--model", weights]
    seconds = [
        (spent("-m", "sketchcli", *words, "--overwrite"), spent("-c", "import torch, cv2"))
        for _ in range(3)
    ]
    ours, imports = (min(each) for each in zip(*seconds, strict=True))
    assert ours < LIMIT_RATIO * imports


def test_the_collector_is_back_after_the_imports_and_leaves_them_alone():
    code = (
        "import gc; from sketchcli.cli.quick_imports import quick_imports\n"
        "with quick_imports(): import torch\n"
        "assert gc.isenabled(); count = gc.get_freeze_count(); assert count > 10_000\n"
        "with quick_imports(): pass\n"
        "assert gc.get_freeze_count() == count"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
