"""What is kept of a run on disk, so that it can be used, and gone on with."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli import __version__, checkpoint
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data.appearance import Looks
from sketchcli.data.prepared import MARK, Description
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.runs import Run
from sketchcli.engine.training.progress import Progress
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import CheckpointError
from sketchcli.models.building import spelled_out

MAY_CHANGE = ("epochs", "validation.", "run.")  # settings that a run can go on without


@dataclass(frozen=True)
class Keeper:
    """Writes a run's weights and state, and puts them back."""

    run: Run
    config: TrainConfig
    description: Description  # of the prepared set
    trained_on: str  # marks of the training photos
    batches: int  # an epoch
    precision: str  # that it is trained in
    learnt_before: str = ""  # marks of the training photos of the weights that it started from
    looks: Looks | None = None  # what the training sketches look like

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
