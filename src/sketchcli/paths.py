"""Where things live: one home folder with a room for each kind of thing.

The home is the platform's data folder for the user, or `SKETCH2IMG_HOME` where it is set.
Nothing is created here; whoever writes creates the folder that it writes to.
"""

import os
import re
from pathlib import Path

import platformdirs

from sketchcli.errors import UsageError

HOME_VARIABLE = "SKETCH2IMG_HOME"


def home() -> Path:
    """The folder that holds all rooms."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser().resolve()
    return Path(platformdirs.user_data_dir("sketch2img", appauthor=False))


def checked_name(name: str) -> str:
    """The name, if it can be a folder's in one of the rooms.

    Raises:
        UsageError: It would lead elsewhere, or be hidden.
    """
    if not re.fullmatch(r"\w[\w .+()-]*", name):
        raise UsageError(
            f"'{name}' cannot be a set's name",
            hint="give one with --name: letters, digits, dashes and dots",
        )
    return name


def in_room(room: Path, name: Path) -> Path:
    """Where a plain name stands in a room; a path (`.`, `a/b`, `/a`) stays what it is."""
    is_plain = str(name) == name.name and name.name not in {"", ".", ".."}
    return room / name if is_plain else name


def is_in_room(room: Path, folder: Path) -> bool:
    """Whether a folder stands in a room, so that its name alone is enough."""
    return folder.resolve().parent == room.resolve()


def name_in_room(room: Path, folder: Path) -> str:
    """What to type for a folder: its name alone where it stands in a room, else its path."""
    return folder.name if is_in_room(room, folder) else str(folder)


def raw_home() -> Path:
    """Data sets as they were fetched or drawn."""
    return home() / "raw"


def prepared_home() -> Path:
    """Data sets as `preprocess` leaves them, ready for training."""
    return home() / "prepared"


def runs_home() -> Path:
    """One folder for each training run."""
    return home() / "runs"


def assets_home() -> Path:
    """Networks that `fetch-data` fetched, one folder each."""
    return home() / "assets"


def downloads_home() -> Path:
    """Files on their way here, one folder for each set; what is cut off goes on from here."""
    return home() / "downloads"


def cache_home() -> Path:
    """What can be found again: converted networks, features of real photos."""
    return home() / "cache"


def evaluations_home() -> Path:
    """One folder for each evaluation."""
    return home() / "evaluations"
