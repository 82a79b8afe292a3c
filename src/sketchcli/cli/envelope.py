"""The one JSON object that every command prints with `--json`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchcli import __version__


def envelope(command: str, *, status: str, data: Any = None, errors: Sequence[Any] = ()) -> str:  # noqa: ANN401
    """The JSON that every command prints with `--json`."""
    content = {
        "version": __version__,
        "command": command,
        "status": status,
        "data": data,
        "errors": list(errors),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=plain)


def error_envelope(command: str, code: int, message: str, hint: str) -> str:
    """The JSON of a command that failed."""
    about = {"code": int(code), "message": message, "hint": hint}
    return envelope(command, status="error", errors=[about])


def plain(value: object) -> str:
    """A value that JSON has no form for."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(value)
