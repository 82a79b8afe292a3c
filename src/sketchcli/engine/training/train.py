"""`train` and `train --dry-run`: start, resume, estimate or finish a run, within a time budget."""

import contextlib
import dataclasses
import math
import os
import platform
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from sketchcli import __version__, files, limits
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data import splits
from sketchcli.data.prepared import PreparedSet
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.evaluating import references
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.reporting import run_report
from sketchcli.engine.reporting.tensorboard import also_written
from sketchcli.engine.results import TrainEstimate, TrainResult
from sketchcli.engine.runs import Run, logged, open_run
from sketchcli.engine.training import checkpointing, loop, networks
from sketchcli.engine.training.budget import duration, epochs_that_fit
from sketchcli.engine.training.distributed import ALONE, Ranks
from sketchcli.engine.training.loop import train_epochs
from sketchcli.engine.training.session import Session, finite
from sketchcli.errors import DeviceError
from sketchcli.models.building import (
    build_discriminator,
    build_generator,
    count_parameters,
    spelled_out,
)

NOWHERE = Path(os.devnull)  # stands for the folder of a new run, and contains nothing


def dry_run(
    config: TrainConfig,
    dataset: PreparedSet,
    *,
    run_dir: Path = NOWHERE,
    device: Device,
    reporter: Reporter = SILENT,
    budget: float | None = None,
) -> TrainEstimate:
    """Estimate the cost of a new run, or of resuming the one in `run_dir`; write nothing.

    With a `budget`, in seconds, the epochs are those that fit into it.
    """
    started = time.monotonic()
    check_memory(config, dataset, Run(run_dir), device)
    session = Session(config, dataset, Run(run_dir), device, ALONE, reporter=reporter)
    with explaining_lack_of_memory(session):
        if budget is not None:
            fit_into_budget(session, started + budget)
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
    config = dataclasses.replace(config, model=spelled_out(config.model))
    is_followed = config.run.tensorboard and ranks.is_first
    with (
        files.locked(run_dir, doing="trained") if ranks.is_first else contextlib.nullcontext(),
        also_written(reporter, run.folder, is_wanted=is_followed) as report,
    ):
        check_memory(config, dataset, run, device, processes=ranks.count)
        session = Session(config, dataset, run, device, ranks, reporter=report)
        with explaining_lack_of_memory(session):
            if budget is not None:
                fit_into_budget(session, started + budget)
            session.begin()
            train_epochs(session)
        try:
            return finish(session, command=command)
        except KeyboardInterrupt:  # the run is saved, and resuming it writes its report
            session.stop()
            raise


@contextlib.contextmanager
def explaining_lack_of_memory(session: Session) -> Iterator[None]:
    """If memory runs out in the block, raise DeviceError with a hint at what needs less of it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = f"{session.device.name}: out of memory with a batch of {session.batch_size} pairs"
        raise DeviceError(message, hint=cures(session.config, session.run)) from error


def cures(config: TrainConfig, run: Run) -> str:
    """Return what lets a run take less memory, as an instruction."""
    found = ["add --accumulate 4", "use a smaller --batch-size"]
    if run.states:  # which fixes the batch size and its parts
        weights = shlex.quote(str(run.folder))
        found = [f"start a new run with --init-from {weights} --accumulate 4"]
    if not config.run.checkpointing:
        found.insert(0, "add --checkpointing")
    return ", or ".join(found)


# Memory of a step as a multiple of the activations that autograd stores. Measured with the three
# presets: 2 to 3. The rest are their gradients, the losses and copies in other memory formats.
WORKING = 3


def check_memory(
    config: TrainConfig, dataset: PreparedSet, run: Run, device: Device, *, processes: int = 1
) -> None:
    """Raise DeviceError before anything is built if a step on a CPU would not fit into memory."""
    if device.torch.type != "cpu":  # others say so themselves, and nothing is killed
        return
    domains, (height, width) = dataset.description.domains, dataset.description.size
    batch = min(config.data.batch_size, dataset.description.counts.get(splits.TRAIN, 1))
    pairs = math.ceil(batch / processes / config.data.accumulate)
    with torch.device("meta"):  # whose tensors take no memory
        generator = build_generator(config.model, domains)
        discriminator = build_discriminator(config.model, (height, width), domains)
        sketch, photo = (torch.empty(pairs, c, height, width) for c in domains.channels)
    if config.run.checkpointing:
        networks.recompute_activations(generator)
    of_weights, activations = step_bytes(config, generator, discriminator, sketch, photo)
    limits.check_memory(
        of_weights + WORKING * activations,
        f"training with a batch of {batch} pairs of {width}x{height} pixels",
        error=DeviceError,
        cure=cures(config, run),
    )


# Before a run with a time budget starts, its epochs are fitted into the budget.

STEPS = 4  # timed steps; the first one warms up the device and does not count


def fit_into_budget(session: Session, ends_at: float) -> None:
    """Plan the epochs that fit into the time until `ends_at`; a resumed run keeps its plan.

    A few steps are timed and undone. The time that earlier calls spent on the run counts, too.
    """
    session.step_seconds = seconds_a_step(session)
    session.measure()
    begun = checkpointing.about_run(session.run).get("progress", {})
    session.ends_at = ends_at - float(begun.get("seconds", 0.0))
    if "epochs" in begun:
        planned = int(begun["epochs"])
    else:
        fitting = epochs_that_fit(session.ends_at - time.monotonic(), session.costs())
        planned = int(session.ranks.as_first({"epochs": fitting})["epochs"])
        session.note(
            f"{planned} {'epochs fit' if planned > 1 else 'epoch fits'} in the remaining time "
            f"({session.step_seconds:.2f} s per step of {session.batch_size} pairs)"
        )
    session.plan(planned)
    session.renew_trainer()


def seconds_a_step(session: Session) -> float:
    """Return the shortest time of a few trial steps, which change the session's networks."""
    pairs = session.training.take(session.pairs.trained[: session.batch_size])
    took = []
    for number in range(STEPS):
        started = time.monotonic()
        session.trainer.step(loop.prepare(session, pairs), number)
        took.append(time.monotonic() - started)
    return min(took[1:])


