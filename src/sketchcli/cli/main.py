"""The entry point, and the one place where errors become messages and exit codes."""

import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType

import typer

from sketchcli.cli.app import app
from sketchcli.cli.progress import printable
from sketchcli.cli.render import error_envelope
from sketchcli.cli.verbosity import is_verbose
from sketchcli.errors import ExitCode, SketchError
from sketchcli.machine import ProcessRank

TRACEBACK_VARIABLE = "SKETCH2IMG_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name may be no text, or none in this encoding; so escaped, it is right in JSON.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = _run(arguments)
    together = sys.modules.get("sketchcli.engine.training.distributed")
    if together is not None and together.has_joined():  # Python's own end might abort it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        with _termination_as_interrupt():
            app(args=list(arguments), prog_name="sketch2img", obj=list(arguments))
    except SystemExit as stop:  # Typer's own end: after --help, a usage error, Ctrl-C
        return _after_typer(arguments, int(stop.code or 0))
    except SketchError as error:
        return _fail(arguments, error.exit_code, error.message, error.hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(arguments, ExitCode.DATA, f"{where}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - the last resort: a bug, said in one line
        reason = str(error).partition("\n")[0]
        hint = f"please report it with the output of {TRACEBACK_VARIABLE}=1"
        return _fail(arguments, ExitCode.BUG, f"bug: {type(error).__name__}: {reason}", hint)
    return ExitCode.OK


def _after_typer(arguments: Sequence[str], code: int) -> int:
    if code == ExitCode.INTERRUPTED:
        return _fail(arguments, code, "interrupted")
    # For people, Typer has explained it.
    if code == ExitCode.USAGE and "--json" in arguments and not _rank(arguments):
        message = "the command line was not understood; stderr says why"
        typer.echo(error_envelope(_verb(arguments), code, message, "--help"))
    return code


def _fail(arguments: Sequence[str], code: int, message: str, hint: str = "") -> int:
    if os.environ.get(TRACEBACK_VARIABLE) or is_verbose(arguments):
        traceback.print_exc()
    rank = _rank(arguments)
    if rank and code == ExitCode.INTERRUPTED:  # the first process says it for all
        return code
    whose = f"process {rank}: " if rank else ""
    typer.echo(f"error: {whose}{printable(message)}", err=True)
    if hint:
        steps = map(printable, hint.split("\n"))  # some are steps, one a line
        typer.echo("hint: " + "\n".join(steps), err=True)
    if "--json" in arguments and not rank:
        typer.echo(error_envelope(_verb(arguments), code, message, hint))
    return code


def _rank(arguments: Sequence[str]) -> int:
    """This process's number among those that train together; 0 for the first, and alone."""
    if _verb(arguments) != "train":
        return 0
    with contextlib.suppress(SketchError):
        return ProcessRank.from_environment().rank
    return 0


def _verb(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


@contextlib.contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM clean up as Ctrl-C does; `train` has its own, gentler way with both."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
