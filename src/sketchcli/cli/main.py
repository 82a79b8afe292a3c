"""The entry point, and the one place where errors become messages and exit codes."""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial

from sketchcli import interruption
from sketchcli.cli.app import app
from sketchcli.cli.streams import ClosedPipeError, guarded, say
from sketchcli.cli.verbosity import VERBOSE
from sketchcli.errors import ExitCode, SketchError
from sketchcli.machine import ProcessRank

TRACEBACK_VARIABLE = "SKETCH2IMG_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    `argv` holds the arguments after the program's name, by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name may not be valid or encodable text; backslash escapes keep the JSON valid.
        sys.stdout.reconfigure(errors="backslashreplace")
    stopped = partial(_fail, arguments, ExitCode.INTERRUPTED, "interrupted")
    with guarded(), interruption.watched(stopped):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        interruption.check()
        app(args=list(arguments), prog_name="sketch2img", obj=list(arguments))
    except (SystemExit, KeyboardInterrupt) as stop:  # Typer exits after --help
        code = int(getattr(stop, "code", ExitCode.INTERRUPTED) or 0)
        return _fail(arguments, code, "interrupted") if code == ExitCode.INTERRUPTED else code
    except ClosedPipeError:
        return ExitCode.CLOSED_PIPE
    except Exception as error:  # noqa: BLE001 - last resort: a bug becomes one line
        return _fail(arguments, *_explained(error))
    return ExitCode.OK


def _explained(error: Exception) -> tuple[int, str, str]:
    """Return an error's exit code, message and hint."""
    if isinstance(error, SketchError):
        return error.exit_code, error.message, error.hint
    if isinstance(error, MemoryError):
        hint = "close other programs, or use smaller images or batches"
        return ExitCode.DEVICE, "out of memory", hint
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = "check the path, its permissions and the free disk space"
        return ExitCode.DATA, f"{where}{error.strerror or error}", hint
    reason = str(error).partition("\n")[0]
    hint = f"please report this bug with the traceback that {TRACEBACK_VARIABLE}=1 prints"
    return ExitCode.BUG, f"bug: {type(error).__name__}: {reason}", hint


def _fail(arguments: Sequence[str], code: int, message: str, hint: str = "") -> int:
    if interruption.is_asked():  # a library may have made another error of it
        interruption.is_reported()
        if code != ExitCode.INTERRUPTED:
            code, message, hint = ExitCode.INTERRUPTED, "interrupted", ""
    if os.environ.get(TRACEBACK_VARIABLE) or not set(VERBOSE).isdisjoint(arguments):
        # Indented, so that no line of a message looks like one of the program's.
        say(*(f" {line}" for line in traceback.format_exc().splitlines()), is_error=True)
    rank = _rank(arguments)
    if rank and code == ExitCode.INTERRUPTED:  # the main process reports it for all
        return code
    whose = f"process {rank}: " if rank else ""
    say(f"error: {whose}{message}", is_error=True)
    if hint:  # it may hold steps, one per line
        say(*f"hint: {hint}".split("\n"), is_error=True)
    if "--json" in arguments and not rank:
        from sketchcli.cli.render import envelope, failure

        text = envelope(_verb(arguments), errors=[failure(code, message, hint)])
        with contextlib.suppress(SketchError, ClosedPipeError):  # stderr says the same
            say(*text.split("\n"))
    return code


def _rank(arguments: Sequence[str]) -> int:
    """Return this process's rank among those that train together; 0 if it trains alone."""
    if _verb(arguments) != "train":
        return 0
    with contextlib.suppress(SketchError):
        return ProcessRank.from_environment().rank
    return 0


def _verb(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")
