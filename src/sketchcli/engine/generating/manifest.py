"""What became of every file, as a table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from sketchcli import files
from sketchcli.engine.results import GeneratedFile

COLUMNS = ("source", "output", "status", "milliseconds", "warnings", "error")


def write_manifest(path: Path, rows: Sequence[GeneratedFile]) -> None:
    """Write a CSV in UTF-8 with a line for each file, whole or not at all.

    Raises:
        DataError: It cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for file in rows:
        warnings = "; ".join(file.warnings)
        table.writerow(
            [
                file.source,
                file.output or "",
                file.status,
                file.milliseconds,
                warnings,
                file.error or "",
            ]
        )
    files.write_text(path, text.getvalue())
