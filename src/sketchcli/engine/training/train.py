"""`train` and `train --dry-run`: start, resume, estimate or finish a run.

The epochs are fitted into a time budget; if memory runs out, the error says what would fit.
"""

import contextlib
import dataclasses
import gc
import os
import platform
import shlex
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from sketchcli import __version__, files
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data.prepared import PreparedSet, StoredSplit
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.evaluating import references
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.reporting import run_report
from sketchcli.engine.reporting.tensorboard import also_written
from sketchcli.engine.results import TrainEstimate, TrainResult
from sketchcli.engine.runs import Run, open_run
from sketchcli.engine.training import checkpointing, loop
from sketchcli.engine.training.budget import duration, epochs_that_fit
from sketchcli.engine.training.checkpointing import epochs_planned
from sketchcli.engine.training.distributed import ALONE, Ranks
from sketchcli.engine.training.loop import train_epochs
from sketchcli.engine.training.networks import what_can_be_had
from sketchcli.engine.training.session import Session
from sketchcli.errors import DeviceError
from sketchcli.models.building import count_parameters, spelled_out

NOWHERE = Path(os.devnull)  # stands for the folder of a new run, and contains nothing


def dry_run(
    config: TrainConfig,
    dataset: PreparedSet,
    *,
    run_dir: Path = NOWHERE,
    device: Device,
    reporter: Reporter = SILENT,
) -> TrainEstimate:
    """Estimate the cost of a new run, or of resuming the one in `run_dir`; write nothing."""
    run = Run(run_dir)
    chosen = _begun(run, config, dataset, reporter)
    device = checkpointing.precision_as_begun(run, device, reporter)
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
    """Train a model, or resume its run if the run folder holds a training state.

    Each of the processes in `ranks` calls this function. The epochs are chosen to fit into the
    `budget`, in seconds. The report shows the `command` that the user typed.

    Raises:
        InterruptedRunError: If the user stopped the run; the training state is saved.
        TrainingError: If the losses stay NaN or infinite; the last good training state is kept.
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
            device=checkpointing.precision_as_begun(run, device, report),
            ranks=ranks,
            reporter=report,
            ends_at=None if budget is None else started + budget - checkpointing.seconds_spent(run),
        )
        begun = _begun(run, config, dataset, ranks.first_report(report))
        return _trained(open_session, begun, command, is_timed=budget is not None)


def _begun(run: Run, config: TrainConfig, dataset: PreparedSet, report: Reporter) -> TrainConfig:
    """Return the settings to resume a run with, or to start a new run with."""
    size = dataset.description.size
    return checkpointing.settings_as_begun(run, config) or what_can_be_had(config, size, report)


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
    return finish(session, command=command)


# Before a run with a time budget starts, its epochs are fitted into the budget.

STEPS = 4  # timed steps; the first one warms up the device and does not count


def open_in_time(open_session: Callable[[TrainConfig], Session], config: TrainConfig) -> Session:
    """Open a session whose epochs fit into its time limit; a resumed run keeps its plan.

    A first session is used to time a few steps and then discarded.
    """
    trial = open_session(config)
    with telling_what_fits(trial):
        trial.step_seconds = seconds_a_step(trial)
        trial.measure()
    planned = epochs_planned(trial.run)
    if planned is None:
        left = (trial.ends_at or 0.0) - time.monotonic()
        agreed = trial.ranks.as_first({"epochs": epochs_that_fit(left, trial.costs())})
        planned = int(agreed["epochs"])
        trial.watch.note(
            f"{planned} {'epochs fit' if planned > 1 else 'epoch fits'} in the remaining time "
            f"({trial.step_seconds:.2f} s per step of {trial.batch_size} pairs)"
        )
    trial.release()  # the GPU need not hold both sessions
    session = open_session(dataclasses.replace(config, epochs=planned))
    session.step_seconds = trial.step_seconds
    session.measurement_seconds = trial.measurement_seconds
    return session


def seconds_a_step(session: Session) -> float:
    """Return the shortest time of a few trial steps, which change the session's networks."""
    pairs = session.training.take(session.pairs.trained[: session.batch_size])
    took = []
    for number in range(STEPS):
        started = time.monotonic()
        part = loop.prepare(session, pairs, 1.0)
        share = part.rows(*session.ranks.rows(len(part)))
        session.trainer.step(list(share.split(session.config.data.accumulate)), number)
        took.append(time.monotonic() - started)
    return min(took[1:])


# `train --dry-run` estimates the cost of a run from a few steps and leaves nothing behind.

MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "adagrad": 1}  # values per weight in the optimiser
FLOAT = 4  # bytes


