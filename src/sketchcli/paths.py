"""Where things live: one home folder with a room for each kind of thing.

The home is the platform's data folder for the user, or `SKETCH2IMG_HOME` where it is set.
Nothing is created here; whoever writes creates the folder that it writes to.
"""

import datetime as dt
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


def named(room: Path, folder: Path) -> str:
    """What a user types for a folder: its name, if it is in a room, or else its path."""
    whole = folder.resolve()
    return whole.name if whole.parent == room.resolve() else str(folder)


def unused(room: Path, *words: str) -> Path:
    """A name that nothing in a room has yet: date and time, then some words."""
    stamp = dt.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    name = "-".join([stamp, *words])
    folder, again = room / name, 2
    while folder.exists():
        folder, again = room / f"{name}-{again}", again + 1
    return folder


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
