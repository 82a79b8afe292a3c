"""`sketch2img doctor`."""

import typer

from sketchcli.cli import options


def doctor(as_json: options.Json = False) -> None:
    """Look at the installation: what is here, what is missing, and whether all verbs can run.

    What it prints can be pasted into a report. Exit code 0: the five verbs can run.
    """
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.doctor.checks import examine

    with reporting() as report:
        found = examine(report)
    emit("doctor", found, as_json=as_json)
    raise typer.Exit(found.exit_code)
