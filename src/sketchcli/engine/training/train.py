"""`train`: the loop, from an empty run folder, or from where the last one stopped."""

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
from sketchcli.engine.reporting.run_report import RunStory, model_card, page
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
            device=checkpointing.precision_as_begun(run, device, report),
            ranks=ranks,
            reporter=report,
            ends_at=None if budget is None else started + budget - checkpointing.seconds_spent(run),
        )
        begun = _begun(run, config, dataset, ranks.first_report(report))
        return _trained(open_session, begun, command, is_timed=budget is not None)


def _begun(run: Run, config: TrainConfig, dataset: PreparedSet, report: Reporter) -> TrainConfig:
    """The settings that a run was begun with, or is begun with now."""
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


# Fitting a run into a time, before it begins.

STEPS = 4  # that are timed; the first one also warms up, and does not count


def open_in_time(open_session: Callable[[TrainConfig], Session], config: TrainConfig) -> Session:
    """A session whose epochs fit into the time that it has.

    A run that is gone on with keeps its plan, and looks after it.

    Args:
        open_session: Makes a session; a first one is thrown away after some steps, which show how
            long they take.
        config: All settings.
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
            f"{planned} {'epochs fit' if planned > 1 else 'epoch fits'} into the time that is left "
            f"({trial.step_seconds:.2f} s a step of {trial.batch_size} pairs)"
        )
    trial.release()  # a GPU need not hold both
    session = open_session(dataclasses.replace(config, epochs=planned))
    session.step_seconds = trial.step_seconds
    session.measurement_seconds = trial.measurement_seconds
    return session


def seconds_a_step(session: Session) -> float:
    """What a step takes here and now; the session's networks are changed by trying."""
    pairs = session.training.take(session.pairs.trained[: session.batch_size])
    took = []
    for number in range(STEPS):
        started = time.monotonic()
        part = loop.prepare(session, pairs, 1.0)
        share = part.rows(*session.ranks.rows(len(part)))
        session.trainer.step(list(share.split(session.config.data.accumulate)), number)
        took.append(time.monotonic() - started)
    return min(took[1:])


# `train --dry-run`: what a run would cost, without leaving anything behind.

MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "adagrad": 1}  # that an optimiser keeps of a weight
FLOAT = 4  # bytes


def estimate(session: Session) -> TrainEstimate:
    """What the run of a session would take: a few steps are trained, and thrown away.

    Memory is that of weights, their average, gradients, moments, and of the activations that the
    networks keep for one step; buffers of the libraries come on top.
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
    """Bytes that the networks keep of one step's parts until their gradients are known."""
    rows = session.pairs.trained[: session.batch_size]
    whole = loop.prepare(session, session.training.take(rows), 1.0)
    part = next(whole.split(session.config.data.accumulate))
    trainer = session.trainer
    drawing = kept_bytes(trainer.generator, lambda: trainer.generate(part.sketch, part.photo))
    judging = kept_bytes(
        trainer.discriminator, lambda: trainer.discriminator(part.sketch, part.photo)
    )
    return drawing + 2 * judging  # real and generated photos are judged before one update


def kept_bytes(network: nn.Module, run: Callable[[], object]) -> int:
    """Bytes that autograd keeps while `run` is called, its parameters left out."""
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


# What to change where a device's memory is full: found by trying.


