"""The entry point, and the one place where errors become messages and exit codes."""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial

import typer

from sketchcli import interruption
from sketchcli.cli.app import app
from sketchcli.cli.progress import printable
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
    with interruption.watched(stopped):
        code = _run(arguments)
    together = sys.modules.get("sketchcli.engine.training.distributed")
    if together is not None and together.has_joined():  # Python's normal exit may abort
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        interruption.check()
        app(args=list(arguments), prog_name="sketch2img", obj=list(arguments))
    except (SystemExit, KeyboardInterrupt) as stop:  # Typer exits after --help or a usage error
        code = int(getattr(stop, "code", ExitCode.INTERRUPTED) or 0)
        if code == ExitCode.INTERRUPTED:
            return _fail(arguments, code, "interrupted")
        # Without --json, the message that Typer has printed is enough.
        if code == ExitCode.USAGE and "--json" in arguments and not _rank(arguments):
            message = "the command line is not valid; stderr says why"
            _print_envelope(arguments, code, message, "add --help")
        return code
    except SketchError as error:
        return _fail(arguments, error.exit_code, error.message, error.hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(arguments, ExitCode.DATA, f"{where}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - last resort: a bug becomes one line
        reason = str(error).partition("\n")[0]
        hint = f"please report this bug with the traceback that {TRACEBACK_VARIABLE}=1 prints"
        return _fail(arguments, ExitCode.BUG, f"bug: {type(error).__name__}: {reason}", hint)
    return ExitCode.OK


def _print_envelope(arguments: Sequence[str], code: int, message: str, hint: str) -> None:
    from sketchcli.cli.render import envelope, failure

    typer.echo(envelope(_verb(arguments), errors=[failure(code, message, hint)]))


def _fail(arguments: Sequence[str], code: int, message: str, hint: str = "") -> int:
    if interruption.is_asked():  # a library may have made another error of it
        interruption.is_reported()
        if code != ExitCode.INTERRUPTED:
            code, message, hint = ExitCode.INTERRUPTED, "interrupted", ""
    if os.environ.get(TRACEBACK_VARIABLE) or not set(VERBOSE).isdisjoint(arguments):
        traceback.print_exc()
    rank = _rank(arguments)
    if rank and code == ExitCode.INTERRUPTED:  # the main process reports it for all
        return code
    whose = f"process {rank}: " if rank else ""
    typer.echo(f"error: {whose}{printable(message)}", err=True)
    if hint:
        steps = map(printable, hint.split("\n"))  # a hint may hold steps, one per line
        typer.echo("hint: " + "\n".join(steps), err=True)
    if "--json" in arguments and not rank:
        _print_envelope(arguments, code, message, hint)
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