def estimate(session: Session) -> TrainEstimate:
    """Estimate the time and memory of a session's run from a few steps, which are discarded.

    Memory comprises weights, EMA weights, gradients, moments and the activations that the networks
    store for one step; library buffers come on top.
    """
    trainer, config = session.trainer, session.config
    generator = count_parameters(trainer.generator)
    discriminator = count_parameters(trainer.discriminator)
    copies = 2 + MOMENTS[config.optimizer.name]  # weights, gradients and moments
    of_weights = FLOAT * (copies * (generator + discriminator) + generator)
    activations = _activations(session)
    step = seconds_a_step(session)
    session.measure()
    steps = session.batches * config.epochs
    height, width = session.dataset.description.size
    return TrainEstimate(
        dataset=session.dataset.description.name,
        pairs=len(session.pairs.trained),
        held_out=len(session.pairs.looked_at) if session.pairs.is_held_out else 0,
        size=(height, width),
        generator_parameters=generator,
        discriminator_parameters=discriminator,
        steps=steps,
        seconds_a_step=round(step, 3),
        seconds=round(
            steps * step + config.epochs / config.validation.every * session.measurement_seconds
        ),
        memory_megabytes=round((of_weights + activations) / 2**20),
        device=session.device.name,
        precision=session.device.precision,
        settings=settings.to_toml(config),
    )


def _activations(session: Session) -> int:
    """Return the bytes that the networks store for one part of a batch until the backward pass."""
    rows = session.pairs.trained[: session.batch_size]
    whole = loop.prepare(session, session.training.take(rows), 1.0)
    part = next(whole.split(session.config.data.accumulate))
    trainer = session.trainer
    drawing = kept_bytes(trainer.generator, lambda: trainer.generate(part.sketch, part.photo))
    judging = kept_bytes(
        trainer.discriminator, lambda: trainer.discriminator(part.sketch, part.photo)
    )
    return drawing + 2 * judging  # one update covers both real and generated photos


def kept_bytes(network: nn.Module, run: Callable[[], object]) -> int:
    """Return the bytes that autograd stores while `run` is called, without the parameters."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = run()
    del kept
    return sum(sizes.values())


# If a device's memory is full, trial steps show which settings would fit.


@contextlib.contextmanager
def telling_what_fits(session: Session) -> Iterator[None]:
    """If memory runs out in the block, raise DeviceError with how much of a batch would fit.

    The session is unusable afterwards; its last training state is on the disk.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # the frames keep the step's tensors alive
        cause = error
    else:
        return
    share = len(range(*session.ranks.rows(session.batch_size)))
    count = min(session.config.data.accumulate, share)
    fitting = first_that_fits(share, count, lambda parts: _fits(session, parts))
    raise _explained(session, share, count, fitting) from cause


def first_that_fits(share: int, start: int, fits: Callable[[int], bool]) -> int | None:
    """Return the first number of parts that fits; None if not even single pairs fit.

    The first number tried is `start`, which is then doubled; `share` is the number of pairs.

    >>> first_that_fits(12, 1, lambda parts: parts >= 3)
    4
    >>> first_that_fits(3, 1, lambda parts: parts >= 3)
    3
    """
    count = start
    while True:
        if fits(count):
            return count
        if count >= share:
            return None
        count = min(2 * count, share)


