"""`sketch2img train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sketchcli import config as settings
from sketchcli import registry
from sketchcli.cli import options

if TYPE_CHECKING:
    from sketchcli.config import TrainConfig

GENERATORS = ", ".join(registry.names(registry.GENERATORS))
PRESETS = ", ".join(settings.PRESETS)


def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A prepared set: name or folder.  \\[default: the newest, or the demo set]"
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=f"Where settings start: {PRESETS}.  \\[default: the file's, or modern]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings file (.toml, .json) laid over the preset.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the pairs.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pairs a step.")] = None,
    lr: Annotated[float | None, typer.Option(min=0, help="Generator's learning rate.")] = None,
    generator: Annotated[str | None, typer.Option(help=f"Generator: {GENERATORS}.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of everything drawn at random.")
    ] = None,
    device: options.DeviceName = "auto",
    precision: Annotated[
        str, typer.Option(help="auto (whichever is quicker), fp32, bf16.")
    ] = "auto",
    run_dir: Annotated[
        Path | None,
        typer.Option(help="The run's folder; the same one again resumes.  \\[default: a new one]"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train a model on a prepared set; with --run-dir, the same command again goes on."""
    changes: dict[str, Any] = {
        "epochs": epochs,
        "seed": seed,
        "data": {"batch_size": batch_size},
        "optimizer": {"lr": lr},
        "model": {"generator": generator},
    }
    chosen = resolve_config(preset, config, changes)

    from sketchcli import device as devices
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine import training
    from sketchcli.engine.demo import set_to_train
    from sketchcli.engine.events import Note
    from sketchcli.engine.runs import new_run_dir

    with reporting() as report:
        place = devices.resolve(device, precision=precision)
        dataset = set_to_train(data, report)
        report(Note(f"set: {dataset.folder}"))
        result = training.train(
            chosen,
            dataset,
            run_dir=run_dir or new_run_dir(dataset.description.name, chosen.preset),
            device=place,
            reporter=report,
        )
    emit("train", result, as_json=as_json)


def resolve_config(preset: str | None, file: Path | None, flags: dict[str, Any]) -> "TrainConfig":
    """Preset, then settings file, then flags; a flag that is None was not given.

    The preset is the flag's, else the file's, else the default one.

    Raises:
        UsageError: Unknown preset, or settings that do not exist or do not fit.
    """
    from_file = {} if file is None else settings.read_file(file)
    chosen = settings.preset(preset or from_file.get("preset", settings.TrainConfig.preset))
    chosen = settings.merge(chosen, from_file | {"preset": chosen.preset})
    return settings.merge(chosen, _given(flags))


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    nested = {key: _given(v) if isinstance(v, dict) else v for key, v in flags.items()}
    return {key: value for key, value in nested.items() if value is not None and value != {}}
