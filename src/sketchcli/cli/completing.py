"""Names for shell completion, found without importing anything heavy.

Each function takes what was typed of a word, under the name that Typer asks for, and returns the
names that begin so. Where there are none, the shell goes on with files and folders.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sketchcli import config as settings
from sketchcli import paths, registry, weights

Completion = Callable[[str], list[str]]


def of(room: str) -> Completion:
    """Names out of the registry."""
    return lambda incomplete: _begun(incomplete, registry.names(room))


def among(names: Iterable[str]) -> Completion:
    """One of some words."""
    return lambda incomplete: _begun(incomplete, names)


def raw_sets(incomplete: str) -> list[str]:
    """Fetched sets."""
    return _begun(incomplete, _folders(paths.raw_home(), "source.json"))


def prepared_sets(incomplete: str) -> list[str]:
    """Prepared sets."""
    return _begun(incomplete, _folders(paths.prepared_home(), "dataset.json"))


def runs(incomplete: str) -> list[str]:
    """Runs that can be gone on with."""
    return _begun(incomplete, _folders(paths.runs_home(), "config.toml"))


def models(incomplete: str) -> list[str]:
    """Runs with weights, and the model that comes with the program."""
    bundled = [weights.NAME] if weights.is_here() else []
    return _begun(incomplete, [*_folders(paths.runs_home(), "weights.safetensors"), *bundled])


def assignments(incomplete: str) -> list[str]:
    """Settings for `--set`, up to the sign of equality."""
    from sketchcli.cli.train_settings import setting_names

    return _begun(incomplete, (f"{name}=" for name in setting_names()))


presets = among(settings.PRESETS)


def _folders(room: Path, holding: str) -> Iterator[str]:
    """Folders of a room that hold a file, by name."""
    return (path.parent.name for path in sorted(room.glob(f"[!.]*/{holding}")))


def _begun(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
