"""The checkpoints of a run, which make its model usable and the run resumable."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sketchcli import __version__, checkpoint, paths
from sketchcli import config as settings
from sketchcli.config import TrainConfig, domains_from_dict
from sketchcli.data import prepared, splits
from sketchcli.data.appearance import look, spread
from sketchcli.data.batches import batches_per_epoch
from sketchcli.data.prepared import MARK, Division, PreparedSet, pair_marks
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.lookup import prepared_folders
from sketchcli.engine.runs import Run, begin_anew, check_can_resume, find_weights, state_missing
from sketchcli.engine.training.trainer import Trainer
from sketchcli.engine.training.validation import Validation
from sketchcli.errors import CheckpointError, DataError, UsageError
from sketchcli.limits import fits
from sketchcli.machine import PRECISIONS
from sketchcli.models.building import spelled_out
from sketchcli.weights_header import DamagedError, read_about

MAY_CHANGE = ("epochs", "validation.", "run.")  # settings that may differ when a run is resumed
STRENGTH = frozenset({"value", "signs", "images", "batches"})  # names in `Progress.strength`
Read = TypeVar("Read")


@dataclass
class Progress:
    """All that is in neither the networks nor the optimisers of a run, saved with their state.

    A resumed run therefore equals an uninterrupted one.
    """

    epochs: int  # epochs of the whole run, as currently planned
    step: int = 0
    images_seen: int = 0
    seconds: float = 0.0  # time spent in training steps
    sums: dict[str, float] = field(default_factory=dict)  # sums of the epoch's values so far
    counts: dict[str, int] = field(default_factory=dict)  # number of batches in each sum
    scores: dict[str, float] = field(default_factory=dict)  # latest scores on the held-out pairs
    best_score: float | None = None
    best_epoch: int | None = None
    waited: int = 0  # validations since the best one
    rate_scale: float = 1.0  # factor of both learning rates
    discriminator_scale: float = 1.0  # further factor of the discriminator's learning rate
    strength: dict[str, float] = field(default_factory=dict)  # state of the adaptive augmentation
    skipped: int = 0  # steps whose loss or gradient was NaN or infinite
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    is_validation_due: bool = False  # whether a signal interrupted the epoch's validation

    def add(self, figures: Mapping[str, float]) -> None:
        """Add one batch's values to the sums of the epoch."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take_means(self) -> dict[str, float]:
        """Return the means of the epoch's values and reset the sums for the next epoch."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def take_score(self, epoch: int, found: Validation) -> bool:
        """Record a validation on held-out pairs; return whether its score is the best so far."""
        self.scores = found.scores
        is_best = self.best_score is None or found.score > self.best_score
        if is_best:
            self.best_score, self.best_epoch = found.score, epoch + 1
        self.waited = 0 if is_best else self.waited + 1
        return is_best


class Checkpointer:
    """Saves the weights and training state of a run, and restores the training state.

    The run trains on `pairs`, some of those of the dataset.
    """

    def __init__(
        self, run: Run, config: TrainConfig, dataset: PreparedSet, pairs: Division, precision: str
    ) -> None:
        self.run, self.config, self.precision = run, config, precision
        self.description, training = dataset.description, dataset.split(splits.TRAIN)
        self.batches = batches_per_epoch(len(pairs.trained), config.data.batch_size)
        self.looks = None  # only sketches have paper and a polarity
        if self.description.domains.input.is_sketch:
            self.looks = look(training.sketches[row] for row in spread(pairs.trained))
        sketches = (training.sketches[row] for row in pairs.trained)
        photos = (training.photos[row] for row in pairs.trained)
        self.trained_on = "".join(pair_marks(sketches, photos, self.description.domains))
        self.replaces = False  # whether the next state replaces a damaged one
        about = about_run(run)
        if not run.states and config.init_from:
            about = read_about(find_weights(Path(config.init_from)))
        # A run's own state lists its own photos, then those of its initial weights.
        data = about.get("dataset")
        marks = str(data.get("trained_on", "")) if isinstance(data, dict) else ""
        self.learnt_before = marks.removeprefix(self.trained_on) if run.states else marks

    def save(self, trainer: Trainer, progress: Progress) -> None:
        """Write the training state, to resume from, then the weights, to generate with.

        The previous training state is kept and replaces the new one if that turns out damaged. If
        the disk is full or not writable, the last good training state remains.
        """
        about = self.about(progress)
        state = about | {"progress": dataclasses.asdict(progress)}
        previous = None if self.replaces else self.run.previous_state
        checkpoint.save(self.run.state, trainer.state(), state, previous=previous)
        self.replaces = False
        checkpoint.save(self.run.weights, trainer.average.network.state_dict(), about)

    def save_best(self, trainer: Trainer, progress: Progress) -> None:
        """Write the weights with the best validation score so far."""
        weights = trainer.average.network.state_dict()
        checkpoint.save(self.run.best, weights, self.about(progress))

    def restore(self, trainer: Trainer, report: Reporter) -> Progress:
        """Restore the newest training state in which nothing is wrong."""
        progress, failure = newest(self.run, lambda state: self._restored(state, trainer))
        if failure:
            message = f"{failure.message}; resuming from the previous training state"
            report(Note(message, is_warning=True))
        self.replaces = failure is not None  # the good state stays until there is a newer one
        return progress

    def _restored(self, state: Path, trainer: Trainer) -> Progress:
        """Restore a state and return its progress; raise an error if anything is wrong."""
        tensors, about = checkpoint.load(state)
        progress = checked(state, about)
        self.check_is_ours(about)
        try:
            trainer.restore(tensors)
        except (RuntimeError, ValueError, LookupError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).strip().rpartition("\n")[2].strip()
            raise CheckpointError(
                f"{state}: the training state does not fit its settings ({reason!r:.80})",
                hint="a version of sketch2img with other networks saved it, or it is damaged; "
                "start a new run with another --run-dir",
            ) from error
        # The best value of one score says nothing about another score.
        if settings.from_dict(about["config"]).validation.score != self.config.validation.score:
            progress.best_score, progress.waited = None, 0
        return progress

    def check_is_ours(self, about: dict[str, Any]) -> None:
        """Raise an error if a training state was made with other settings or another dataset."""
        folder, saved = self.run.folder, settings.from_dict(about["config"])
        domains = domains_from_dict(about.get("domains"))
        if (about["dataset"]["fingerprint"], domains) != (
            self.description.fingerprint,
            self.description.domains,
        ):
            raise CheckpointError(
                f"{folder}: the run was trained on another dataset ({about['dataset']['name']})",
                hint="choose another --run-dir, or the dataset that the run was trained on",
            )
        differing = differences(saved, self.config)
        if differing:
            raise CheckpointError(
                f"{folder}: the run was trained with other settings ({', '.join(differing)})",
                hint=f"choose another --run-dir, or add --config {self.run.config}; if that file "
                f"was changed, delete it and run: sketch2img train --resume {folder}",
            )

    def about(self, progress: Progress) -> dict[str, Any]:
        """Return the metadata that users of the weights need."""
        return {
            "version": __version__,
            "config": settings.to_dict(dataclasses.replace(self.config, epochs=progress.epochs)),
            "size": self.description.size,
            "fit": self.description.fit,
            "align": self.description.align,
            "domains": dataclasses.asdict(self.description.domains),
            "looks": self.looks and self.looks.to_dict(),
            "dataset": {
                "name": self.description.name,
                "fingerprint": self.description.fingerprint,
                "licence": self.description.licence,
                "notice": self.description.notice,
                "citation": self.description.citation,
                "training_pairs": len(self.trained_on) // MARK,
                "trained_on": self.trained_on + self.learnt_before,
            },
            "precision": self.precision,
            "epochs_done": progress.step // self.batches,
            "images_seen": progress.images_seen,
            "scores": progress.scores,
        }


def differences(saved: TrainConfig, wanted: TrainConfig) -> list[str]:
    """Return the names of the settings whose change prevents a run from being resumed.

    >>> before = TrainConfig()
    >>> differences(before, dataclasses.replace(before, epochs=7, seed=1))
    ['seed']
    """
    old, new = (
        settings.flat(dataclasses.replace(each, model=spelled_out(each.model)))
        for each in (saved, wanted)
    )
    differing = [name for name, value in old.items() if value != new[name]]
    return [name for name in differing if not name.startswith(MAY_CHANGE)]


def set_of(run: Run) -> PreparedSet:
    """Return the dataset in the data folder with a run's training pairs, whatever its name."""
    if not run.states:
        raise state_missing(run)
    about = about_run(run)["dataset"]
    name = about["name"]
    folders = sorted(prepared_folders(), key=lambda folder: folder.name != name)
    for folder in folders:
        with contextlib.suppress(DataError):  # unrelated datasets may be damaged or outdated
            found = prepared.read(folder)
            if found.description.fingerprint == about["fingerprint"]:
                return found
    raise DataError(
        f"{run.folder}: the dataset it was trained on ('{name}') was not found in "
        f"{paths.prepared_home()}",
        hint="name the dataset: sketch2img train DATASET --resume RUN",
    )


