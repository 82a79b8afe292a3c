"""`sketch2img train`."""

from pathlib import Path
from typing import Any

import typer

from sketchcli.cli import train_options as options
from sketchcli.cli.train_settings import find_run, invocation, invocation_of, resolve_config
from sketchcli.engine.runs import Run
from sketchcli.engine.training.budget import parse_duration
from sketchcli.errors import UsageError


def train(
    context: typer.Context,
    data: options.Data = None,
    preset: options.Preset = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    init_from: options.InitFrom = None,
    resume: options.Resume = None,
    generator: options.Generator = None,
    freeze: options.Freeze = None,
    loss: options.Loss = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    lr: options.Rate = None,
    optimizer: options.Optimizer = None,
    schedule: options.Schedule = None,
    grow_from: options.GrowFrom = None,
    seed: options.Seed = None,
    run_dir: options.RunDir = None,
    budget: options.Budget = None,
    validate_every: options.ValidateEvery = None,
    patience: options.Patience = None,
    device: options.DeviceName = "auto",
    precision: options.Precision = "auto",
    compile_: options.Compile = None,
    checkpointing: options.Checkpointing = None,
    accumulate: options.Accumulate = None,
    tensorboard: options.TensorBoard = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Train a model on a prepared set; with the same --run-dir, or --resume, go on with it."""
    changes: dict[str, Any] = {
        "epochs": epochs,
        "seed": seed,
        "init_from": init_from,
        "freeze": freeze,
        "model": {"generator": generator},
        "loss": {"adversarial": loss},
        "optimizer": {"name": optimizer, "lr": lr, "schedule": schedule},
        "data": {"batch_size": batch_size, "accumulate": accumulate, "grow_from": grow_from},
        "validation": {"every": validate_every, "patience": patience},
        "run": {"compile": compile_, "checkpointing": checkpointing, "tensorboard": tensorboard},
    }
    run = run_to_resume(resume, run_dir, preset)
    seconds = None if budget is None else parse_duration(budget)
    chosen = resolve_config(preset, config, changes, assignments=assignments or (), run=run)

    from sketchcli import device as devices
    from sketchcli.cli.progress import reporting
    from sketchcli.cli.render import emit
    from sketchcli.engine.demo import set_to_train
    from sketchcli.engine.events import Note
    from sketchcli.engine.runs import new_run_dir
    from sketchcli.engine.training.resuming import set_of
    from sketchcli.engine.training.train import dry_run as estimate_run
    from sketchcli.engine.training.train import train as train_model

    with reporting() as report:
        place = devices.resolve(device, precision=precision)
        dataset = set_of(run) if run and data is None else set_to_train(data, report)
        report(Note(f"set: {dataset.folder}"))
        if dry_run:
            estimate = estimate_run(chosen, dataset, device=place, reporter=report)
        else:
            again = (
                invocation_of(run, dataset.folder)
                if run
                else invocation(
                    context.obj, seed=chosen.seed, unnamed=None if data else dataset.folder
                )
            )
            folder = run.folder if run else run_dir
            result = train_model(
                chosen,
                dataset,
                run_dir=folder or new_run_dir(dataset.description.name, chosen.preset),
                device=place,
                reporter=report,
                budget=seconds,
                command=again,
            )
    emit("train", estimate if dry_run else result, as_json=as_json)


def run_to_resume(name: Path | None, run_dir: Path | None, preset: str | None) -> Run | None:
    """The run that `--resume` means.

    Raises:
        UsageError: Another option says where to train, or from which settings to start.
        CheckpointError: There is no such run.
    """
    if name is None:
        return None
    other = {"--run-dir": run_dir, "--preset": preset}
    for option, value in other.items():
        if value is not None:
            raise UsageError(
                f"--resume and {option} contradict one another",
                hint="a run has its own folder and settings: give one of the two",
            )
    return find_run(name)
