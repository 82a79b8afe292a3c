"""The options of `sketch2img train`, by the panels of its help. None: not given."""

from pathlib import Path
from typing import Annotated

import typer

from sketchcli import config as settings
from sketchcli import machine, registry
from sketchcli.cli import completing, options

WHAT, NETWORKS, LEARNING = "What is trained", "Networks", "Learning"
WHERE, MACHINE, OUTPUT = "Where, and how long", "Machine", "Output"

GENERATORS = ", ".join(registry.names(registry.GENERATORS))
PRESETS = ", ".join(settings.PRESETS)

Data = Annotated[
    Path | None,
    typer.Argument(
        help="A prepared set: name or folder.  \\[default: the newest, or the demo set]",
        autocompletion=completing.prepared_sets,
    ),
]

# -- what is trained
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Where settings start: {PRESETS}.  \\[default: the file's, or modern]",
        autocompletion=completing.presets,
        rich_help_panel=WHAT,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(help="Settings file (.toml, .json) laid over the preset.", rich_help_panel=WHAT),
]
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
InitFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Start from these, and their generator: a file, a run's folder or name.",
        autocompletion=completing.models,
        rich_help_panel=WHAT,
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

# -- networks
Generator = Annotated[
    str | None,
    typer.Option(
        help=f"Generator: {GENERATORS}.",
        autocompletion=completing.of(registry.GENERATORS),
        rich_help_panel=NETWORKS,
    ),
]
Freeze = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Parts of the generator that stay as they are: encode,trunk.0.",
        rich_help_panel=NETWORKS,
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        help=f"Adversarial loss: {', '.join(settings.ADVERSARIAL_LOSSES)}.",
        autocompletion=completing.among(settings.ADVERSARIAL_LOSSES),
        rich_help_panel=NETWORKS,
    ),
]

# -- learning
Epochs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Passes over the pairs.", rich_help_panel=LEARNING),
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Pairs a step.", rich_help_panel=LEARNING)
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="RATE", help="Generator's learning rate.", rich_help_panel=LEARNING
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
Schedule = Annotated[
    str | None,
    typer.Option(
        help=f"How the rate falls: {', '.join(settings.SCHEDULES)}.",
        autocompletion=completing.among(settings.SCHEDULES),
        rich_help_panel=LEARNING,
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
Seed = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=options.SEED_HELP, rich_help_panel=LEARNING),
]

# -- where, and how long
RunDir = Annotated[
    Path | None,
    typer.Option(
        help="The run's folder; the same one again resumes.  \\[default: a new one]",
        rich_help_panel=WHERE,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Fit epochs and schedule into it, and end inside it: 30m, 1h30m.",
        rich_help_panel=WHERE,
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
Patience = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Stop after N measurements without a better score; 0: never.",
        rich_help_panel=WHERE,
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
Precision = Annotated[
    str | None,
    typer.Option(
        help="Numbers to compute with: fp32, bf16, fp16 or auto, whichever is fastest. "
        "\\[default: the preset's: auto, but fp32 for paper]",
        autocompletion=completing.among(machine.PRECISIONS),
        rich_help_panel=MACHINE,
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile", help="torch.compile on both networks.", rich_help_panel=MACHINE
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
Accumulate = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Take a step's pairs in N parts, to save memory.",
        rich_help_panel=MACHINE,
    ),
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
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print settings, parameters, memory and time; train nothing.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[bool, typer.Option("--json", help=options.JSON_HELP, rich_help_panel=OUTPUT)]
