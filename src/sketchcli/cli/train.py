"""The command `sketch2img train`."""

from collections.abc import Iterable
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

WHAT, NETWORKS, LEARNING = "What to train", "Networks", "Learning"
WHERE, MACHINE, OUTPUT = "Run folder and duration", "Machine", "Output"


def _option(panel: str, about: str, *names: str, **more: Any) -> Any:  # noqa: ANN401 - Typer's own
    return typer.Option(*names, help=about, rich_help_panel=panel, **more)


def _rare(panel: str, about: str, *names: str, **more: Any) -> Any:  # noqa: ANN401
    return _option(panel, about, *names, hidden=True, **more)


def _rare_choice(panel: str, about: str, choices: Iterable[str]) -> Any:  # noqa: ANN401
    names = list(choices)
    return _rare(panel, f"{about}: {', '.join(names)}.", autocompletion=completing.among(names))


# An option that is not given has the value None, and the setting keeps its value. Rare options
# are hidden from `--help`; `--help-all` shows them.


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
        _option(
            WHAT,
            f"Preset to start from: {', '.join(settings.PRESETS)}.  "
            "\\[default: that of --config, or modern]",
            autocompletion=completing.presets,
        ),
    ] = None,
    config: Annotated[
        Path | None, _rare(WHAT, "Settings file (.toml, .json), on top of the preset.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        _option(
            WHAT,
            "Override any setting, for example loss.r1_weight=1. Repeatable.",
            "--set",
            metavar="KEY=VALUE",
            autocompletion=completing.assignments,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        _option(
            WHAT,
            "Start from existing weights (a file, or a run's name or folder) and their generator "
            "architecture.",
            metavar="WEIGHTS",
            autocompletion=completing.models,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        _option(
            WHAT,
            "Resume a run (name or folder) with its settings and dataset.",
            metavar="RUN",
            autocompletion=completing.runs,
        ),
    ] = None,
    generator: Annotated[
        str | None,
        _rare_choice(NETWORKS, "Generator architecture", registry.names(registry.GENERATORS)),
    ] = None,
    freeze: Annotated[
        str | None,
        _rare(
            NETWORKS, "Parts of the generator to freeze, such as encode,trunk.0.", metavar="PARTS"
        ),
    ] = None,
    loss: Annotated[
        str | None, _rare_choice(NETWORKS, "Adversarial loss", settings.ADVERSARIAL_LOSSES)
    ] = None,
    epochs: Annotated[
        int | None, _option(LEARNING, "Passes over training pairs.", min=1, metavar="N")
    ] = None,
    batch_size: Annotated[
        int | None, _option(LEARNING, "Pairs per training step.", min=1, metavar="N")
    ] = None,
    lr: Annotated[
        float | None, _option(LEARNING, "Generator's learning rate.", min=0, metavar="RATE")
    ] = None,
    optimizer: Annotated[
        str | None, _rare_choice(LEARNING, "Optimiser of both networks", settings.OPTIMIZERS)
    ] = None,
    schedule: Annotated[
        str | None, _rare_choice(LEARNING, "Learning rate schedule", settings.SCHEDULES)
    ] = None,
    seed: Annotated[int | None, _option(LEARNING, options.SEED_HELP, min=0, metavar="N")] = None,
    run_dir: Annotated[
        Path | None,
        _option(WHERE, "Folder of the run; an existing run is resumed.  \\[default: a new one]"),
    ] = None,
    budget: Annotated[
        str | None,
        _option(
            WHERE,
            "Time limit, such as 1h30m; epochs and schedule are fitted to it.",
            metavar="TIME",
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        _rare(WHERE, "Epochs between two validations on held-out pairs.", min=1, metavar="N"),
    ] = None,
    patience: Annotated[
        int | None,
        _rare(
            WHERE, "Stop after N validations without a better score; 0: never.", min=0, metavar="N"
        ),
    ] = None,
    device: Annotated[
        str, _option(MACHINE, options.DEVICE_HELP, autocompletion=options.DEVICES)
    ] = "auto",
    precision: Annotated[
        str | None,
        _rare(
            MACHINE,
            "Numeric precision: fp32, bf16, fp16 or auto (the fastest).  "
            "\\[default: that of the preset: auto, but fp32 for paper]",
            autocompletion=completing.among(machine.PRECISIONS),
        ),
    ] = None,
    compile_: Annotated[
        bool | None, _rare(MACHINE, "Use torch.compile for networks.", "--compile/--no-compile")
    ] = None,
    checkpointing: Annotated[
        bool | None,
        _rare(MACHINE, "Recompute activations (gradient checkpointing), to save memory."),
    ] = None,
    accumulate: Annotated[
        int | None,
        _rare(
            MACHINE,
            "Split each batch into N parts and accumulate gradients, to save memory.",
            min=1,
            metavar="N",
        ),
    ] = None,
    tensorboard: Annotated[
        bool | None, _rare(OUTPUT, "Write TensorBoard event files into the run's folder.")
    ] = None,
    is_dry: Annotated[
        bool,
        _option(
            OUTPUT, "Print settings, parameters, memory and time, without training.", "--dry-run"
        ),
    ] = False,
    as_json: Annotated[bool, _option(OUTPUT, options.JSON_HELP, "--json")] = False,
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
        "data": {"batch_size": batch_size, "accumulate": accumulate},
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
