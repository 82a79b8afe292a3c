"""Files out of archives that nobody vouches for: regular files only, never outside the folder.

What a header says about a size is not believed: bytes are counted as they are written.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sketchcli import files
from sketchcli.engine.events import SILENT, Note, Reporter, Transferred
from sketchcli.engine.fetching.archive_names import Refusal, relative_path
from sketchcli.engine.fetching.archives import BLOCK, Member, blamed, members
from sketchcli.engine.fetching.pacing import Pace
from sketchcli.errors import DataError

SMALL = 10_000_000  # bytes that every archive may hold, however well they were compressed
LARGEST_IN_MEMORY = 256_000_000


@dataclass(frozen=True)
class Limits:
    """How much an archive may bring; for honest data sets, far more than they need."""

    files: int = 1_000_000  # written
    bytes: int = 200 * 10**9  # written
    ratio: int = 200  # bytes unpacked for each byte of the archive, once they are not small


def unpack(
    archive: Path,
    folder: Path,
    *,
    wanted: Callable[[str], bool],
    limits: Limits = Limits(),
    reporter: Reporter = SILENT,
) -> int:
    """Write an archive's wanted files under a folder, without their times and permissions.

    Args:
        archive: zip (a wheel is one), tar, tar.gz, tar.bz2 or tar.xz, whatever it is called.
        folder: Where the files go; a temporary one, for an error leaves what was written.
        wanted: Whether to write the file of this path, which is relative, with slashes, in NFC.
        limits: How much may be written.
        reporter: Told how much of the archive is done, in bytes, and of links that are left out.

    Returns:
        Number of files written.

    Raises:
        DataError: The archive is damaged, brings more than the limits, has any member whose name
            leads out of the folder, or a wanted one that is a link, a device or encrypted; or the
            disk is full.
    """
    size = _size(archive)
    budget, skipped = _Budget(limits, size), 0
    what, pace = f"unpacking {archive.name}", Pace()
    with contextlib.closing(_files(archive, budget.most)) as found:
        for member, path in found:
            if not wanted(path):
                skipped += member.flaw != ""
                continue
            with blamed(archive, member):
                _check_plain(member)
                budget.spend(files=1)
                _write(archive, member, folder / path, budget)
            if member.position < size and pace.is_due():
                reporter(Transferred(what, member.position, size))
    if skipped:
        message = f"{archive.name}: {skipped} links, devices or encrypted files: skipped"
        reporter(Note(message))
    reporter(Transferred(what, size, size))
    return budget.files


def read_member(archive: Path, *, name: str, largest: int = LARGEST_IN_MEMORY) -> bytes:
    """One file out of an archive, by the last part, or parts, of its path.

    Args:
        archive: As for `unpack`.
        name: `alex.pth`, or `weights/alex.pth` where several members are called so.
        largest: Bytes that the file may have.

    Raises:
        DataError: No file or several are called so, it is too large, or as for `unpack`.
    """
    content: bytes | None = None
    with contextlib.closing(_files(archive, _Budget(Limits(), _size(archive)).most)) as found:
        for member, path in found:
            if not f"/{path}".endswith(f"/{name}"):
                continue
            with blamed(archive, member):
                _check_plain(member)
                if content is not None:
                    raise Refusal(f"is not the only one called {name!r}")
                content = _read(archive, member, largest)
    if content is None:
        raise DataError(f"{archive} holds no {name!r}", hint="is it the right file?")
    return content


@dataclass
class _Budget:
    """What has been written, against what may be."""

    limits: Limits
    archive_size: int
    files: int = 0
    bytes: int = 0

    @property
    def most(self) -> int:
        """Bytes that an archive of this size may unpack to."""
        return max(self.limits.ratio * self.archive_size, SMALL)

    def spend(self, *, files: int = 0, size: int = 0) -> None:
        """Count what is about to be written.

        Raises:
            Refusal: It is too much.
        """
        self.files += files
        self.bytes += size
        if self.files > self.limits.files:
            raise Refusal(f"is one more than the {self.limits.files} files that are allowed")
        if self.bytes > min(self.limits.bytes, self.most):
            raise Refusal(f"brings more than {min(self.limits.bytes, self.most)} bytes")


def _size(archive: Path) -> int:
    with blamed(archive):
        return archive.stat().st_size


def _files(archive: Path, most: int) -> Generator[tuple[Member, str], None, None]:
    """All members but folders, with their paths, whether they can be unpacked or not."""
    for member in members(archive, most):
        with blamed(archive, member):
            path = relative_path(member.name)
            if not path and not member.is_folder:
                raise Refusal("has no name")
        if member.flaw or not member.is_folder:
            yield member, path


def _check_plain(member: Member) -> None:
    if member.flaw:
        raise Refusal(member.flaw)


def _write(archive: Path, member: Member, path: Path, budget: _Budget) -> None:
    with files.writing(path), _new_file(path) as file:
        for block in _blocks(archive, member):
            budget.spend(size=len(block))
            file.write(block)


def _new_file(path: Path) -> IO[bytes]:
    """A file that was not there; only the disk knows which names it takes for the same.

    Raises:
        Refusal: A file or folder is there, or a file is where its folder should be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise Refusal("has the place of another file, as this disk tells names apart") from None


def _read(archive: Path, member: Member, largest: int) -> bytes:
    content = bytearray()
    for block in _blocks(archive, member):
        content += block
        if len(content) > largest:
            raise Refusal(f"has more than {largest} bytes")
    return bytes(content)


def _blocks(archive: Path, member: Member) -> Iterator[bytes]:
    done = 0
    with blamed(archive, member), member.open() as stream:
        while block := stream.read(BLOCK):
            done += len(block)
            yield block
        if done != member.size:
            raise Refusal(f"has {done} bytes, its header says {member.size}")
