"""The layout of the data folder: one subfolder for each kind of content.

The data folder is the platform's for the user, or `SKETCH2IMG_HOME` if that is set. Only `unused`
creates anything here; else whoever writes creates the folder that it writes to.
"""

import contextlib
import datetime as dt
import itertools
import os
import re
from functools import partial
from pathlib import Path

import platformdirs

from sketchcli.errors import UsageError

HOME_VARIABLE = "SKETCH2IMG_HOME"
OURS = frozenset({"source.json", "manifest.sha256"})  # files that `fetch-data` adds to a dataset
NO_HOME = Path(os.devnull, "no-data-folder")  # looks empty, and cannot be made


def home() -> Path:
    """Return the data folder, or `NO_HOME` if the user has no home folder, or may not read it."""
    override = os.environ.get(HOME_VARIABLE)
    try:
        folder = Path(override or platformdirs.user_data_dir("sketch2img", appauthor=False))
        folder = folder.expanduser().resolve() if override else folder.expanduser()
        folder.exists()
    except (RuntimeError, OSError):
        return NO_HOME
    return folder


def checked_name(name: str) -> str:
    """Return the name, if as a folder's name it neither leads elsewhere nor is hidden."""
    if not re.fullmatch(r"\w[\w .+()-]*", name):
        raise UsageError(
            f"'{name}' cannot be used as a dataset name",
            hint="choose a name with --name, of letters, digits, dashes and dots",
        )
    return name


def in_room(room: Path, name: Path) -> Path:
    """Return `room / name` for a plain name; a path (`.`, `a/b`, `/a`) stays as it is."""
    is_plain = str(name) == name.name and name.name not in {"", ".", ".."}
    return room / name if is_plain else name


def is_in_room(room: Path, folder: Path) -> bool:
    """Return whether a folder is directly inside `room`, so that its name alone is enough."""
    return folder.resolve().parent == room.resolve()


def named(room: Path, folder: Path) -> str:
    """Return what a user types for a folder: its name if it is in `room`, otherwise its path."""
    return folder.resolve().name if is_in_room(room, folder) else str(folder)


def unused(room: Path, *words: str) -> Path:
    """Create a folder in `room` for this process alone, named by date, time and some words."""
    stamp = dt.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    name = "-".join([stamp, *words])
    for again in itertools.count(1):
        folder = room / (name if again == 1 else f"{name}-{again}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            break
    return folder


def _room(name: str) -> Path:
    return home() / name


raw_home = partial(_room, "raw")  # raw datasets, as they were fetched or drawn
prepared_home = partial(_room, "prepared")  # datasets that `preprocess` made ready for training
runs_home = partial(_room, "runs")  # runs
assets_home = partial(_room, "assets")  # networks that `fetch-data` fetched
downloads_home = partial(_room, "downloads")  # unfinished downloads, from which they resume
cache_home = partial(_room, "cache")  # what can be made again: converted networks, features
evaluations_home = partial(_room, "evaluations")
