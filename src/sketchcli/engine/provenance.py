"""Where a data set comes from: a small file beside it, read into everything made of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sketchcli import files
from sketchcli.errors import DataError

FILE = "source.json"


@dataclass(frozen=True)
class Provenance:
    """Name, licence and citation of a data set; they travel into every model."""

    name: str
    licence: str = "not stated"
    citation: str = "not stated"
    asset: str = ""  # the name that `fetch-data` knows it by


def write(folder: Path, provenance: Provenance) -> None:
    """Write the file into a fetched set's folder."""
    files.write_json(folder / FILE, asdict(provenance))


def read(folder: Path) -> Provenance:
    """What a fetched set says of itself; a plain folder says nothing but its name.

    Raises:
        DataError: The file is damaged.
    """
    file = folder / FILE
    if not file.exists():
        return Provenance(folder.resolve().name)
    try:
        return Provenance(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file}: damaged ({error})", hint="fetch the set again") from error
