"""What was downloaded before: a file whose hash nobody published must not change unnoticed."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchcli import files, paths
from sketchcli.errors import DataError

FILE = "known-files.json"
LONGEST_WAIT = 10.0  # seconds for others, each of whom takes milliseconds


def recorded(keys: Sequence[str]) -> str | None:
    """The SHA-256 that a file had when it was first downloaded from one of its addresses.

    Args:
        keys: The addresses, as `addresses.key` has them.

    Raises:
        DataError: The record is damaged.
    """
    known = _read()
    return next((str(known[key]["sha256"]) for key in keys if key in known), None)


def record(key: str, *, sha256: str, size: int) -> None:
    """Write down what came from an address.

    Args:
        key: The address, as `addresses.key` has it.
        sha256: The file's hash.
        size: The file's bytes.

    Raises:
        DataError: The record is damaged, or cannot be written.
    """
    today = dt.datetime.now(dt.UTC).date().isoformat()
    with files.locked(_path(), doing="written", patience=LONGEST_WAIT):
        known = _read() | {key: {"sha256": sha256, "size": size, "date": today}}
        files.write_json(_path(), known)


def _path() -> Path:
    return paths.home() / FILE


def _read() -> dict[str, dict[str, Any]]:
    path = _path()
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        is_sound = all(isinstance(entry["sha256"], str) for entry in known.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise DataError(f"{path}: damaged", hint="delete it; it will be recorded anew")
    return dict(known)