def settings_as_begun(run: Run, config: TrainConfig) -> TrainConfig | None:
    """Return the settings to resume a run with; None for a new run.

    A run that was started without the perceptual loss, for lack of its network, stays without it.
    """
    about = about_run(run)
    if "config" not in about:
        return None
    check_can_resume(run, about["config"])
    if settings.from_dict(about["config"]).loss.perceptual_weight:
        return config
    return settings.merge(config, {"loss": {"perceptual_weight": 0.0}})


def precision_as_begun(run: Run, device: Device, reporter: Reporter) -> Device:
    """Return a device in the precision of the run, which it needs to resume bit for bit."""
    begun = about_run(run).get("precision", device.precision)
    if begun == "fp16" != device.precision and device.torch.type != "cuda":
        reporter(
            Note(f"this run was started in fp16; resuming in {device.precision} on {device.name}")
        )
        return device
    if begun != device.precision:
        reporter(Note(f"resuming in {begun}, the precision that this run was started in"))
    return dataclasses.replace(device, precision=begun)


def about_run(run: Run) -> dict[str, Any]:
    """Return the metadata of a run's newest undamaged training state; empty if none was saved."""
    if not run.states:
        return {}
    return newest(run, lambda state: _about(state, state.stat().st_mtime_ns))[0]


