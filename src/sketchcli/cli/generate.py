"""`sketch2img generate`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import options
from sketchcli.errors import DataError, ExitCode


def generate(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A sketch, or a folder of them.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The photo, or a folder for them.")],
    model: options.Model = None,
    device: options.DeviceName = "auto",
    as_json: options.Json = False,
) -> None:
    """Turn a sketch, or a folder of sketches, into photographs."""
    if not source.exists():  # before anything heavy is imported
        raise DataError(f"{source}: no such file or folder", hint="check the path")

    from sketchcli import device as devices
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine.events import Note
    from sketchcli.engine.generating import generate as run
    from sketchcli.engine.runs import find_weights

    with reporting() as report:
        weights = find_weights(model)
        report(Note(f"model: {weights}"))
        place = devices.resolve(device, precision="fp32")
        result = run(source, output, model=weights, device=place, reporter=report)
    emit("generate", result, as_json=as_json)
    if result.failed:
        all_failed = len(result.failed) == len(result.files)
        raise typer.Exit(ExitCode.DATA if all_failed else ExitCode.SOME_FILES_FAILED)
