"""`sketch2img eval`."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli import errors, registry
from sketchcli.cli import completing, options
from sketchcli.data import splits
from sketchcli.errors import UsageError

METRICS = ", ".join(registry.names(registry.METRICS))


def evaluate(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[REAL] GENERATED...",
            help="Folders of photos: the real ones, then generated ones; with --data or --model "
            "generated ones alone.",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            help="Weights, a run's folder or its name; several are compared.  "
            "\\[default: the newest finished run, else bundled]",
            autocompletion=completing.models,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A prepared set: name or folder.  \\[default: the newest]",
            autocompletion=completing.prepared_sets,
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Which of its splits: test, val or train.",
            autocompletion=completing.among(splits.SPLITS),
        ),
    ] = "test",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help=f"Only these: {METRICS}.  \\[default: all there are]",
            autocompletion=completing.of(registry.METRICS),
        ),
    ] = None,
    size: options.Size = "128",
    allow_trained: Annotated[
        bool, typer.Option("--allow-trained", help="Score pairs that a model was trained on too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report.  \\[default: one below evaluations/ at home]"),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report, plots and CSV.")
    ] = True,
    device: options.DeviceName = "auto",
    as_json: options.Json = False,
) -> None:
    """Score models or folders of photos against the real ones, beside trivial baselines.

    --size holds for two folders; a prepared set has its own.
    """
    generated = folders or []
    compares_folders = data is None and not model and bool(generated)
    if compares_folders and len(generated) == 1:
        raise UsageError(
            "one folder alone cannot be compared",
            hint="eval REAL GENERATED, or eval --data SET GENERATED",
        )
    if split not in splits.SPLITS:
        raise UsageError(
            f"no split is called '{split}'",
            hint=errors.did_you_mean(split, splits.SPLITS, label="one of"),
        )
    pixels = options.parse_size(size)

    from sketchcli import paths
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.cli.verbosity import quick_imports
    from sketchcli.engine.events import Note
    from sketchcli.engine.lookup import find_prepared
    from sketchcli.engine.runs import find_weights

    wanted: list[Path | None] = [*(model or ())] or ([] if generated else [None])
    models = [find_weights(name) for name in wanted]
    dataset = None if compares_folders else find_prepared(data)

    with quick_imports():
        from sketchcli import device as devices
        from sketchcli.engine.evaluating import evaluate as evaluating
        from sketchcli.engine.evaluating.evaluate import EvalConfig

    folder = (out or paths.unused(paths.evaluations_home())) if report else None
    config = EvalConfig(tuple(metric or ()), allow_trained, folder)
    with reporting() as tell:
        if dataset is None:
            real, *others = generated
            result = evaluating.evaluate_folders(real, others, config, size=pixels, reporter=tell)
        else:
            for weights in models:
                tell(Note(f"model: {weights}"))
            tell(Note(f"set: {dataset.folder}"))
            place = devices.resolve(device, precision="fp32")  # figures that others can compare
            result = evaluating.evaluate_split(
                models, generated, dataset, split, config, device=place, reporter=tell
            )
    emit("eval", result, as_json=as_json)