@functools.lru_cache(maxsize=2)  # the start of a run asks several times
def _about(state: Path, changed: int) -> dict[str, Any]:
    del changed  # a state that has been saved since is another one
    _, about = checkpoint.load(state)
    checked(state, about)
    return about


def checked(state: Path, about: Mapping[str, Any]) -> Progress:
    """Return the progress in a training state's metadata, after a check of all that is read.

    A `DamagedError` says that anything is missing or has another type.
    """
    try:
        config, data = settings.from_dict(about["config"]), about["dataset"]
        kinds = {item.name: item.type for item in dataclasses.fields(Progress)}
        values = {name: value for name, value in about["progress"].items() if name in kinds}
        progress = Progress(**{"epochs": config.epochs} | values)
        texts = (data["name"], data["fingerprint"], data.get("trained_on", ""))
        is_sound = (
            all(isinstance(text, str) for text in texts)
            and about.get("precision", "fp32") in PRECISIONS[1:]
            and all(fits(getattr(progress, name), kind) for name, kind in kinds.items())
            and progress.sums.keys() == progress.counts.keys()
            and all(progress.counts.values())
            and progress.strength.keys() <= STRENGTH
        )
    except (LookupError, TypeError, ValueError, AttributeError, UsageError):
        is_sound = False
    if not is_sound:
        raise DamagedError(f"{state} is damaged (its metadata is incomplete)")
    return progress


def newest(run: Run, read: Callable[[Path], Read]) -> tuple[Read, CheckpointError | None]:
    """Return what `read` finds in the newest training state that it accepts, if there is any.

    If that is the previous one, the error of the latest one is returned as well.
    """
    failures: list[CheckpointError] = []
    for state in run.states:
        try:
            return read(state), failures[0] if failures else None
        except CheckpointError as error:
            failures.append(error)
    for failure in failures:
        if not isinstance(failure, DamagedError):
            raise failure
    hint = "start again with another --run-dir"
    with contextlib.suppress(CheckpointError):
        read_about(run.weights)
        hint = begin_anew(run)
    raise DamagedError("; ".join(error.message for error in failures), hint=hint)
