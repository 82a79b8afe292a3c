"""A file dropped into a room becomes a name on the command line.

Listing names looks at file names only, so that `--help` imports nothing heavy; a module
is imported when its name is used. An underscore in a file's name is a dash in its name.
"""

import importlib
import pkgutil
from types import ModuleType

from sketchcli import suggesting
from sketchcli.errors import UsageError

GENERATORS = "sketchcli.models.generators"
DISCRIMINATORS = "sketchcli.models.discriminators"
ASSETS = "sketchcli.assets"
METRICS = "sketchcli.metrics"
FEATURES = "sketchcli.metrics._features"
STYLES = "sketchcli.sketching"


def names(room: str) -> list[str]:
    """Names of the public modules in a room, sorted.

    >>> "resnet" in names(GENERATORS)
    True
    """
    package = importlib.import_module(room)
    modules = (m.name for m in pkgutil.iter_modules(package.__path__))
    return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))


def load(room: str, name: str) -> ModuleType:
    """Import the module that a name stands for.

    Raises:
        UsageError: No such module is in the room.
    """
    known = names(room)
    if name not in known:
        kind = room.rpartition(".")[2].removesuffix("s")
        raise UsageError(f"unknown {kind} '{name}'", hint=suggesting.hint(name, known))
    return importlib.import_module(f"{room}.{name.replace('-', '_')}")
