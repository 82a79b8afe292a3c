"""What `train` does once its settings are clear: in one process, or in each of several."""

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
    """What the command line asks for.

    Args:
        config: All settings.
        data: The set's name or folder; None: the run's, the newest, or the demo set.
        run: One to go on with.
        run_dir: Where to train otherwise; None: a new folder.
        arguments: As typed.
        device: Its name.
        budget: Seconds.
        is_dry: Whether nothing is trained.
    """

    config: TrainConfig
    data: Path | None
    run: Run | None
    run_dir: Path | None
    arguments: Sequence[str]
    device: str
    budget: float | None
    is_dry: bool


def carry_out(request: Request) -> TrainResult | TrainEstimate | None:
    """Train, or estimate; return what is to be printed: nothing in a process but the first."""
    place = ProcessRank.from_environment()
    with reporting(is_shown=place.is_first) as report:
        device = devices.resolve(
            request.device, precision=request.config.run.precision, place=place
        )
        with joined(place, device.torch) as ranks:
            chosen = ranks.text_of_first(device.precision)  # each one's probe may find another
            device = dataclasses.replace(device, precision=chosen)
            dataset = ranks.first_before_others(lambda: find_set(request, report))
            report(Note(f"set: {dataset.folder}"))
            warn_of_crowding(device, place, report)
            result = answer(request, dataset, device, ranks, report)
    return result if place.is_first else None


def answer(
    request: Request, dataset: PreparedSet, device: Device, ranks: Ranks, report: Reporter
) -> TrainResult | TrainEstimate | None:
    """The run's result, or its estimate, which the first process makes alone."""
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
    """The set to train on."""
    if request.run and request.data is None:
        return set_of(request.run)
    return set_to_train(request.data, report)


def command_again(request: Request, dataset: PreparedSet) -> str:
    """The command that trains the same model again."""
    if request.run:
        return invocation_of(request.run, dataset.folder)
    unnamed = None if request.data else dataset.folder
    return invocation(request.arguments, seed=request.config.seed, unnamed=unnamed)


def invocation(arguments: Sequence[str], *, seed: int, unnamed: Path | None) -> str:
    """The command that trains the same model again, with its set and seed made explicit.

    Args:
        arguments: As typed, from the verb on.
        seed: Of everything drawn at random.
        unnamed: Folder of the prepared set, where the arguments do not name it.

    >>> invocation(["train", "--loss", "lsgan"], seed=3, unnamed=Path("prepared/faces"))
    'sketch2img train prepared/faces --loss lsgan --seed 3'
    """
    verb, *options = arguments
    named = [] if unnamed is None else [paths.named(paths.prepared_home(), unnamed)]
    says_seed = any(word.split("=")[0] == "--seed" for word in options)
    seeded = [] if says_seed else ["--seed", str(seed)]
    return shlex.join(["sketch2img", verb, *named, *options, *seeded])


def invocation_of(run: Run, dataset: Path) -> str:
    """The command that trains a model as a run that was gone on with: from its own settings."""
    name = paths.named(paths.prepared_home(), dataset)
    return shlex.join(["sketch2img", "train", name, "--config", str(run.config)])


def warn_of_crowding(device: Device, place: ProcessRank, report: Reporter) -> None:
    """Say where more threads than cores would compute; a GPU has its own."""
    if device.torch.type == "cpu":
        warning = machine.crowding(device.threads, processes=place.local_count)
        if warning:
            report(Note(warning, is_warning=True))
