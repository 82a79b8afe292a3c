"""`python -m sketchcli` does the same as the command `sketch2img`."""

import contextlib
import os
import sys

from sketchcli import interruption


def run() -> int:
    """Run the command of this process and return its exit code.

    An interrupted process ends here: Python's normal exit would wait for threads, and a second
    signal would interrupt it with a traceback.
    """
    with interruption.watched():
        with interruption.postponed():  # no library's import is interrupted half-way
            from sketchcli.cli.main import main  # noqa: PLC0415 - takes a while
        code = main()
        if interruption.is_asked():
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
