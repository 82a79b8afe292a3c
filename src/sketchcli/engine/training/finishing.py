"""The end of a run: its files, its report, its card, its result."""

import dataclasses
import platform
from pathlib import Path

import torch

from sketchcli import __version__, files
from sketchcli import config as settings
from sketchcli.data.prepared import StoredSplit
from sketchcli.engine.evaluating import references
from sketchcli.engine.reporting.run_report import RunStory, model_card, page
from sketchcli.engine.results import TrainResult
from sketchcli.engine.training.budget import duration
from sketchcli.engine.training.session import Session

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
