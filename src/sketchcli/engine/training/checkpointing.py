"""What is kept of a run on disk, so that it can be used, and gone on with."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sketchcli import __version__, checkpoint, paths
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data import prepared
from sketchcli.data.appearance import SketchStats
from sketchcli.data.prepared import MARK, Description, PreparedSet
from sketchcli.device import Device
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.lookup import prepared_folders
from sketchcli.engine.runs import Run
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import CheckpointError, DataError
from sketchcli.models.building import spelled_out

MAY_CHANGE = ("epochs", "validation.", "run.")  # settings that a run can go on without


# Where a run stands: all that is not in the networks and optimisers.


@dataclass
class Progress:
    """Saved with every state, so that a run goes on as if it had never stopped."""

    epochs: int  # of the whole run, as planned now
    step: int = 0
    images_seen: int = 0
    seconds: float = 0.0  # in training steps
    sums: dict[str, float] = field(default_factory=dict)  # of the epoch's figures so far
    counts: dict[str, int] = field(default_factory=dict)  # of batches in each sum
    scores: dict[str, float] = field(default_factory=dict)  # last measured on the held-out pairs
    best_score: float | None = None
    best_epoch: int | None = None
    waited: int = 0  # measurements since the best one
    rate_scale: float = 1.0  # both learning rates are multiplied with it
    discriminator_scale: float = 1.0  # the discriminator's with this one too
    strength: dict[str, float] = field(default_factory=dict)  # of the adaptive augmentation
    skipped: int = 0  # steps whose loss or gradient was not finite
    skipped_in_a_row: int = 0
    rollbacks: int = 0

    @property
    def has_learnt(self) -> bool:
        """Whether any step so far has changed a network."""
        return self.skipped_in_a_row < self.step

    def add(self, figures: Mapping[str, float]) -> None:
        """Take in one batch's figures."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take_means(self) -> dict[str, float]:
        """The means of the epoch's figures; the next epoch begins."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Progress":
        """What `to_dict` took; keys of other versions are left out."""
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True)
class Checkpointer:
    """Writes a run's weights and state, and puts them back."""

    run: Run
    config: TrainConfig
    description: Description  # of the prepared set
    trained_on: str  # marks of the training photos
    batches: int  # an epoch
    precision: str  # that it is trained in
    learnt_before: str = ""  # marks of the training photos of the weights that it started from
    looks: SketchStats | None = None  # what the training sketches look like

    def save(self, trainer: Trainer, progress: Progress) -> None:
        """Write the state (to go on), then the weights (to be used).

        The state before stays beside the new one: where that turns out damaged, it is gone on with.

        Raises:
            DataError: The disk is full or cannot be written; the last good state stays.
        """
        about = self.about(progress)
        state = about | {"progress": progress.to_dict()}
        checkpoint.save(self.run.state, trainer.state(), state, previous=self.run.previous_state)
        checkpoint.save(self.run.weights, trainer.average.network.state_dict(), about)

    def save_best(self, trainer: Trainer, progress: Progress) -> None:
        """Write the weights that scored best so far."""
        weights = trainer.average.network.state_dict()
        checkpoint.save(self.run.best, weights, self.about(progress))

    def restore(self, trainer: Trainer, report: Reporter) -> Progress:
        """Put the saved state back; where it is damaged, the one before.

        Raises:
            CheckpointError: No state can be used, or other settings or other data made it.
        """
        states = self.run.states
        try:
            return self._restore(trainer, states[0])
        except checkpoint.DamagedError as error:
            if len(states) == 1:
                raise
            report(Note(f"{error.message}; going on from the state before", is_warning=True))
            return self._restore(trainer, states[1])

    def check_is_ours(self, about: dict[str, Any]) -> None:
        """Refuse a state that other settings or other data made.

        Raises:
            CheckpointError: It is not this run's.
        """
        folder, saved = self.run.folder, settings.from_dict(about["config"])
        if about["dataset"]["fingerprint"] != self.description.fingerprint:
            raise CheckpointError(
                f"{folder}: trained on other data ({about['dataset']['name']})",
                hint="choose another --run-dir, or the set that it was trained on",
            )
        differing = differences(saved, self.config)
        if differing:
            raise CheckpointError(
                f"{folder}: trained with other settings ({', '.join(differing)})",
                hint=f"choose another --run-dir, or add --config {self.run.config}",
            )

    def about(self, progress: Progress) -> dict[str, Any]:
        """What the weights must tell whoever uses them."""
        return {
            "version": __version__,
            "config": settings.to_dict(dataclasses.replace(self.config, epochs=progress.epochs)),
            "size": self.description.size,
            "fit": self.description.fit,
            "align": self.description.align,
            "looks": self.looks.to_dict() if self.looks else None,
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

    def _restore(self, trainer: Trainer, state: Path) -> Progress:
        tensors, about = checkpoint.load(state)
        self.check_is_ours(about)
        try:
            trainer.restore(tensors)
            progress = Progress.from_dict({"epochs": self.config.epochs} | about["progress"])
        except (CheckpointError, LookupError, TypeError) as error:
            reason = error.message if isinstance(error, CheckpointError) else "no progress in it"
            hint = f"sketch2img {about.get('version')} saved it; start a new run in another folder"
            raise CheckpointError(f"{state}: {reason}", hint=hint) from error
        begun = settings.from_dict(about["config"]).validation
        if begun.score != self.config.validation.score:  # which the best of another tells nothing
            progress.best_score, progress.waited = None, 0
        return progress


def differences(saved: TrainConfig, wanted: TrainConfig) -> list[str]:
    """Names of the settings that a run cannot go on with; others may change.

    >>> before = TrainConfig()
    >>> differences(before, dataclasses.replace(before, epochs=7, seed=1))
    ['seed']
    """
    old, new = dict(_flat(_whole(saved))), dict(_flat(_whole(wanted)))
    differing = [name for name, value in old.items() if value != new[name]]
    return [name for name in differing if not name.startswith(MAY_CHANGE)]


def _whole(config: TrainConfig) -> dict[str, Any]:
    return settings.to_dict(dataclasses.replace(config, model=spelled_out(config.model)))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        is_options = name.endswith("_options")
        nested = isinstance(value, dict) and not is_options
        found += _flat(value, f"{prefix}{name}.") if nested else [(prefix + name, value)]
    return found


# What a run that is gone on with has settled already: its set, settings, precision, time.


def set_of(run: Run) -> PreparedSet:
    """The set at home with the pairs that a run was trained on, under whatever name.

    Raises:
        DataError: There is none, or the run stopped before its first state was saved.
    """
    about = _about(run).get("dataset", {})
    name = about.get("name", "")
    folders = sorted(prepared_folders(), key=lambda folder: folder.name != name)
    for folder in folders:
        with contextlib.suppress(DataError):  # another set may be damaged, or of another version
            found = prepared.read(folder)
            if found.description.fingerprint == about.get("fingerprint"):
                return found
    known = f"'{name}' is" if name else "that it was trained on is"
    raise DataError(
        f"{run.folder}: the set {known} not in {paths.prepared_home()}",
        hint="name it: sketch2img train SET --resume RUN",
    )


def settings_as_begun(run: Run, config: TrainConfig) -> TrainConfig | None:
    """The settings that a run goes on with; None for a new one.

    One that was begun without the perceptual loss, for want of its network, stays without it.
    """
    about = _about(run)
    if "config" not in about:
        return None
    if settings.from_dict(about["config"]).loss.perceptual_weight:
        return config
    return settings.merge(config, {"loss": {"perceptual_weight": 0.0}})


def precision_as_begun(run: Run, device: Device, reporter: Reporter) -> Device:
    """A device in the precision that a run was begun in: another would not go on bit for bit."""
    begun = _about(run).get("precision", device.precision)
    if begun == "fp16" != device.precision and device.torch.type != "cuda":
        reporter(Note(f"begun in fp16, going on in {device.precision} on {device.name}"))
        return device
    if begun != device.precision:
        reporter(Note(f"going on in {begun}, as this run was begun"))
    return dataclasses.replace(device, precision=begun)


def seconds_spent(run: Run) -> float:
    """In the training steps of a run so far; 0 for a new one."""
    return float(_about(run).get("progress", {}).get("seconds", 0.0))


def epochs_planned(run: Run) -> int | None:
    """The epochs that a run was planned with; None for a new one."""
    epochs: int | None = _about(run).get("progress", {}).get("epochs")
    return epochs


def hashes_learnt_before(run: Run, trained_on: str) -> str:
    """Marks of the photos that the weights which a run started from were trained on.

    Args:
        run: One that has a state.
        trained_on: Marks of its own training photos, which its state names first.
    """
    marks: str = _about(run).get("dataset", {}).get("trained_on", "")
    return marks.removeprefix(trained_on)


def _about(run: Run) -> dict[str, Any]:
    """What the newest readable state of a run says; nothing where there is none."""
    for state in run.states:
        with contextlib.suppress(CheckpointError):
            return checkpoint.read_about(state)
    return {}
