"""The command `sketch2img doctor`."""

import typer

from sketchcli.cli import options


def doctor(as_json: options.Json = False) -> None:
    """Check the installation: what is installed or missing, and which commands can run.

    The output fits into a bug report. The exit code is 0 if all five main commands can run.
    """
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.doctor.checks import examine

    with reporting() as report:
        found = examine(report)
    emit("doctor", found, as_json=as_json)
    raise typer.Exit(found.exit_code)
