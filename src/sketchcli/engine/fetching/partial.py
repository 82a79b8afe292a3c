"""The part of a file that has been downloaded, kept beside it until it is whole."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sketchcli import files
from sketchcli.engine.fetching import addresses


class PartialFile:
    """The bytes of a file so far, and which version of which source they are of.

    The source is kept as `addresses.key` has it: what is secret in an address is written nowhere.

    Raises:
        OSError: Whatever the disk says, from every method.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.part")
        self.sidecar = target.with_name(f".{target.name}.part.json")
        self.size, self._digest = 0, hashlib.sha256()
        self.source, self.validator = self._read_sidecar()
        if self.validator and self.path.is_file():
            with self.path.open("rb") as file:
                while block := file.read(1 << 20):
                    self._count(block)

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def begin(self, url: str, validator: str) -> None:
        """Drop what there is, for the bytes of another source or version."""
        with self.path.open("wb"):  # emptied first: a kill in between must not mix the two
            self.size, self._digest = 0, hashlib.sha256()
        self.source, self.validator = addresses.key(url), validator
        files.write_json(self.sidecar, {"source": self.source, "validator": validator})

    def clear(self) -> None:
        """Delete what there is."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        self.size, self._digest, self.source, self.validator = 0, hashlib.sha256(), "", ""

    def append(self, blocks: Iterable[bytes], tell: Callable[[], None]) -> None:
        """Add bytes as they arrive."""
        with self.path.open("ab") as file:
            for block in blocks:
                file.write(block)
                self._count(block)
                tell()

    def move_to(self, target: Path) -> None:
        """Sync the complete file to the disk and give it its name."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        self.sidecar.unlink(missing_ok=True)

    def is_from(self, url: str) -> bool:
        """Whether the bytes, if there are any, came from an address."""
        return self.source == addresses.key(url)

    def range_from(self, url: str) -> dict[str, str]:
        """Headers that ask for the rest, where this source's earlier bytes allow that."""
        if not (self.size and self.validator and self.is_from(url)):
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self.validator}

    def _count(self, block: bytes) -> None:
        self._digest.update(block)
        self.size += len(block)

    def _read_sidecar(self) -> tuple[str, str]:
        try:
            about = json.loads(self.sidecar.read_text(encoding="utf-8"))
            return str(about["source"]), str(about["validator"])
        except (OSError, ValueError, TypeError, KeyError):
            return "", ""
