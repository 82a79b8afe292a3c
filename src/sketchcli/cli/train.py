"""`sketch2img train`."""

from pathlib import Path
from typing import Any

import typer

from sketchcli.cli import train_options as options
from sketchcli.cli.quick_imports import quick_imports
from sketchcli.cli.train_settings import resolve_config
from sketchcli.engine.runs import Run, find_run
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
    precision: options.Precision = None,
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
        "run": {
            "precision": precision,
            "compile": compile_,
            "checkpointing": checkpointing,
            "tensorboard": tensorboard,
        },
    }
    run = run_to_resume(resume, run_dir, preset)
    seconds = None if budget is None else parse_duration(budget)
    chosen = resolve_config(preset, config, changes, assignments=assignments or (), run=run)

    with quick_imports():
        from sketchcli.cli.train_run import Request, carry_out

    request = Request(
        chosen,
        data=data,
        run=run,
        run_dir=run_dir,
        arguments=context.obj,
        device=device,
        budget=seconds,
        is_dry=dry_run,
    )
    result = carry_out(request)
    if result is not None:
        from sketchcli.cli.render import emit

        emit("train", result, as_json=as_json)


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
