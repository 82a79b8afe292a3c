"""Names for shell completion, found without importing anything heavy.

Each takes the beginning of a word, under the name that Typer requires. Without a name that starts
with it, the shell completes file names.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sketchcli import paths, registry, weights

Completion = Callable[[str], list[str]]


def of(room: str) -> Completion:
    """Return a completion of the names in one registry."""
    return lambda incomplete: _begun(incomplete, registry.names(room))


def among(names: Iterable[str]) -> Completion:
    """Return a completion of the given words."""
    return lambda incomplete: _begun(incomplete, names)


def folders(home: Callable[[], Path], holding: str) -> Completion:
    """Return a completion of the folders in a part of the data folder that hold a file."""
    return lambda incomplete: _begun(incomplete, _folders(home(), holding))


raw_sets = folders(paths.raw_home, "source.json")
prepared_sets = folders(paths.prepared_home, "dataset.json")
runs = folders(paths.runs_home, "config.toml")  # those that can be resumed


def models(incomplete: str) -> list[str]:
    """Return the runs with weights, and `bundled` if the bundled model is installed."""
    bundled = [weights.NAME] if weights.is_here() else []
    return _begun(incomplete, [*_folders(paths.runs_home(), "weights.safetensors"), *bundled])


def assignments(incomplete: str) -> list[str]:
    """Return the settings for `--set`, each with its equals sign."""
    from sketchcli.cli.train_settings import setting_names

    return _begun(incomplete, (f"{name}=" for name in setting_names()))


def _folders(room: Path, holding: str) -> Iterator[str]:
    return (path.parent.name for path in sorted(room.glob(f"[!.]*/{holding}")))


def _begun(incomplete: str, names: Iterable[str]) -> list[str]:
    # A shell would take a line break in a name for the start of the next one.
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]
