"""The command `sketch2img export`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import completing, options


def export(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model to export: a weights file, a run (name or folder) or bundled.",
            autocompletion=completing.models,
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="ONNX file to write.")],
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Export a model to ONNX, for any batch and image size, and compare it with the original."""
    from sketchcli.cli.render import emit
    from sketchcli.cli.verbosity import quick_imports
    from sketchcli.engine.runs import find_weights

    weights = find_weights(model)

    with quick_imports():
        from sketchcli import device as devices
        from sketchcli.engine.generating.onnx import export as run

    place = devices.resolve("cpu", precision="fp32")
    emit("export", run(weights, output, device=place, overwrite=overwrite), as_json=as_json)
