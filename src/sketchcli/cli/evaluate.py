"""The command `sketch2img eval`."""

import errno
import os
from pathlib import Path
from typing import Annotated

import typer

from sketchcli import files, registry
from sketchcli.cli import completing, options
from sketchcli.data import splits
from sketchcli.errors import UsageError, did_you_mean

METRICS = ", ".join(registry.names(registry.METRICS))


def evaluate(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[REAL] GENERATED...",
            help="Folder of real photos, then folders of generated photos; with --data or --model, "
            "only the generated ones.",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            help="Model to evaluate: a weights file, a run (name or folder) or bundled. Repeat to "
            "compare several.  \\[default: the newest finished run, else bundled]",
            autocompletion=completing.models,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Prepared dataset (name or folder).  \\[default: the newest]",
            autocompletion=completing.prepared_sets,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Split to evaluate on: test, val or train.",
            autocompletion=completing.among(splits.SPLITS),
        ),
    ] = "test",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help=f"Metric to compute: {METRICS}. Repeatable.  \\[default: all available]",
            autocompletion=completing.of(registry.METRICS),
        ),
    ] = None,
    size: options.Size = "128",
    allow_trained: Annotated[
        bool, typer.Option("--allow-trained", help="Also score pairs that a model was trained on.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report.  \\[default: a new one in the data folder]"),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write the report, plots and CSV files.")
    ] = True,
    device: options.DeviceName = "auto",
    as_json: options.Json = False,
) -> None:
    """Score models or folders of generated photos against real photos, next to simple baselines.

    --size applies to comparing folders; a prepared dataset has its own size.
    """
    generated = folders or []
    compares_folders = data is None and not model and bool(generated)
    if compares_folders and len(generated) == 1:
        raise UsageError(
            "only one folder was given; real and generated photos are needed",
            hint="run: sketch2img eval REAL GENERATED, or name a dataset with --data",
        )
    if split not in splits.SPLITS:
        raise UsageError(f"unknown split '{split}'", hint=did_you_mean(split, splits.SPLITS))
    pixels = options.parse_size(size)

    from sketchcli import paths
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.cli.verbosity import quick_imports
    from sketchcli.engine.events import Note
    from sketchcli.engine.lookup import find_prepared
    from sketchcli.engine.runs import find_weights, model_note

    wanted: list[Path | None] = [*(model or ())] or ([] if generated else [None])
    models = [find_weights(name) for name in wanted]
    dataset = None if compares_folders else find_prepared(data)
    if report:
        check_writable(out or paths.evaluations_home() / "new")

    with quick_imports():
        from sketchcli import device as devices
        from sketchcli.engine.evaluating import evaluate as evaluating

    places = (out, paths.evaluations_home()) if report else ()
    config = evaluating.EvalConfig(tuple(metric or ()), allow_trained, *places)
    with reporting() as tell:
        if dataset is None:
            real, *others = generated
            result = evaluating.evaluate_folders(real, others, config, size=pixels, reporter=tell)
        else:
            for note in map(model_note, models, wanted):
                tell(note)
            tell(Note(f"dataset: {dataset.folder}"))
            place = devices.resolve(device, precision="fp32")  # keeps scores comparable
            result = evaluating.evaluate_split(
                models, generated, dataset, split, config, device=place, reporter=tell
            )
    emit("eval", result, as_json=as_json)


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made before the work, not after it."""
    with files.writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(folder.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
