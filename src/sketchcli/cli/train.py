"""The command `sketch2img train`."""

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

WHERE, MACHINE, OUTPUT = "Run folder and duration", "Machine", "Output"
Accumulate = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Split each batch into N parts and accumulate gradients, to save memory.",
        rich_help_panel=MACHINE,
    ),
]


# The options of `sketch2img train` have the value None if they are not given.

WHAT, NETWORKS, LEARNING = "What to train", "Networks", "Learning"
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override any setting, for example loss.r1_weight=1. Repeatable.",
        autocompletion=completing.assignments,
        rich_help_panel=WHAT,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Pairs per training step.", rich_help_panel=LEARNING),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time limit, such as 1h30m; epochs and schedule are fitted to it.",
        rich_help_panel=WHERE,
    ),
]
Checkpointing = Annotated[
    bool | None,
    typer.Option(
        "--checkpointing/--no-checkpointing",
        help="Recompute activations (gradient checkpointing), to save memory.",
        rich_help_panel=MACHINE,
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile", help="Use torch.compile for networks.", rich_help_panel=MACHINE
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(help="Settings file (.toml, .json), on top of the preset.", rich_help_panel=WHAT),
]
Data = Annotated[
    Path | None,
    typer.Argument(
        help="Prepared dataset (name or folder).  \\[default: the newest, or the demo dataset]",
        autocompletion=completing.prepared_sets,
    ),
]
DeviceName = Annotated[
    str,
    typer.Option(
        "--device",
        help=options.DEVICE_HELP,
        autocompletion=options.DEVICES,
        rich_help_panel=MACHINE,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print settings, parameters, memory and time, without training.",
        rich_help_panel=OUTPUT,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Passes over training pairs.", rich_help_panel=LEARNING),
]
Freeze = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Parts of the generator to freeze, such as encode,trunk.0.",
        rich_help_panel=NETWORKS,
    ),
]
GENERATORS = ", ".join(registry.names(registry.GENERATORS))
Generator = Annotated[
    str | None,
    typer.Option(
        help=f"Generator architecture: {GENERATORS}.",
        autocompletion=completing.of(registry.GENERATORS),
        rich_help_panel=NETWORKS,
    ),
]
GrowFrom = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="PIXELS",
        help="Image size to start with, doubled up to that of the dataset; 0: off.",
        rich_help_panel=LEARNING,
    ),
]
InitFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Start from existing weights (a file, or a run's name or folder) and their generator "
        "architecture.",
        autocompletion=completing.models,
        rich_help_panel=WHAT,
    ),
]
Json = Annotated[bool, typer.Option("--json", help=options.JSON_HELP, rich_help_panel=OUTPUT)]
Loss = Annotated[
    str | None,
    typer.Option(
        help=f"Adversarial loss: {', '.join(settings.ADVERSARIAL_LOSSES)}.",
        autocompletion=completing.among(settings.ADVERSARIAL_LOSSES),
        rich_help_panel=NETWORKS,
    ),
]
Optimizer = Annotated[
    str | None,
    typer.Option(
        help=f"Optimiser of both networks: {', '.join(settings.OPTIMIZERS)}.",
        autocompletion=completing.among(settings.OPTIMIZERS),
        rich_help_panel=LEARNING,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Stop after N validations without a better score; 0: never.",
        rich_help_panel=WHERE,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Numeric precision: fp32, bf16, fp16 or auto (the fastest).  "
        "\\[default: that of the preset: auto, but fp32 for paper]",
        autocompletion=completing.among(machine.PRECISIONS),
        rich_help_panel=MACHINE,
    ),
]
PRESETS = ", ".join(settings.PRESETS)
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Preset to start from: {PRESETS}.  \\[default: that of --config, or modern]",
        autocompletion=completing.presets,
        rich_help_panel=WHAT,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="RATE", help="Generator's learning rate.", rich_help_panel=LEARNING
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Resume a run (name or folder) with its settings and dataset.",
        autocompletion=completing.runs,
        rich_help_panel=WHAT,
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the run; an existing run is resumed.  \\[default: a new one]",
        rich_help_panel=WHERE,
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        help=f"Learning rate schedule: {', '.join(settings.SCHEDULES)}.",
        autocompletion=completing.among(settings.SCHEDULES),
        rich_help_panel=LEARNING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=options.SEED_HELP, rich_help_panel=LEARNING),
]
TensorBoard = Annotated[
    bool | None,
    typer.Option(
        "--tensorboard/--no-tensorboard",
        help="Write TensorBoard event files into the run's folder.",
        rich_help_panel=OUTPUT,
    ),
]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Epochs between two validations on held-out pairs.",
        rich_help_panel=WHERE,
    ),
]


def train(
    context: typer.Context,
    data: Data = None,
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    init_from: InitFrom = None,
    resume: Resume = None,
    generator: Generator = None,
    freeze: Freeze = None,
    loss: Loss = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    optimizer: Optimizer = None,
    schedule: Schedule = None,
    grow_from: GrowFrom = None,
    seed: Seed = None,
    run_dir: RunDir = None,
    budget: Budget = None,
    validate_every: ValidateEvery = None,
    patience: Patience = None,
    device: DeviceName = "auto",
    precision: Precision = None,
    compile_: Compile = None,
    checkpointing: Checkpointing = None,
    accumulate: Accumulate = None,
    tensorboard: TensorBoard = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a model on a prepared dataset, or resume a run (--resume, or the same --run-dir)."""
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
    """Return the run that `--resume` names; refuse options for another folder or preset."""
    if name is None:
        return None
    other = {"--run-dir": run_dir, "--preset": preset}
    for option, value in other.items():
        if value is not None:
            raise UsageError(
                f"--resume and {option} contradict each other",
                hint="remove one of them; a run has its own folder and settings",
            )
    return find_run(name)
