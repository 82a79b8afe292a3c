"""Make `import cv2` work on a machine without the desktop's libraries.

`opencv-python` opens windows and so needs libGL and friends, which a server or a container often
lacks. `opencv-python-headless` is the same release without the windows, which sketch2img never
opens. Where the first cannot start, this puts the second in its place. Run it with the Python of
the environment to check, after sketch2img has been installed there:

    .venv/bin/python scripts/check_opencv.py

`pip check` complains afterwards that sketch2img requires opencv-python, which is not installed.
It is right and there is no harm: a requirement cannot say "either of these two", and the declared
one stays with the package that most people have. Installing sketch2img again brings it back,
which is why the Makefile runs this check after each install.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata

Run = Callable[[list[str]], subprocess.CompletedProcess[str]]

DESKTOP_LIBRARY = re.compile(
    r"ImportError: (?:.*/)?(lib(?:GL|EGL|gthread|glib|xcb|X11|Xext|SM|ICE)\b[\w.-]*):"
)
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
INSTALL_HINT = "on Debian: apt install libgl1 libglib2.0-0 libxcb1"


def run_command(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(run: Run = run_command, version_of: Callable[[str], str] = metadata.version) -> int:
    """Check `import cv2`, repair it if a desktop library is missing, return the exit code.

    Args:
        run: What runs a command; the tests put a stand-in here.
        version_of: What tells the installed version of a package.
    """
    error = import_error(run)
    if not error:
        return 0
    library = missing_library(error)
    if not library:
        print(f"error: OpenCV cannot be imported:\n{error}", file=sys.stderr)
        return 1
    try:
        version = version_of("opencv-python")
    except metadata.PackageNotFoundError:
        print(f"error: OpenCV needs {library}: {INSTALL_HINT}", file=sys.stderr)
        return 1
    print(f"OpenCV needs {library}, which this machine lacks:")
    print(f"putting opencv-python-headless {version} in the place of opencv-python.")
    error = replace_with_headless(version, run) or import_error(run)
    if error:
        print(f"error: that did not help ({INSTALL_HINT}):\n{error}", file=sys.stderr)
    return 1 if error else 0


def import_error(run: Run) -> str:
    """What `import cv2` complains about; empty if it works."""
    return failure(run([sys.executable, "-c", "import cv2"]))


def missing_library(error: str) -> str:
    """The desktop library whose absence is the error; empty if it is about something else."""
    found = DESKTOP_LIBRARY.search(error)
    return found[1] if found else ""


def replace_with_headless(version: str, run: Run) -> str:
    """Put the headless package in the place of the other; what went wrong, empty if nothing.

    Both packages own the folder cv2, so both leave before one comes: a headless one that was there
    already has lost files to the other.
    """
    both = ["opencv-python", "opencv-python-headless"]
    return failure(run([*PIP, "uninstall", "--yes", *both])) or failure(
        run([*PIP, "install", "--quiet", "--no-deps", f"opencv-python-headless=={version}"])
    )


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed has printed; empty if it succeeded."""
    if done.returncode == 0:
        return ""
    return done.stderr or done.stdout or f"exit code {done.returncode}"


if __name__ == "__main__":
    sys.exit(main())
