"""Registry of names on the command line: each file in a group's folder provides one or several.

A file provides its own name (with dashes for underscores), or the names listed in its `NAMES`; its
`ENTRIES` then describe each name as a module of its own would. Listing names reads the files
without importing them, so that `--help` stays fast; a module is imported when its name is used.
"""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

from sketchcli.errors import UsageError, did_you_mean

GENERATORS = "sketchcli.models.generators"
DISCRIMINATORS = "sketchcli.models.discriminators"
ASSETS = "sketchcli.assets"
METRICS = "sketchcli.metrics"
STYLES = "sketchcli.sketching"

_KINDS = {ASSETS: "dataset or network", STYLES: "style"}  # for messages, if not the folder's name

# Names that older versions had -> what to choose instead.
_REMOVED = {
    METRICS: {
        "texture-distance": "kid (sets of images) or lpips-alex (pairs)",
        "edges": "fsim or ssim",
    }
}

_NAMES = re.compile(r"^NAMES = (\([^)]*\))", re.MULTILINE)


class Entry(SimpleNamespace):
    """One of several names in a file, with the attributes that a module of its own would have."""


Named = ModuleType | Entry


def names(group: str) -> list[str]:
    """Return the names in a group, sorted.

    >>> "resnet" in names(GENERATORS)
    True
    """
    return sorted(_modules(group))


def load(group: str, name: str) -> Named:
    """Return the module or the entry that a name stands for."""
    modules = _modules(group)
    if name not in modules:
        kind = _KINDS.get(group) or group.rpartition(".")[2].removesuffix("s")
        if instead := _REMOVED.get(group, {}).get(name):
            raise UsageError(f"the {kind} '{name}' no longer exists", hint=f"choose {instead}")
        raise UsageError(f"unknown {kind} '{name}'", hint=did_you_mean(name, sorted(modules)))
    module = importlib.import_module(f"{group}.{modules[name]}")
    entry: Named = module.ENTRIES[name] if hasattr(module, "ENTRIES") else module
    return entry


def extractor(name: str) -> Entry:
    """Return the extractor of the features that a module's metrics compare."""
    found: Entry = importlib.import_module(f"{METRICS}.{name}").EXTRACTOR
    return found


def _modules(group: str) -> dict[str, str]:
    """Map each name of a group to its module: a file, or the folder of a package."""
    folder = Path(next(iter(importlib.import_module(group).__path__)))
    modules: dict[str, str] = {}
    for path in (*folder.glob("[!_]*.py"), *folder.glob("[!_]*/__init__.py")):
        stem = path.parent.name if path.name == "__init__.py" else path.stem
        listed = None if path.name == "__init__.py" else _NAMES.search(path.read_text("utf-8"))
        names = ast.literal_eval(listed[1]) if listed else [stem.replace("_", "-")]
        modules |= dict.fromkeys(names, stem)
    return modules