def _fits(session: Session, count: int) -> bool:
    """Return whether two steps in `count` parts fit; optimisers allocate memory in the first.

    Other processes are not waited for, as they may have had enough memory.
    """
    session.release()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        trainer = session.new_trainer(ALONE)
        pairs = session.training.take(session.pairs.trained[: session.batch_size])
        share = loop.prepare(session, pairs, 1.0).rows(*session.ranks.rows(len(pairs)))
        for number in range(2):
            trainer.step(list(share.split(count)), number * session.config.loss.r1_every)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _explained(session: Session, share: int, count: int, fitting: int | None) -> DeviceError:
    """Return an error that states what does not fit and what to do.

    The process took its `share` pairs of a batch in `count` parts; `fitting` parts would fit, or
    not even single pairs if `fitting` is None.
    """
    name, tried = session.device.name, -(-share // count)
    if fitting == count:
        again = session.command_to_go_on() if session.run.states else "the same command again"
        return DeviceError(
            f"{name}: out of memory, although {tried} pairs at a time fit into the memory now free",
            hint=f"close other programs that use this device, then run: {again}",
        )
    message = f"{name}: out of memory with {tried} pairs at a time; "
    message += "not even one pair fits" if fitting is None else f"{-(-share // fitting)} fit"
    if session.run.states:
        return DeviceError(message, hint=_cure_of_begun(session, count, fitting))
    return DeviceError(message, hint=_cure(session, share, fitting))


def _cure(session: Session, share: int, fitting: int | None) -> str:
    """Return a hint for a run without a training state, all of whose settings may change."""
    if fitting is not None:
        return (
            f"add --accumulate {fitting} to keep the batch size of {session.batch_size}, or "
            f"reduce it with --batch-size {-(-share // fitting) * session.ranks.count}"
        )
    cures = ["prepare smaller images", "choose narrower networks"]
    if not session.config.run.checkpointing:
        cures.insert(0, "add --checkpointing")
    return ", or ".join(cures)


def _cure_of_begun(session: Session, count: int, fitting: int | None) -> str:
    """Return a hint for a run with a training state, which fixes its batch size and networks."""
    begun, run = session.config, session.config.run
    session.config = dataclasses.replace(begun, run=dataclasses.replace(run, checkpointing=True))
    if not run.checkpointing and _fits(session, count):
        return f"to resume, run: {session.command_to_go_on()} --checkpointing"
    if fitting is None:
        return "start a new run with smaller images or narrower networks"
    weights = shlex.quote(str(session.run.folder))
    return (
        "the batch size of an existing run cannot change; start a new run in another folder with "
        f"--init-from {weights} --accumulate {fitting}"
    )


# A run ends by writing its checkpoint, its report, its model card and its result.

MODEL = "this model"
BASELINE_PAIRS = 2000  # training pairs that the baselines use, limited to save memory


def finish(session: Session, *, command: str) -> TrainResult:
    """Write the last files of a finished run and return its result.

    `command` is the command that reproduces the run.
    """
    run, progress = session.run, session.progress
    if session.ranks.is_first:
        if not any(run.samples.iterdir()):  # the user may have deleted them
            epoch = session.epochs_done - 1
            session.watch.take_in(epoch, session.measure(), session.trainer, progress)
        session.save(is_end=True)
    session.ranks.wait()
    result = summary(session)
    if session.ranks.is_first:
        tell(session, result, command)
        values = dataclasses.asdict(result)
        plain = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        files.write_json(run.result, plain)
    return result


def tell(session: Session, result: TrainResult, command: str) -> None:
    """Write the report and the model card."""
    run, figures = session.run, compared(session)
    about = session.checkpointer.about(session.progress)
    height, width = session.dataset.description.size
    run_report.write(
        run.report,
        name=run.folder.name,
        facts={
            "dataset": f"{result.dataset}, {about['dataset']['training_pairs']:,} training pairs",
            "images": f"{width}x{height} px, {result.images_seen:,} seen",
            "epochs": f"{result.epochs} in {duration(result.seconds)}",
            "best epoch": str(result.best_epoch or "no held-out pairs"),
            "skipped steps": f"{result.skipped} (NaN or infinite values)",
        },
        command=command,
        settings=settings.to_toml(session.config),
        environment=environment(session),
        log=session.watch.lines,
        samples=run.sampled(),
        figures=figures,
    )
    run_report.write_card(
        run.card, name=run.folder.name, about=about, figures=figures, command=command
    )


def compared(session: Session) -> dict[str, dict[str, float]]:
    """Return the scores of the model and of the baselines on the held-out pairs."""
    if not session.progress.scores:
        return {}
    validator = session.watch.validator
    held_out = StoredSplit.of(validator.pairs)
    training = StoredSplit.of(session.training.take(session.pairs.trained[:BASELINE_PAIRS]))
    rows = range(len(held_out))
    others = {
        "mean training photo": references.mean_photo(training),
        "nearest sketch's photo": references.nearest_photo(training, held_out),
        "the sketch itself": references.sketch_itself(held_out),
    }
    found = {MODEL: session.progress.scores}
    for name, read in others.items():
        found[name] = validator.scores(read(rows), validator.pairs.photos)
    return found


def environment(session: Session) -> dict[str, str]:
    """Return the versions and the hardware that a run was trained with."""
    return {
        "sketch2img": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": session.device.describe(),
        "processes": str(session.ranks.count),
    }


def summary(session: Session) -> TrainResult:
    """Return the result of a finished run."""
    run, progress = session.run, session.progress
    epochs = [line for line in session.watch.lines if line["kind"] == "epoch"]
    last = epochs[-1] if epochs else {}  # the user may have deleted the log of a finished run
    return TrainResult(
        run_dir=run.folder,
        weights=run.weights,
        best=run.best if run.best.exists() else None,
        samples=run.sampled()[-1],
        curves=run.curves,
        report=run.report,
        card=run.card,
        dataset=session.dataset.description.name,
        epochs=session.epochs_done,
        images_seen=progress.images_seen,
        seconds=round(progress.seconds, 1),
        generator_loss=last.get("generator_loss"),
        discriminator_loss=last.get("discriminator_loss"),
        scores=progress.scores,
        best_epoch=progress.best_epoch,
        skipped=progress.skipped,
    )
