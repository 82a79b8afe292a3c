"""The command `sketch2img train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sketchcli import config as settings
from sketchcli import machine, registry
from sketchcli.cli import completing, options
from sketchcli.cli.train_settings import resolve_config
from sketchcli.cli.verbosity import quick_imports
from sketchcli.engine.runs import Run, find_run
from sketchcli.engine.training.budget import parse_duration
from sketchcli.errors import UsageError

WHAT, NETWORKS, LEARNING = map(options.panel, ("What to train", "Networks", "Learning"))
WHERE, MACHINE, OUTPUT = map(options.panel, ("Run folder and duration", "Machine", "Output"))


def _rare_choice(about: str, choices: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of an option that is hidden and lists its choices."""
    shown = f"{about}: {', '.join(choices)}."
    return {"help": shown, "autocompletion": completing.among(choices), "hidden": True}


# An option that is not given has the value None, and the setting keeps its value.


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Prepared dataset (name or folder).  \\[default: the newest, or the demo dataset]",
            autocompletion=completing.prepared_sets,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        WHAT(
            help=f"Preset to start from: {', '.join(settings.PRESETS)}.  "
            "\\[default: that of --config, or modern]",
            autocompletion=completing.among(settings.PRESETS),
        ),
    ] = None,
    config: Annotated[
        Path | None, WHAT(help="Settings file (.toml, .json), on top of the preset.", hidden=True)
    ] = None,
    assignments: Annotated[
        list[str] | None,
        WHAT(
            "--set",
            metavar="KEY=VALUE",
            help="Override any setting, for example loss.r1_weight=1. Repeatable.",
            autocompletion=completing.assignments,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        WHAT(
            metavar="WEIGHTS",
            help="Start from existing weights (a file, or a run's name or folder) and their "
            "generator architecture.",
            autocompletion=completing.models,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        WHAT(
            metavar="RUN",
            help="Resume a run (name or folder) with its settings and dataset.",
            autocompletion=completing.runs,
        ),
    ] = None,
    generator: Annotated[
        str | None,
        NETWORKS(**_rare_choice("Generator architecture", registry.names(registry.GENERATORS))),
    ] = None,
    freeze: Annotated[
        str | None,
        NETWORKS(
            metavar="PARTS",
            help="Parts of the generator to freeze, such as encode,trunk.0.",
            hidden=True,
        ),
    ] = None,
    loss: Annotated[
        str | None, NETWORKS(**_rare_choice("Adversarial loss", settings.ADVERSARIAL_LOSSES))
    ] = None,
    epochs: Annotated[
        int | None, LEARNING(min=1, metavar="N", help="Passes over training pairs.")
    ] = None,
    batch_size: Annotated[
        int | None, LEARNING(min=1, metavar="N", help="Pairs per training step.")
    ] = None,
    lr: Annotated[
        float | None, LEARNING(min=0, metavar="RATE", help="Generator's learning rate.")
    ] = None,
    optimizer: Annotated[
        str | None, LEARNING(**_rare_choice("Optimiser of both networks", settings.OPTIMIZERS))
    ] = None,
    schedule: Annotated[
        str | None, LEARNING(**_rare_choice("Learning rate schedule", settings.SCHEDULES))
    ] = None,
    seed: Annotated[int | None, LEARNING(min=0, metavar="N", help=options.SEED_HELP)] = None,
    run_dir: Annotated[
        Path | None,
        WHERE(help="Folder of the run; an existing run is resumed.  \\[default: a new one]"),
    ] = None,
    budget: Annotated[
        str | None,
        WHERE(
            metavar="TIME", help="Time limit, such as 1h30m; epochs and schedule are fitted to it."
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        WHERE(
            min=1,
            metavar="N",
            help="Epochs between two validations on held-out pairs.",
            hidden=True,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        WHERE(
            min=0,
            metavar="N",
            help="Stop after N validations without a better score; 0: never.",
            hidden=True,
        ),
    ] = None,
    device: Annotated[
        str, MACHINE(help=options.DEVICE_HELP, autocompletion=options.DEVICES)
    ] = "auto",
    precision: Annotated[
        str | None,
        MACHINE(
            help="Numeric precision: fp32, bf16, fp16 or auto (the fastest).  "
            "\\[default: that of the preset: auto, but fp32 for paper]",
            autocompletion=completing.among(machine.PRECISIONS),
            hidden=True,
        ),
    ] = None,
    compile_: Annotated[
        bool | None,
        MACHINE("--compile/--no-compile", help="Use torch.compile for networks.", hidden=True),
    ] = None,
    checkpointing: Annotated[
        bool | None,
        MACHINE(
            help="Recompute activations (gradient checkpointing), to save memory.", hidden=True
        ),
    ] = None,
    accumulate: Annotated[
        int | None,
        MACHINE(
            min=1,
            metavar="N",
            help="Split each batch into N parts and accumulate gradients, to save memory.",
            hidden=True,
        ),
    ] = None,
    tensorboard: Annotated[
        bool | None,
        OUTPUT(help="Write TensorBoard event files into the run's folder.", hidden=True),
    ] = None,
    is_dry: Annotated[
        bool,
        OUTPUT("--dry-run", help="Print epochs, time and memory (-v: settings); train nothing."),
    ] = False,
    as_json: Annotated[bool, OUTPUT("--json", help=options.JSON_HELP)] = False,
) -> None:
    """Train a model on a prepared dataset, or resume a run (--resume, or the same --run-dir)."""
    flags = {
        "epochs": epochs,
        "seed": seed,
        "init_from": init_from,
        "freeze": freeze,
        "model.generator": generator,
        "loss.adversarial": loss,
        "optimizer.name": optimizer,
        "optimizer.lr": lr,
        "optimizer.schedule": schedule,
        "data.batch_size": batch_size,
        "data.accumulate": accumulate,
        "validation.every": validate_every,
        "validation.patience": patience,
        "run.precision": precision,
        "run.compile": compile_,
        "run.checkpointing": checkpointing,
        "run.tensorboard": tensorboard,
    }
    run = run_to_resume(resume, run_dir, preset)
    seconds = None if budget is None else parse_duration(budget)
    chosen = resolve_config(preset, config, flags, assignments=assignments or (), run=run)

    with quick_imports():
        from sketchcli.cli.train_run import train_together

    result = train_together(
        chosen,
        data,
        run=run,
        run_dir=run_dir,
        arguments=context.obj,
        device_name=device,
        budget=seconds,
        is_dry=is_dry,
    )
    if result is not None:
        from sketchcli.cli.render import emit

        emit("train", result, as_json=as_json)


def run_to_resume(name: Path | None, run_dir: Path | None, preset: str | None) -> Run | None:
    """Return the run that `--resume` names; refuse options for another folder or preset."""
    if name is None:
        return None
    for option, value in {"--run-dir": run_dir, "--preset": preset}.items():
        if value is not None:
            raise UsageError(
                f"--resume and {option} contradict each other",
                hint="remove one of them; a run has its own folder and settings",
            )
    return find_run(name)
