"""What a run that is gone on with has settled already: its set, settings, precision, time."""

import contextlib
import dataclasses
from typing import Any

from sketchcli import checkpoint, paths
from sketchcli import config as settings
from sketchcli.config import TrainConfig
from sketchcli.data import prepared
from sketchcli.data.prepared import PreparedSet
from sketchcli.device import Device
from sketchcli.engine.events import Note, Reporter
from sketchcli.engine.lookup import prepared_folders
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError


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


def marks_learnt_before(run: Run, trained_on: str) -> str:
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
