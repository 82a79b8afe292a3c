"""Files out of archives that nobody vouches for: regular files only, never outside the folder.

What a header says about a size is not believed: bytes are counted as they are written.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from sketchcli import files
from sketchcli.engine.events import SILENT, Note, Pace, Reporter, Transferred
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


@dataclass(frozen=True)
class Member:
    """An entry of an archive; to be opened before the next one is asked for."""

    name: str
    position: int  # bytes of the archive that lie before it
    open: Callable[[], IO[bytes]]
    is_folder: bool
    size: int  # says its header
    flaw: str = ""  # what makes it nothing to unpack


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


# The members of a zip or tar archive, read as they come; nothing is written here.

BLOCK = 1 << 16
COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, NotImplementedError, RecursionError, ValueError, OverflowError),
)
TAR_NOTES = {
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
}
LARGEST_TAR_NOTE = 1 << 16  # bytes of a long name or of extended attributes


def is_archive(path: Path) -> bool:
    """Whether a file's content, not its name, is a zip or tar archive, compressed or not."""
    try:
        with path.open("rb") as file:
            return _is_zip(file) or _is_tar(file)
    except DAMAGE:
        return False


def members(archive: Path, most: int) -> Iterator[Member]:
    """All entries, in the archive's order; a tar may unpack to `most` bytes."""
    with blamed(archive), archive.open("rb") as file:
        if _is_zip(file):
            yield from _zip_members(file)
        elif _is_tar(file):
            yield from _tar_members(file, most)
        else:
            raise Refusal("is neither a zip nor a tar archive")


def _is_zip(file: IO[bytes]) -> bool:
    start = file.read(4)
    file.seek(0)
    return start in {b"PK\x03\x04", b"PK\x05\x06"}  # the second one is an empty archive's


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            is_folder = info.orig_filename.endswith("/")
            opened = partial(_open_zipped, archive, info)
            name, place = _zip_name(info), info.header_offset
            yield Member(name, place, opened, is_folder, info.file_size, _zip_flaw(info))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many programs write UTF-8 and do not say so."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    with contextlib.suppress(UnicodeError):
        return info.orig_filename.encode("cp437").decode("utf-8")
    return info.orig_filename


def _zip_flaw(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a symbolic link" if kind == stat.S_IFLNK else "is a device"
    return "is encrypted" if info.flag_bits & 0x41 else ""


def _open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    # zipfile unpacks the others' blocks whole in memory, however large they turn out to be.
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Refusal(f"is compressed in an unusual way ({info.compress_type})")
    return archive.open(info)


class _Metered(io.BufferedIOBase):
    """A stream that ends in a refusal where it gets too long: to skip a member is to unpack it."""

    def __init__(self, stream: IO[bytes] | io.BufferedIOBase, most: int) -> None:
        self.stream, self.most, self.done = stream, most, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, fewer at the end."""
        block = self.stream.read(-1 if size is None else size)
        self.done += len(block)
        if self.done > self.most:
            raise Refusal(f"unpacks to more than {self.most} bytes")
        return block


class _Header(tarfile.TarInfo):
    """A tar header that is not taken for the end where it is damaged, as tarfile does."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a block of 512 bytes."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not buf.strip(b"\0"):
                raise
            raise tarfile.ReadError(str(error)) from error
        is_note = header.type in TAR_NOTES
        if header.size < 0 or (is_note and header.size > LARGEST_TAR_NOTE):
            raise tarfile.ReadError("a header of an impossible size")
        return header


def _decompressed(file: IO[bytes]) -> IO[bytes] | io.BufferedIOBase:
    start = file.read(6)
    file.seek(0)
    for magic, opened in COMPRESSIONS.items():
        if start.startswith(magic):
            return opened(file)
    return file


def _is_tar(file: IO[bytes]) -> bool:
    try:
        tarfile.TarInfo.frombuf(_decompressed(file).read(512), "utf-8", "replace")
    except tarfile.HeaderError:
        return False
    finally:
        file.seek(0)
    return True


def _tar_members(file: IO[bytes], most: int) -> Iterator[Member]:
    stream = _Metered(_decompressed(file), most)
    with tarfile.open(
        fileobj=stream,
        mode="r|",
        bufsize=BLOCK,
        tarinfo=_Header,
        encoding="utf-8",
        errors="surrogateescape",
    ) as tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined] # or they pile up, 1 KB each
            opened = partial(_open_tarred, tar, info)
            name, place = _tar_name(info), file.tell()
            yield Member(name, place, opened, info.isdir(), info.size, _tar_flaw(info))
    while stream.read(BLOCK):
        pass  # to the check sum at the compressed stream's end


def _tar_name(info: tarfile.TarInfo) -> str:
    """The name as text: UTF-8, or else Western European, so that two names never become one."""
    name = info.name.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeError):
            return name.decode(encoding)
    return name.decode("latin-1")  # knows every byte


def _open_tarred(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    if file is None:
        raise Refusal("is no plain file")
    return file


def _tar_flaw(info: tarfile.TarInfo) -> str:
    if info.isdir() or (info.isreg() and not info.issparse() and info.size >= 0):
        return ""
    if info.islnk() or info.issym():
        return "is a hard link" if info.islnk() else "is a symbolic link"
    return "is a device" if info.isdev() else "is no plain file"


@contextlib.contextmanager
def blamed(archive: Path, member: Member | None = None) -> Iterator[None]:
    """Say which archive, and which member, a refusal or a damage is about.

    Raises:
        DataError: In the place of either.
    """
    who = str(archive) if member is None else f"{archive}: member {member.name[:100]!r}"
    hint = "get the archive again, or from another place"
    try:
        yield
    except Refusal as refusal:
        raise DataError(f"{who} {refusal}", hint=hint) from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"cannot read {archive}: {error.strerror}", hint=hint) from error
        raise DataError(f"{who} is damaged or cut short ({error})", hint=hint) from error


# Names of archive members: where each may go under a folder.

LONGEST_PART, LONGEST_PATH = 255, 1024  # bytes of UTF-8: what common file systems take
IS_WINDOWS = os.name == "nt"


class Refusal(Exception):  # noqa: N818 - a verdict on a member, which becomes a DataError
    """What is wrong with a member, as a verb phrase."""


def relative_path(name: str) -> str:
    """A member's path below the folder that it is unpacked into, in Unicode form NFC.

    >>> relative_path("./photos//a.jpg")
    'photos/a.jpg'

    Raises:
        Refusal: The name could lead elsewhere on some system, or is no name at all.
    """
    name = unicodedata.normalize("NFC", name)
    if "\0" in name:
        raise Refusal("has a NUL in its name")
    if "\\" in name:
        raise Refusal("has a backslash in its name")
    if name.startswith("/"):
        raise Refusal("has an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if any(not part.strip(". ") for part in parts):  # Windows reads '.. ' as '..'
        raise Refusal("has a path that leads upwards")
    path = "/".join(parts)
    if re.match("[A-Za-z]:", path):
        raise Refusal("has a drive letter in its name")
    if IS_WINDOWS and ":" in path:  # there it names a second content of the file before it
        raise Refusal("has a colon in its name")
    if max(map(_unpacked_size, [*parts, ""])) > LONGEST_PART or _unpacked_size(path) > LONGEST_PATH:
        raise Refusal("has too long a name")
    return path


def _unpacked_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