# `train --dry-run` estimates the cost of a run from a few steps and leaves nothing behind.


def estimate(session: Session) -> TrainEstimate:
    """Estimate the time and memory of a session's run from a few steps, which are discarded."""
    config = session.config
    generator, discriminator = session.trainer.generator, session.trainer.discriminator
    pairs = session.training.take(session.pairs.trained[: session.batch_size])
    part = loop.prepare(session, pairs)[0]
    with session.device.autocast():
        needed = sum(step_bytes(config, generator, discriminator, part.sketch, part.photo))
    step = session.step_seconds or seconds_a_step(session)
    if not session.validation_seconds:  # the budget was not fitted with them
        session.measure()
    steps = session.batches * config.epochs
    height, width = session.dataset.description.size
    return TrainEstimate(
        dataset=session.dataset.description.name,
        pairs=len(session.pairs.trained),
        held_out=len(session.pairs.looked_at) if session.pairs.is_held_out else 0,
        size=(height, width),
        epochs=config.epochs,
        generator_parameters=count_parameters(generator),
        discriminator_parameters=count_parameters(discriminator),
        steps=steps,
        seconds_a_step=round(step, 3),
        seconds=round(
            steps * step + config.epochs / config.validation.every * session.validation_seconds
        ),
        memory_megabytes=round(needed / 2**20),
        device=session.device.name,
        precision=session.device.precision,
        settings=settings.to_toml(config),
    )


MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "adagrad": 1}  # values per weight in the optimiser


def step_bytes(
    config: TrainConfig,
    generator: nn.Module,
    discriminator: nn.Module,
    sketch: Tensor,
    photo: Tensor,
) -> tuple[int, int]:
    """Return the bytes that a step takes for weights, and for the activations that it stores.

    The weights come with their gradients, moments and EMA; library buffers come on top.
    """
    drawing, judging = count_parameters(generator), count_parameters(discriminator)
    copies = 2 + MOMENTS[config.optimizer.name]  # weights, gradients and moments
    drawn = kept_bytes(generator, lambda: generator(sketch))
    judged = kept_bytes(discriminator, lambda: discriminator(sketch, photo))
    # One update covers both real and generated photos.
    return 4 * (copies * (drawing + judging) + drawing), drawn + 2 * judged


def kept_bytes(network: nn.Module, run: Callable[[], object]) -> int:
    """Return the bytes that autograd stores while `run` is called, without the parameters."""
    weights = {p.untyped_storage()._cdata for p in network.parameters()}  # noqa: SLF001
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) not in weights:  # noqa: SLF001 - on meta, all data is at 0
            sizes[key] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = run()
    del kept
    return sum(sizes.values())


# A run ends by writing its checkpoint, its report, its model card and its result.

BASELINE_PAIRS = 2000  # training pairs that the baselines use, limited to save memory


def finish(session: Session, *, command: str) -> TrainResult:
    """Write the last files of a finished run, which `command` reproduces; return its result."""
    run = session.run
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
        environment={
            "sketch2img": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "device": session.device.describe(),
            "processes": str(session.ranks.count),
        },
        log=session.history.lines(),
        samples=run.sampled(),
        figures=figures,
        domains=session.domains,
    )
    run_report.write_card(
        run.card, name=run.folder.name, about=about, figures=figures, command=command
    )


def compared(session: Session) -> dict[str, dict[str, float]]:
    """Return the scores of the model and of the baselines on the held-out pairs."""
    if not session.progress.scores:
        return {}
    validator = session.validator
    training = session.training.take(session.pairs.trained[:BASELINE_PAIRS])
    rows = range(len(validator.pairs))
    others = references.baselines(training, validator.pairs, session.domains)
    figures = {"this model": session.progress.scores} | {
        name: validator.scores(read(rows), validator.pairs.photos) for name, read in others.items()
    }
    # A metric's network may have come or gone since the model was scored.
    shared = [name for name in session.progress.scores if all(name in f for f in figures.values())]
    return {name: {metric: f[metric] for metric in shared} for name, f in figures.items()}


def summary(session: Session) -> TrainResult:
    """Return the result of a finished run."""
    run, progress = session.run, session.progress
    last = session.history.last("epoch")  # empty if the user has deleted a finished run's log
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
        generator_loss=finite(logged(last, "generator_loss")),
        discriminator_loss=finite(logged(last, "discriminator_loss")),
        scores=progress.scores,
        best_epoch=progress.best_epoch,
        skipped=progress.skipped,
        domains=session.domains,
    )
