"""Make `import cv2` work on a machine without desktop libraries.

`opencv-python` opens windows and so needs libGL and similar libraries, which a server or a
container often lacks. `opencv-python-headless` is the same release without windows, which
sketch2img never opens. If the first cannot be imported, this script replaces it with the second.
Run it with the Python of the environment to check, after installing sketch2img there:

    .venv/bin/python scripts/check_opencv.py

Afterwards, `pip check` reports that opencv-python, which sketch2img requires, is not installed.
This is harmless: a requirement cannot say "either of these two", and most people have the declared
one. Installing sketch2img again brings it back, so the Makefile runs this check after each install.
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
INSTALL_HINT = "on Debian, run: apt install libgl1 libglib2.0-0 libxcb1"


def run_command(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(run: Run = run_command, version_of: Callable[[str], str] = metadata.version) -> int:
    """Check `import cv2`, repair it if a desktop library is missing, return the exit code."""
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
        print(f"error: OpenCV needs {library}, which is missing; {INSTALL_HINT}", file=sys.stderr)
        return 1
    print(f"OpenCV needs {library}, which this machine lacks:")
    print(f"replacing opencv-python with opencv-python-headless {version}")
    error = replace_with_headless(version, run) or import_error(run)
    if error:
        print(f"error: OpenCV still cannot be used ({INSTALL_HINT}):\n{error}", file=sys.stderr)
    return 1 if error else 0


def import_error(run: Run) -> str:
    """Return the error of `import cv2`, empty if it works."""
    return failure(run([sys.executable, "-c", "import cv2"]))


def missing_library(error: str) -> str:
    """Return the desktop library whose absence is the error, empty if it is another error."""
    found = DESKTOP_LIBRARY.search(error)
    return found[1] if found else ""


def replace_with_headless(version: str, run: Run) -> str:
    """Replace opencv-python with the headless package; return the error, empty if there is none.

    Both own the folder cv2, so both are removed first: one may have overwritten the other's files.
    """
    both = ["opencv-python", "opencv-python-headless"]
    return failure(run([*PIP, "uninstall", "--yes", *both])) or failure(
        run([*PIP, "install", "--quiet", "--no-deps", f"opencv-python-headless=={version}"])
    )


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return the output of a failed command, empty if it succeeded."""
    if done.returncode == 0:
        return ""
    return done.stderr or done.stdout or f"exit code {done.returncode}"


if __name__ == "__main__":
    sys.exit(main())
