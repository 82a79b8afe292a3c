"""`train`: the loop, from an empty run folder, or from where the last one stopped."""

import dataclasses
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sketchcli import files
from sketchcli.config import TrainConfig
from sketchcli.data.prepared import PreparedSet
from sketchcli.device import Device
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.reporting.tensorboard import also_written
from sketchcli.engine.results import TrainEstimate, TrainResult
from sketchcli.engine.runs import Run, open_run
from sketchcli.engine.training import finishing, resuming
from sketchcli.engine.training.estimating import estimate
from sketchcli.engine.training.loop import train_epochs
from sketchcli.engine.training.memory import telling_what_fits
from sketchcli.engine.training.networks import what_can_be_had
from sketchcli.engine.training.planning import open_in_time
from sketchcli.engine.training.ranks import ALONE, Ranks
from sketchcli.engine.training.session import Session
from sketchcli.models.building import spelled_out

NOWHERE = Path(os.devnull)  # in the place of a run's folder: nothing is in it


def dry_run(
    config: TrainConfig,
    dataset: PreparedSet,
    *,
    run_dir: Path = NOWHERE,
    device: Device,
    reporter: Reporter = SILENT,
) -> TrainEstimate:
    """What a run would cost; nothing is written.

    Args:
        config: All settings.
        dataset: The prepared pairs.
        run_dir: The folder of a run that would be gone on with.
        device: Where it would be computed.
        reporter: Told of what cannot be had.

    Raises:
        UsageError: The settings do not fit the set.
        DataError: The set has nothing to train on.
        DeviceError: The GPU's memory is not enough.
    """
    run = Run(run_dir)
    chosen = _begun(run, config, dataset, reporter)
    device = resuming.precision_as_begun(run, device, reporter)
    session = Session(chosen, dataset, run=run, device=device, ranks=ALONE, reporter=reporter)
    with telling_what_fits(session):
        return estimate(session)


def train(
    config: TrainConfig,
    dataset: PreparedSet,
    *,
    run_dir: Path,
    device: Device,
    reporter: Reporter = SILENT,
    ranks: Ranks = ALONE,
    budget: float | None = None,
    command: str = "sketch2img train",
) -> TrainResult:
    """Train a model, or go on with it where the run folder holds a state.

    Args:
        config: All settings.
        dataset: The prepared pairs.
        run_dir: Where everything goes; the same folder again resumes.
        device: Where to compute, and with which numbers.
        reporter: Told of every batch and epoch.
        ranks: The processes that train together; each calls this function.
        budget: Seconds that the run may take; its epochs are fitted into them.
        command: What was typed, for the report.

    Raises:
        CheckpointError: The folder's run has other settings or other data.
        DataError: Nothing to train on, or the folder cannot be written, or is being trained in.
        DeviceError: The GPU's memory is not enough.
        UsageError: The settings do not fit the set or the processes, or need what is not installed.
        InterruptedRunError: The user stopped it; the state is saved.
        TrainingError: The losses stay infinite or NaN; the last good state is kept.
    """
    started, run = time.monotonic(), open_run(run_dir)
    is_followed = config.run.tensorboard and ranks.is_first
    with (
        ranks.first_only(files.locked(run_dir, doing="trained")),
        also_written(reporter, run.folder, is_wanted=is_followed) as report,
    ):
        open_session = partial(
            Session,
            dataset=dataset,
            run=run,
            device=resuming.precision_as_begun(run, device, report),
            ranks=ranks,
            reporter=report,
            ends_at=None if budget is None else started + budget - resuming.seconds_spent(run),
        )
        begun = _begun(run, config, dataset, ranks.first_report(report))
        return _trained(open_session, begun, command, is_timed=budget is not None)


def _begun(run: Run, config: TrainConfig, dataset: PreparedSet, report: Reporter) -> TrainConfig:
    """The settings that a run was begun with, or is begun with now."""
    size = dataset.description.size
    return resuming.settings_as_begun(run, config) or what_can_be_had(config, size, report)


def _trained(
    open_session: Callable[[TrainConfig], Session],
    config: TrainConfig,
    command: str,
    *,
    is_timed: bool,
) -> TrainResult:
    config = dataclasses.replace(config, model=spelled_out(config.model))
    session = open_in_time(open_session, config) if is_timed else open_session(config)
    session.begin()
    with telling_what_fits(session):
        train_epochs(session)
    return finishing.finish(session, command=command)
