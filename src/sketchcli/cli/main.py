"""The entry point, and the one place where errors become messages and exit codes."""

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from sketchcli.cli.app import app
from sketchcli.cli.render import envelope, error_envelope
from sketchcli.errors import ExitCode, SketchError

TRACEBACK_VARIABLE = "SKETCH2IMG_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments after the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in arguments if not word.startswith("-")), "")
    try:
        app(args=arguments, prog_name="sketch2img", obj=arguments)
    except SystemExit as stop:  # Typer's own end: after --help, a usage error, Ctrl-C
        code = int(stop.code or 0)
        if code == ExitCode.INTERRUPTED:
            typer.echo("stopped", err=True)
        elif code and "--json" in arguments:
            error = {
                "code": code,
                "message": "the command line was not understood",
                "hint": "--help",
            }
            typer.echo(envelope(command, status="error", errors=[error]))
        return code
    except SketchError as error:
        _explain(error.message, error.hint)
        if "--json" in arguments:
            typer.echo(error_envelope(command, error))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: a bug, said in one line
        _explain(
            f"bug: {type(error).__name__}: {error}",
            f"please report it with the output of {TRACEBACK_VARIABLE}=1",
        )
        return ExitCode.BUG
    return ExitCode.OK


def _explain(message: str, hint: str) -> None:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exc()
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
