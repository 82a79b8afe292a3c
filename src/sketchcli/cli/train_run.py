"""The command `train` once its settings are known: in one process or in each of several."""

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from sketchcli import device as devices
from sketchcli import machine, paths
from sketchcli.cli.progress import reporting
from sketchcli.config import TrainConfig
from sketchcli.engine.events import Note
from sketchcli.engine.preprocessing.preprocess import set_to_train
from sketchcli.engine.results import TrainEstimate, TrainResult
from sketchcli.engine.runs import Run
from sketchcli.engine.training import train as training
from sketchcli.engine.training.checkpointing import set_of
from sketchcli.engine.training.distributed import Ranks, joined
from sketchcli.machine import ProcessRank


def train_together(
    config: TrainConfig,
    data: Path | None,
    *,
    run: Run | None,
    run_dir: Path | None,
    arguments: Sequence[str],
    device_name: str,
    budget: float | None,
    is_dry: bool,
) -> TrainResult | TrainEstimate | None:
    """Train, or only estimate the cost, in each of the processes that torchrun has started.

    The dataset is `data`, a name or folder, else that of the run to resume, else the newest one or
    the demo dataset. The folder is that of the run, else `run_dir`, else a new one. `arguments` are
    those that the user typed, from the command's name on; `budget` is in seconds. The result is
    None except in the main process.
    """
    place = ProcessRank.from_environment()
    with reporting(is_shown=place.is_first) as report:
        device = devices.resolve(device_name, precision=config.run.precision, place=place)
        with joined(place, device.torch) as ranks:
            # Each process's probe may find another precision.
            device = dataclasses.replace(device, precision=ranks.text_of_first(device.precision))
            dataset = ranks.first_before_others(
                lambda: set_of(run) if run and data is None else set_to_train(data, report)
            )
            report(Note(f"dataset: {dataset.folder}"))
            if device.torch.type == "cpu" and (
                warning := machine.crowding(device.threads, processes=place.local_count)
            ):
                report(Note(warning, is_warning=True))
            folder = run.folder if run else run_dir
            if is_dry:
                if not ranks.is_first:
                    return None
                folder = folder or training.NOWHERE
                return training.dry_run(
                    config, dataset, run_dir=folder, device=device, reporter=report, budget=budget
                )
            name = dataset.description.name
            is_named = data is not None
            with new_folder(ranks, folder, name, config.preset) as chosen:
                result = training.train(
                    config,
                    dataset,
                    run_dir=chosen,
                    device=device,
                    reporter=report,
                    ranks=ranks,
                    budget=budget,
                    command=invocation(
                        arguments, run, dataset.folder, config.seed, is_named=is_named
                    ),
                )
    return result if place.is_first else None


@contextlib.contextmanager
def new_folder(ranks: Ranks, chosen: Path | None, *words: str) -> Iterator[Path]:
    """Provide the chosen folder, or a new one, which goes again if the block leaves it empty."""
    made = paths.unused(paths.runs_home(), *words) if not chosen and ranks.is_first else None
    try:
        yield Path(ranks.text_of_first(str(chosen or made)))
    finally:
        if made is not None:
            with contextlib.suppress(OSError):  # it is not empty
                made.rmdir()


def invocation(
    arguments: Sequence[str], run: Run | None, dataset: Path, seed: int, *, is_named: bool
) -> str:
    """Return the command that trains the same model again, with its random seed and dataset.

    That of a resumed run takes its settings file. `is_named`: whether the arguments name the
    dataset.

    >>> invocation(["train", "--epochs", "3"], None, Path("prepared/faces"), 5, is_named=False)
    'sketch2img train prepared/faces --epochs 3 --seed 5'
    """
    name = paths.named(paths.prepared_home(), dataset)
    if run:
        return shlex.join(["sketch2img", "train", name, "--config", str(run.config)])
    verb, *options = arguments
    named = [] if is_named else [name]
    says_seed = any(word.split("=")[0] == "--seed" for word in options)
    seeded = [] if says_seed else ["--seed", str(seed)]
    return shlex.join(["sketch2img", verb, *named, *options, *seeded])
