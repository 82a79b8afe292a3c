"""`--help` is quick: it imports nothing heavy."""

import resource
import subprocess
import sys

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
        before = spent()
        subprocess.run(
            [sys.executable, "-m", "sketchcli", "--help"], check=True, capture_output=True
        )
        return spent() - before

    def spent():  # processor time: the clock's depends on what else the machine does
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    assert min(seconds() for _ in range(8)) < LIMIT_SECONDS
