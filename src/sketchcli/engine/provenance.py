"""Where a data set comes from: a small file beside it, read into everything made of it."""

import json
from dataclasses import asdict, dataclass, fields
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
    notice: str = ""  # what had to be accepted
    accepted: str = ""  # the day on which it was, as 2026-11-22
    origin: str = ""  # an address, a file or a folder; empty: drawn
    sha256: str = ""  # of that file


_ALWAYS = frozenset({"name", "licence", "citation", "asset"})  # in the files of every version
_KNOWN = frozenset(field.name for field in fields(Provenance))


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
    except (OSError, ValueError, RecursionError):
        return plain
    is_ours = (
        isinstance(about, dict)
        and about.keys() >= _ALWAYS
        and about.keys() <= _KNOWN
        and all(isinstance(value, str) for value in about.values())
    )
    return Provenance(**about) if is_ours else plain
