"""The command `train` once its settings are known: in one process or in each of several."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sketchcli import device as devices
from sketchcli import machine, paths
from sketchcli.cli.progress import reporting
from sketchcli.config import TrainConfig
from sketchcli.data.prepared import PreparedSet
from sketchcli.device import Device
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.preprocessing.preprocess import set_to_train
from sketchcli.engine.results import TrainEstimate, TrainResult
from sketchcli.engine.runs import Run
from sketchcli.engine.training import train as training
from sketchcli.engine.training.checkpointing import set_of
from sketchcli.engine.training.distributed import Ranks, joined
from sketchcli.machine import ProcessRank


@dataclass(frozen=True)
class Request:
    """What to train, and how."""

    config: TrainConfig
    data: Path | None  # name or folder; None: that of the run, else the newest or the demo dataset
    run: Run | None  # the run to resume
    run_dir: Path | None  # the folder if no run is named; None: a new one
    arguments: Sequence[str]  # as the user typed them, from the command's name on
    device: str
    budget: float | None  # seconds
    is_dry: bool  # whether to only estimate the cost


def carry_out(request: Request) -> TrainResult | TrainEstimate | None:
    """Train, or estimate the cost; return the result to print, or None unless in rank 0."""
    place = ProcessRank.from_environment()
    with reporting(is_shown=place.is_first) as report:
        device = devices.resolve(
            request.device, precision=request.config.run.precision, place=place
        )
        with joined(place, device.torch) as ranks:
            chosen = ranks.text_of_first(device.precision)  # each process's probe may differ
            device = dataclasses.replace(device, precision=chosen)
            dataset = ranks.first_before_others(lambda: find_set(request, report))
            report(Note(f"dataset: {dataset.folder}"))
            warn_of_crowding(device, place, report)
            result = answer(request, dataset, device, ranks, report)
    return result if place.is_first else None


def answer(
    request: Request, dataset: PreparedSet, device: Device, ranks: Ranks, report: Reporter
) -> TrainResult | TrainEstimate | None:
    """Return the result of the run, or its estimate, which only the main process makes."""
    folder = request.run.folder if request.run else request.run_dir
    if request.is_dry:
        if not ranks.is_first:
            return None
        nowhere = folder or training.NOWHERE
        return training.dry_run(
            request.config, dataset, run_dir=nowhere, device=device, reporter=report
        )
    words = dataset.description.name, request.config.preset
    folder = folder or paths.unused(paths.runs_home(), *words)
    return training.train(
        request.config,
        dataset,
        run_dir=Path(ranks.text_of_first(str(folder))),
        device=device,
        reporter=report,
        ranks=ranks,
        budget=request.budget,
        command=command_again(request, dataset),
    )


def find_set(request: Request, report: Reporter) -> PreparedSet:
    """Return the dataset to train on."""
    if request.run and request.data is None:
        return set_of(request.run)
    return set_to_train(request.data, report)


def command_again(request: Request, dataset: PreparedSet) -> str:
    """Return the command that trains the same model again."""
    if request.run:
        return invocation_of(request.run, dataset.folder)
    unnamed = None if request.data else dataset.folder
    return invocation(request.arguments, seed=request.config.seed, unnamed=unnamed)


def invocation(arguments: Sequence[str], *, seed: int, unnamed: Path | None) -> str:
    """Return the command that trains the same model again, with its random seed and dataset.

    `unnamed` is the folder of the prepared dataset if the arguments do not name it.

    >>> invocation(["train", "--loss", "lsgan"], seed=3, unnamed=Path("prepared/faces"))
    'sketch2img train prepared/faces --loss lsgan --seed 3'
    """
    verb, *options = arguments
    named = [] if unnamed is None else [paths.named(paths.prepared_home(), unnamed)]
    says_seed = any(word.split("=")[0] == "--seed" for word in options)
    seeded = [] if says_seed else ["--seed", str(seed)]
    return shlex.join(["sketch2img", verb, *named, *options, *seeded])


def invocation_of(run: Run, dataset: Path) -> str:
    """Return the command that trains the model of a resumed run again, from its settings file."""
    name = paths.named(paths.prepared_home(), dataset)
    return shlex.join(["sketch2img", "train", name, "--config", str(run.config)])


def warn_of_crowding(device: Device, place: ProcessRank, report: Reporter) -> None:
    """Warn if the CPU would run more threads than it has cores."""
    if device.torch.type == "cpu":
        warning = machine.crowding(device.threads, processes=place.local_count)
        if warning:
            report(Note(warning, is_warning=True))
