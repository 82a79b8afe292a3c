"""`--help` is quick: it imports nothing heavy. The verbs are nearly as quick as the imports."""

import math
import os
import subprocess
import sys

import pytest
from generating_fixtures import weights_of
from processes import COMPILED, heavy_imports, seconds

from sketchcli.errors import ExitCode

LIMIT_SECONDS = 0.25
LIMIT_RATIO = 1.25  # of one picture's time to that of its imports


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_imports_neither_torch_nor_cv2(arguments):
    assert heavy_imports(*arguments) == (0, set())


def running(*command):
    def run():
        words = [sys.executable, *map(str, command)]
        subprocess.run(words, env=os.environ | COMPILED, check=True, capture_output=True)

    return run


def test_help_takes_less_than_a_quarter_of_a_second():
    shown = running("-m", "sketchcli", "--help")
    assert any(seconds(shown) < LIMIT_SECONDS for _ in range(8))


@pytest.mark.parametrize(
    "arguments",
    [["export", "nix", "x.onnx"], ["eval", "--model", "nix"], ["train", "--init-from", "nix"]],
)
def test_a_model_that_is_not_there_fails_before_torch_is_imported(arguments):
    code, modules = heavy_imports(*arguments)
    assert code == ExitCode.CHECKPOINT
    assert "torch" not in modules


@pytest.mark.slow
def test_one_picture_takes_little_longer_than_importing_torch_and_opencv(tiny, folders, tmp_path):
    weights = weights_of(tmp_path / "run", tiny)
    words = ["generate", folders / "sketches/face-0.png", tmp_path / "a.png", "--model", weights]
    drawing = running("-m", "sketchcli", *words, "--overwrite")
    importing = running("-c", "import torch, cv2")
    ours = imports = math.inf
    for _ in range(2):  # the second time only if the first one was slow
        ours, imports = min(ours, seconds(drawing)), min(imports, seconds(importing))
        if is_quick := ours < LIMIT_RATIO * imports:
            break
    assert is_quick


def test_the_collector_is_back_after_the_imports_and_leaves_them_alone():
    code = (
        "import gc; from sketchcli.cli.verbosity import quick_imports\n"
        "with quick_imports(): import torch\n"
        "assert gc.isenabled(); count = gc.get_freeze_count(); assert count > 10_000\n"
        "with quick_imports(): pass\n"
        "assert gc.get_freeze_count() == count"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
