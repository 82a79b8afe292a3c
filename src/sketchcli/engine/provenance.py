"""Where a data set comes from: a small file beside it, read into everything made of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sketchcli import files

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


def is_fetched(folder: Path) -> bool:
    """Whether `fetch-data` made a folder."""
    return read(folder).asset != ""


def read(folder: Path) -> Provenance:
    """What a fetched set says of itself; a plain folder says nothing but its name."""
    plain = Provenance(folder.resolve().name)
    try:
        about = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return plain
    is_ours = isinstance(about, dict) and about.keys() == asdict(plain).keys()
    return Provenance(**about) if is_ours else plain