@contextlib.contextmanager
def telling_what_fits(session: Session) -> Iterator[None]:
    """Where memory runs out inside, find out how much of a batch fits, and say so.

    The session is of no use afterwards; its last state is on the disk.

    Raises:
        DeviceError: The memory was not enough.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold on to what the step had computed
        cause = error
    else:
        return
    share = len(range(*session.ranks.rows(session.batch_size)))
    count = min(session.config.data.accumulate, share)
    fitting = first_that_fits(share, count, lambda parts: _fits(session, parts))
    raise _explained(session, share, count, fitting) from cause


def first_that_fits(share: int, start: int, fits: Callable[[int], bool]) -> int | None:
    """In how few parts a process can take its share of a batch; None: not even one by one.

    Args:
        share: Pairs.
        start: Parts to begin with; then twice as many, and so on.
        fits: Whether a step in so many parts has the memory that it needs.

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
    """Whether two steps in so many parts have enough memory: optimisers take theirs in the first.

    Other processes are not waited for: they may have had enough.
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
    """What does not fit, and what to do.

    Args:
        session: Of no use any more.
        share: Pairs of a step that this process takes.
        count: In how many parts it took them.
        fitting: In how many parts they fit; None: not even one by one.
    """
    name, tried = session.device.name, -(-share // count)
    if fitting == count:
        again = session.command_to_go_on() if session.run.states else "the same again"
        return DeviceError(
            f"{name}: out of memory, though {tried} pairs at a time fit into what is free now",
            hint=f"does another program use it? when it has ended, type: {again}",
        )
    message = f"{name}: out of memory with {tried} pairs at a time; "
    message += "not even one pair fits" if fitting is None else f"{-(-share // fitting)} fit"
    if session.run.states:
        return DeviceError(message, hint=_cure_of_begun(session, count, fitting))
    return DeviceError(message, hint=_cure(session, share, fitting))


def _cure(session: Session, share: int, fitting: int | None) -> str:
    """What a run that has no state yet can do: all its settings may change."""
    if fitting is not None:
        return (
            f"--accumulate {fitting} trains the same batch of {session.batch_size} in parts, "
            f"--batch-size {-(-share // fitting) * session.ranks.count} a smaller one"
        )
    cures = ["prepare smaller pictures", "choose narrower networks"]
    if not session.config.run.checkpointing:
        cures.insert(0, "add --checkpointing")
    return ", or ".join(cures)


def _cure_of_begun(session: Session, count: int, fitting: int | None) -> str:
    """What a run that has a state can do: its batch and its networks are settled."""
    begun, run = session.config, session.config.run
    session.config = dataclasses.replace(begun, run=dataclasses.replace(run, checkpointing=True))
    if not run.checkpointing and _fits(session, count):
        return f"to go on, type: {session.command_to_go_on()} --checkpointing"
    if fitting is None:
        return "begin another run, with smaller pictures or narrower networks"
    weights = shlex.quote(str(session.run.folder))
    return (
        "this run keeps its batch: begin another from its weights, in another folder, with "
        f"--init-from {weights} --accumulate {fitting}"
    )


# The end of a run: its files, its report, its card, its result.

MODEL = "this model"
BASELINE_PAIRS = 2000  # that the predictors which learn nothing look at, to bound the memory


def finish(session: Session, *, command: str) -> TrainResult:
    """Write what is left to write, and sum up.

    Args:
        session: One that has trained all its epochs.
        command: That trains the same model again.

    Raises:
        DataError: The run's folder cannot be written.
    """
    run, progress = session.run, session.progress
    if session.ranks.is_first:
        if not any(run.samples.iterdir()):  # somebody may have removed them
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
    about = session.keeper.about(session.progress)
    height, width = session.dataset.description.size
    story = RunStory(
        name=run.folder.name,
        facts={
            "set": f"{result.dataset}, {about['dataset']['training_pairs']} pairs trained on",
            "pictures": f"{width}x{height} pixels, {result.images_seen:,} seen",
            "epochs": f"{result.epochs}, in {duration(result.seconds)}",
            "best": f"epoch {result.best_epoch}" if result.best_epoch else "nothing was held out",
            "not finite": f"{result.skipped} steps, skipped",
        },
        command=command,
        settings=settings.to_toml(session.config),
        environment=environment(session),
        log=run.read_log(),
        samples=run.sampled(),
        figures=figures,
    )
    files.write_text(run.report, page(story))
    files.write_text(run.card, model_card(run.folder.name, about, figures, command))


def compared(session: Session) -> dict[str, dict[str, float]]:
    """The model's scores on held-out pairs beside those of predictors that learn nothing."""
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
    """Where a run was computed."""
    return {
        "sketch2img": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": session.device.describe(),
        "processes": str(session.ranks.count),
    }


def summary(session: Session) -> TrainResult:
    """How a run ended."""
    run, progress = session.run, session.progress
    epochs = [line for line in run.read_log() if line["kind"] == "epoch"]
    last = epochs[-1] if epochs else {}  # somebody may have removed the log
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
