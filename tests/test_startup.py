"""`--help` is quick: it imports nothing heavy."""

import subprocess
import sys
import time

import pytest

LIMIT_SECONDS = 0.25


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_imports_neither_torch_nor_cv2(arguments):
    code = (
        "import sys; from sketchcli.cli.main import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'cv2', 'numpy', 'matplotlib', 'torchmetrics'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_help_takes_less_than_a_quarter_of_a_second():
    def seconds():
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sketchcli", "--help"], check=True, capture_output=True
        )
        return time.perf_counter() - started

    assert min(seconds() for _ in range(8)) < LIMIT_SECONDS
