"""`sketch2img eval`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli.cli import options
from sketchcli.data import splits
from sketchcli.errors import UsageError


def evaluate(
    real: Annotated[Path | None, typer.Argument(help="Folder of real photos.")] = None,
    generated: Annotated[Path | None, typer.Argument(help="Folder of generated photos.")] = None,
    model: options.Model = None,
    data: Annotated[
        Path | None, typer.Option(help="A prepared set: name or folder.  \\[default: the newest]")
    ] = None,
    split: Annotated[str, typer.Option(help="Which of its splits: test, val or train.")] = "test",
    size: options.Size = "128",
    device: options.DeviceName = "auto",
    as_json: options.Json = False,
) -> None:
    """Score a model on a prepared set, or a folder of photos against the real ones.

    --size holds for two folders; a prepared set has its own.
    """
    if (real is None) != (generated is None):
        raise UsageError("one folder alone cannot be compared", hint="eval REAL_DIR GENERATED_DIR")
    if real is not None and (model is not None or data is not None):
        raise UsageError("two folders need no --model and no --data", hint="leave them out")
    if split not in splits.SPLITS:
        raise UsageError(f"no split is called '{split}'", hint=f"one of {', '.join(splits.SPLITS)}")
    pixels = options.parse_size(size)

    from sketchcli import device as devices
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine import evaluating
    from sketchcli.engine.events import Note
    from sketchcli.engine.finding import find_prepared
    from sketchcli.engine.runs import find_weights

    with reporting() as report:
        if real is not None and generated is not None:
            result = evaluating.evaluate_folders(real, generated, size=pixels)
        else:
            weights, dataset = find_weights(model), find_prepared(data)
            report(Note(f"model: {weights}"))
            report(Note(f"set: {dataset.folder}"))
            place = devices.resolve(device, precision="fp32")  # figures that others can compare
            result = evaluating.evaluate_model(
                weights, dataset, split=split, device=place, reporter=report
            )
    emit("eval", result, as_json=as_json)
