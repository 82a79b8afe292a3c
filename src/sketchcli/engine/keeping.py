"""What is kept of a run on disk, so that it can be used, and gone on with."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from sketchcli import __version__, checkpoint
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data.prepared import MARK, Description
from sketchcli.device import Device
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.runs import Run
from sketchcli.engine.trainer import Trainer
from sketchcli.errors import CheckpointError


@dataclass
class Progress:
    """Where a run stands; all that is not in the networks and optimisers."""

    step: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    generator_losses: list[float] = field(default_factory=list)  # of the current epoch
    discriminator_losses: list[float] = field(default_factory=list)
    validation_mae: float | None = None


@dataclass(frozen=True)
class Keeper:
    """Writes a run's weights and state, and puts them back."""

    run: Run
    config: TrainConfig
    description: Description  # of the prepared set
    trained_on: str  # marks of the training photos
    batches: int  # an epoch
    precision: str  # that it is trained in

    def save(self, trainer: Trainer, progress: Progress) -> None:
        """Write the state (to go on), then the weights (to be used).

        Raises:
            DataError: The disk is full or cannot be written; the last good state stays.
        """
        about = self.about(progress)
        state = about | {"progress": dataclasses.asdict(progress)}
        checkpoint.save(self.run.state, trainer.state(), state)
        checkpoint.save(self.run.weights, trainer.average.network.state_dict(), about)

    def restore(self, trainer: Trainer) -> Progress:
        """Put the saved state back.

        Raises:
            CheckpointError: The state is damaged, or other settings or other data made it.
        """
        tensors, about = checkpoint.load(self.run.state)
        self.check_is_ours(about)
        try:
            trainer.restore(tensors)
        except CheckpointError as error:
            raise CheckpointError(f"{self.run.state}: {error.message}") from error
        return Progress(**about["progress"])

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
        if about["epochs_done"] > self.config.epochs:
            raise CheckpointError(
                f"{folder}: already trained for {about['epochs_done']} epochs",
                hint="ask for as many or more, or choose another --run-dir",
            )
        same = dataclasses.replace(
            saved, epochs=self.config.epochs, sample_every=self.config.sample_every
        )
        if same != self.config:
            raise CheckpointError(
                f"{folder}: trained with other settings",
                hint=f"choose another --run-dir, or add --config {self.run.config}",
            )

    def about(self, progress: Progress) -> dict[str, Any]:
        """What the weights must tell whoever uses them."""
        return {
            "version": __version__,
            "config": settings.to_dict(self.config),
            "size": self.description.size,
            "fit": self.description.fit,
            "align": self.description.align,
            "dataset": {
                "name": self.description.name,
                "fingerprint": self.description.fingerprint,
                "licence": self.description.licence,
                "notice": self.description.notice,
                "citation": self.description.citation,
                "training_pairs": len(self.trained_on) // MARK,
                "trained_on": self.trained_on,
            },
            "precision": self.precision,
            "epochs_done": progress.step // self.batches,
            "images_seen": progress.images_seen,
            "validation_mae": progress.validation_mae,
        }


def as_begun(run: Run, device: Device, reporter: Reporter) -> Device:
    """The precision that a run was begun in: another one would not go on bit for bit."""
    if not run.state.exists():
        return device
    begun = checkpoint.read_about(run.state).get("precision", device.precision)
    if begun != device.precision:
        reporter(Note(f"going on in {begun}, as this run was begun"))
    return dataclasses.replace(device, precision=begun)
