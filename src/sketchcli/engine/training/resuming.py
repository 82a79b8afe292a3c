"""The prepared set that a run was trained on."""

import contextlib
from typing import Any

from sketchcli import checkpoint, paths
from sketchcli.data import prepared
from sketchcli.data.prepared import PreparedSet
from sketchcli.engine.finding import prepared_folders
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError, DataError


def set_of(run: Run) -> PreparedSet:
    """The set at home with the pairs that a run was trained on, under whatever name.

    Raises:
        DataError: There is none, or the run stopped before its first state was saved.
    """
    about = _about(run)
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


def _about(run: Run) -> dict[str, Any]:
    """What the newest readable state of a run says of its set."""
    for state in run.states:
        with contextlib.suppress(CheckpointError, LookupError):
            return dict(checkpoint.read_about(state)["dataset"])
    return {}
