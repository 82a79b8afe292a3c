"""A file dropped into a group becomes a name on the command line, or several.

A file holds one name, its own (an underscore is a dash on the command line), or those that it
lists in `NAMES`; then its `ENTRIES` say of each what a file of its own would say. Listing names
reads files but imports none of them, so that `--help` imports nothing heavy; a module is imported
when a name of it is used.
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

_NAMES = re.compile(r"^NAMES = (\([^)]*\))", re.MULTILINE)
_EXTRACTOR = re.compile(r"^EXTRACTOR = ", re.MULTILINE)


class Entry(SimpleNamespace):
    """One of several names in a file, with all that a file of its own would hold."""


Named = ModuleType | Entry  # what a name stands for


def names(group: str) -> list[str]:
    """Names in a group, sorted.

    >>> "resnet" in names(GENERATORS)
    True
    """
    return sorted(_modules(group))


def load(group: str, name: str) -> Named:
    """What a name stands for: its module, or its entry in one.

    Raises:
        UsageError: No such name is in the group.
    """
    modules = _modules(group)
    if name not in modules:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise UsageError(f"unknown {kind} '{name}'", hint=did_you_mean(name, sorted(modules)))
    module = importlib.import_module(f"{group}.{modules[name]}")
    entry: Named = module.ENTRIES[name] if hasattr(module, "ENTRIES") else module
    return entry


def extractors() -> list[str]:
    """Files of metrics with an `EXTRACTOR`: the features that their metrics compare."""
    return [path.stem for path in _files(METRICS) if _EXTRACTOR.search(_text(path))]


def extractor(name: str) -> Entry:
    """The extractor of features that metrics of a file compare."""
    found: Entry = importlib.import_module(f"{METRICS}.{name}").EXTRACTOR
    return found


def _modules(group: str) -> dict[str, str]:
    """Each name of a group, and the module that holds it."""
    return {name: path.stem for path in _files(group) for name in _names_in(path)}


def _names_in(path: Path) -> tuple[str, ...]:
    """The names that a file lists, or its own."""
    listed = _NAMES.search(_text(path))
    if listed is None:
        return (path.stem.replace("_", "-"),)
    several: tuple[str, ...] = ast.literal_eval(listed[1])
    return several


def _files(group: str) -> list[Path]:
    """The public modules of a group; a package among them is its folder."""
    folder = Path(next(iter(importlib.import_module(group).__path__)))
    found = [*folder.glob("*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
    return sorted(path for path in found if not path.name.startswith("_"))


def _text(path: Path) -> str:
    return "" if path.is_dir() else path.read_text(encoding="utf-8")
