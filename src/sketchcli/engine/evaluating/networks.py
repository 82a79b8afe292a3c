"""The evaluator networks that are here, in the form that the metrics read."""

from collections.abc import Sequence
from pathlib import Path

from sketchcli import files, paths, registry
from sketchcli.engine.fetching.convert import CONVERTED, convert

PATIENCE = 60.0  # seconds to wait for another process that converts the same network


def file_of(name: str) -> Path | None:
    """A network's file, converted where it is a pickle; None where it was not fetched.

    Raises:
        DataError: What was fetched cannot be converted.
    """
    folder = paths.assets_home() / name
    for edition in registry.load(registry.ASSETS, name).ASSET.editions:
        found = [folder / file.name for file in edition.files]
        if all(path.is_file() for path in found):
            return _converted(name, found) if name in CONVERTED else found[0]
    return None


def _converted(name: str, sources: Sequence[Path]) -> Path:
    """The safetensors beside the fetched files; made once, and again where those are newer."""
    target = paths.cache_home() / "networks" / f"{name}.safetensors"
    if not _is_new(target, sources):
        with files.locked(target, patience=PATIENCE):
            if not _is_new(target, sources):  # another process may have made it meanwhile
                convert(name, sources, target)
    return target


def _is_new(target: Path, sources: Sequence[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return target.is_file() and target.stat().st_mtime >= newest
