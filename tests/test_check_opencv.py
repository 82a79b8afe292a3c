"""scripts/check_opencv.py: what it runs, when, and what it says."""

import subprocess
from importlib.metadata import PackageNotFoundError

import check_opencv
import pytest

MISSING = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
ImportError: libGL.so.1: cannot open shared object file: No such file or directory
"""


class Machine:
    """Stands in for running commands: remembers them, and answers `import cv2` from a list.

    `imports` has one error for each import that is tried, empty for one that works; `pip_error`
    is what every pip command fails with.
    """

    def __init__(self, *imports, pip_error=""):
        self.imports = list(imports)
        self.pip_error = pip_error
        self.pip_commands = []

    def __call__(self, command):
        if "pip" in command:
            self.pip_commands.append(command[command.index("pip") + 1 :])
            error = self.pip_error
        else:
            assert command[1:] == ["-c", "import cv2"]
            error = self.imports.pop(0)
        return subprocess.CompletedProcess(command, 1 if error else 0, stdout="", stderr=error)


def check(machine):
    return check_opencv.main(run=machine, version_of={"opencv-python": "5.0.0.93"}.__getitem__)


def test_nothing_is_touched_when_opencv_can_be_imported(capsys):
    machine = Machine("")
    assert check(machine) == 0
    assert machine.pip_commands == []
    assert capsys.readouterr().out == ""


def test_a_missing_library_brings_the_headless_package_of_the_same_version(capsys):
    machine = Machine(MISSING, "")
    assert check(machine) == 0
    uninstall, install = machine.pip_commands
    assert uninstall[1:] == ["uninstall", "--yes", "opencv-python", "opencv-python-headless"]
    assert install[1] == "install"
    assert "--no-deps" in install
    assert install[-1] == "opencv-python-headless==5.0.0.93"
    assert "libGL.so.1, which this machine lacks" in capsys.readouterr().out


def test_another_import_error_is_shown_and_nothing_is_replaced(capsys):
    machine = Machine("ImportError: numpy.core.multiarray failed to import")
    assert check(machine) == 1
    assert machine.pip_commands == []
    assert "numpy.core.multiarray" in capsys.readouterr().err


def test_a_failing_pip_is_an_error_that_names_the_other_way_out(capsys):
    machine = Machine(MISSING, pip_error="no network")
    assert check(machine) == 1
    assert len(machine.pip_commands) == 1
    error = capsys.readouterr().err
    assert "no network" in error
    assert "apt install libgl1" in error


def test_a_headless_package_that_fails_as_well_is_an_error(capsys):
    assert check(Machine(MISSING, "ImportError: still broken")) == 1
    assert "still broken" in capsys.readouterr().err


def test_without_opencv_python_there_is_nothing_to_replace(capsys):
    def version_of(package):
        raise PackageNotFoundError(package)

    machine = Machine(MISSING)
    assert check_opencv.main(run=machine, version_of=version_of) == 1
    assert machine.pip_commands == []
    assert "apt install libgl1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "library"),
    [
        ("ImportError: libGL.so.1: cannot open shared object file", "libGL.so.1"),
        ("ImportError: libgthread-2.0.so.0: cannot open shared", "libgthread-2.0.so.0"),
        ("ImportError: libxcb.so.1: cannot open shared object file", "libxcb.so.1"),
        ("ImportError: /some where/lib/libGL.so.1: file too short", "libGL.so.1"),
        ("ImportError: libGLOBAL.so.1: cannot open shared object file", ""),
        ("ModuleNotFoundError: No module named 'cv2'", ""),
        ("", ""),
    ],
)
def test_the_missing_library_is_read_from_the_error(error, library):
    assert check_opencv.missing_library(error) == library


def test_a_command_is_run_and_what_it_prints_is_kept():
    done = check_opencv.run_command([check_opencv.sys.executable, "-c", "print('here')"])
    assert (done.returncode, done.stdout) == (0, "here\n")
