"""`sketch2img train`."""

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

WHERE, MACHINE, OUTPUT = "Where, and how long", "Machine", "Output"
Accumulate = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Take a step's pairs in N parts, to save memory.",
        rich_help_panel=MACHINE,
    ),
]


# The options of `sketch2img train`, by the panels of its help. None: not given.

WHAT, NETWORKS, LEARNING = "What is trained", "Networks", "Learning"
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting, over the file: loss.r1_weight=1. May be given again.",
        autocompletion=completing.assignments,
        rich_help_panel=WHAT,
    ),
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Pairs a step.", rich_help_panel=LEARNING)
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Fit epochs and schedule into it, and end inside it: 30m, 1h30m.",
        rich_help_panel=WHERE,
    ),
]
Checkpointing = Annotated[
    bool | None,
    typer.Option(
        "--checkpointing/--no-checkpointing",
        help="Compute activations twice, to save memory.",
        rich_help_panel=MACHINE,
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile", help="torch.compile on both networks.", rich_help_panel=MACHINE
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(help="Settings file (.toml, .json) laid over the preset.", rich_help_panel=WHAT),
]
Data = Annotated[
    Path | None,
    typer.Argument(
        help="A prepared set: name or folder.  \\[default: the newest, or the demo set]",
        autocompletion=completing.prepared_sets,
    ),
]
# -- machine
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
        help="Print settings, parameters, memory and time; train nothing.",
        rich_help_panel=OUTPUT,
    ),
]
# -- learning
Epochs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Passes over the pairs.", rich_help_panel=LEARNING),
]
Freeze = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Parts of the generator that stay as they are: encode,trunk.0.",
        rich_help_panel=NETWORKS,
    ),
]
GENERATORS = ", ".join(registry.names(registry.GENERATORS))
# -- networks
Generator = Annotated[
    str | None,
    typer.Option(
        help=f"Generator: {GENERATORS}.",
        autocompletion=completing.of(registry.GENERATORS),
        rich_help_panel=NETWORKS,
    ),
]
GrowFrom = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="PIXELS",
        help="Begin with pictures this small, doubled up to the set's size; 0: off.",
        rich_help_panel=LEARNING,
    ),
]
InitFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Start from these, and their generator: a file, a run's folder or name.",
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
        help=f"Of both networks: {', '.join(settings.OPTIMIZERS)}.",
        autocompletion=completing.among(settings.OPTIMIZERS),
        rich_help_panel=LEARNING,
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Stop after N measurements without a better score; 0: never.",
        rich_help_panel=WHERE,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Numbers to compute with: fp32, bf16, fp16 or auto, whichever is fastest. "
        "\\[default: the preset's: auto, but fp32 for paper]",
        autocompletion=completing.among(machine.PRECISIONS),
        rich_help_panel=MACHINE,
    ),
]
PRESETS = ", ".join(settings.PRESETS)
# -- what is trained
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Where settings start: {PRESETS}.  \\[default: the file's, or modern]",
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
        help="Go on with a run (name or folder), its settings and its set.",
        autocompletion=completing.runs,
        rich_help_panel=WHAT,
    ),
]
# -- where, and how long
RunDir = Annotated[
    Path | None,
    typer.Option(
        help="The run's folder; the same one again resumes.  \\[default: a new one]",
        rich_help_panel=WHERE,
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        help=f"How the rate falls: {', '.join(settings.SCHEDULES)}.",
        autocompletion=completing.among(settings.SCHEDULES),
        rich_help_panel=LEARNING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=options.SEED_HELP, rich_help_panel=LEARNING),
]
# -- output
TensorBoard = Annotated[
    bool | None,
    typer.Option(
        "--tensorboard/--no-tensorboard",
        help="Write TensorBoard's events into the run's folder.",
        rich_help_panel=OUTPUT,
    ),
]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Epochs between two measurements on held-out pairs.",
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
