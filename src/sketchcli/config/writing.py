"""Settings files: TOML that people edit, or JSON."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sketchcli.config.merging import to_dict
from sketchcli.config.settings import TrainConfig
from sketchcli.errors import UsageError


def read_file(path: Path) -> dict[str, Any]:
    """Settings from a .toml or .json file, not yet checked.

    Raises:
        UsageError: The file is missing or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read settings from {path}: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"cannot read settings from {path}: not a table of settings")
    return data


def to_toml(config: TrainConfig) -> str:
    """TOML text that `read_file` and `from_dict` turn back into the same config."""
    return "\n".join(_toml_lines(to_dict(config), ())) + "\n"


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path:
        yield f"\n[{'.'.join(path)}]"
    for key, value in table.items():
        if not isinstance(value, Mapping):
            # TOML's scalars and strings are written as JSON writes them, but for its surrogates.
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml_lines(value, (*path, key))
