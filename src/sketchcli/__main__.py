"""`python -m sketchcli` does the same as the command `sketch2img`."""

import contextlib
import os
import sys

from sketchcli import interruption


def run() -> int:
    """Run the command of this process and return its exit code.

    A process that was interrupted, or has trained with others, ends here: Python's normal exit
    would wait for threads or abort, and a second signal would interrupt it with a traceback.
    """
    with interruption.watched():
        with interruption.postponed():  # no library's import is interrupted half-way
            from sketchcli.cli.main import main  # noqa: PLC0415 - takes a while
        code = main()
        together = sys.modules.get("sketchcli.engine.training.distributed")
        if interruption.is_asked() or (together is not None and together.has_joined()):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream may be closed
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
