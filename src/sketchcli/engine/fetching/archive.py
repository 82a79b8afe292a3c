"""Extraction of untrusted archives: regular files only, never outside the folder.

The limits apply to the sizes in headers, before anything is unpacked; no file gets longer.
"""

import bz2
import collections
import contextlib
import errno
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from sketchcli import files
from sketchcli.engine.events import SILENT, Note, Pace, Reporter, Transferred
from sketchcli.errors import DataError
from sketchcli.limits import check_memory

# Limits on what an archive may unpack to, far above what honest datasets need. They grow with the
# archive, so that a small one takes little time.
MOST_FILES = 1_000_000
MOST_BYTES = 200 * 10**9
MOST_GROWTH = 200  # unpacked bytes per byte of the archive, beyond SMALL bytes
SMALL = 10_000_000
FEW = 200  # files, and entries, that any archive may have
LEAST_FILE, LEAST_ENTRY = 64, 16  # bytes of the archive for each wanted file, and for each entry
LARGEST_DIRECTORY = 64  # bytes of memory per byte of a zip's list of entries


def unpack(
    archive: Path,
    folder: Path,
    *,
    wanted: Callable[[str], bool],
    takes_empty: bool = True,
    reporter: Reporter = SILENT,
) -> int:
    """Write an archive's wanted files, without times and permissions, and return their number.

    The archive is a zip (such as a wheel), tar, tar.gz, tar.bz2 or tar.xz file, whatever its name.
    A zip announces all its files at its start, so nothing of it is written if they exceed a limit;
    the files of a tar are counted as they come, and an error leaves those that were written before.

    `wanted` says whether to write the file at a path, which is relative, with slashes, in NFC. Any
    member whose name leads out of the folder, and a wanted link, device or encrypted file, is a
    DataError.
    """
    with blamed(archive):
        size = archive.stat().st_size
        with files.open_regular(archive) as file:
            is_zip = _is_zip(file)
    if is_zip:
        collections.deque(_admitted(archive, size, folder, wanted, Counter()), maxlen=0)
    what, pace, count = f"unpacking {archive.name}", Pace(), 0
    skipped: Counter[str] = Counter()
    with contextlib.closing(_admitted(archive, size, folder, wanted, skipped)) as admitted:
        for member, path in admitted:
            if not member.size and not takes_empty:
                skipped["empty files"] += 1
                continue
            count += 1
            with blamed(archive, member):
                _write(archive, member, folder / path)
            if member.position < size and pace.is_due():
                reporter(Transferred(what, member.position, size))
    for kind, number in skipped.items():
        reporter(Note(f"skipped {kind} in {archive.name}: {number}"))
    reporter(Transferred(what, size, size))
    return count


def _admitted(
    archive: Path, size: int, folder: Path, wanted: Callable[[str], bool], skipped: Counter[str]
) -> Generator[tuple["Member", str]]:
    """Yield the wanted files, with their paths, as long as all limits are kept."""
    most = max(MOST_GROWTH * size, SMALL)
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.is_dir())).free
    count = announced = 0
    with contextlib.closing(_members(archive, most)) as found:
        for entries, member in enumerate(found, start=1):
            with blamed(archive, member):
                _check_limit(entries, FEW + size // LEAST_ENTRY, "entries")
                path = relative_path(member.name)
                if not path and not member.is_folder:
                    raise Refusal("has no name")
            if member.is_folder and not member.flaw:
                continue
            if not wanted(path):
                if member.flaw:
                    skipped["links, devices and encrypted files"] += 1
                continue
            count, announced = count + 1, announced + member.size
            with blamed(archive, member):
                if member.flaw:
                    raise Refusal(member.flaw)
                _check_limit(count, min(MOST_FILES, FEW + size // LEAST_FILE), "files")
                _check_limit(announced, min(MOST_BYTES, most), "bytes")
            if announced > free:
                with files.writing(folder):
                    raise OSError(errno.ENOSPC, f"{archive.name} holds over {announced} bytes")
            yield member, path


def _check_limit(count: int, most: int, what: str) -> None:
    if count > most:
        raise Refusal(f"exceeds the limit of {most} {what}")


@dataclass(frozen=True)
class Member:
    """An entry of an archive, to be opened before the next one is requested."""

    name: str
    position: int  # bytes of the archive before this entry
    open: Callable[[], IO[bytes]]
    is_folder: bool
    size: int  # bytes according to its header
    flaw: str = ""  # why it cannot be unpacked, as a verb phrase


def _write(archive: Path, member: Member, path: Path) -> None:
    with files.writing(path):
        try:  # only the disk knows which names are the same
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise Refusal("has the same path on this disk as another file") from None
        with file:
            for block in _blocks(archive, member):
                file.write(block)


def _blocks(archive: Path, member: Member) -> Iterator[bytes]:
    done = 0
    with blamed(archive, member), member.open() as stream:
        while done <= member.size and (block := stream.read(BLOCK)):
            done += len(block)
            yield block
        if done != member.size:
            raise Refusal(f"has {done} bytes, but its header says {member.size}")


# The members of a zip or tar archive are read in their order, and nothing is written here.

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
LARGEST_TAR_HEADER = 1 << 20  # bytes of all that describes one member
MOST_TAR_NOTES = 1000  # attributes that apply to all members


def is_archive(path: Path) -> bool:
    """Return whether a file's content, not its name, is a zip or tar archive."""
    try:
        with files.open_regular(path) as file:
            return _is_zip(file) or _is_tar(file)
    except DAMAGE:
        return False


def _members(archive: Path, most: int) -> Generator[Member]:
    """Yield all entries, in the archive's order; a tar may unpack to `most` bytes."""
    with blamed(archive), _Careful(files.open_regular(archive).detach()) as file:
        if _is_zip(file):
            yield from _zip_members(file)
        elif _is_tar(file):
            yield from _tar_members(file, most)
        else:
            raise Refusal("is neither a zip nor a tar archive")


def _is_zip(file: IO[bytes]) -> bool:
    start = file.read(4)
    file.seek(0)
    return start in {b"PK\x03\x04", b"PK\x05\x06"}  # the second marks an empty archive


class _Careful(io.BufferedReader):
    """A file of which nothing large is read at once; zipfile reads the list of entries whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        check_memory(LARGEST_DIRECTORY * (size or 0), f"the list of entries in {self.name}")
        return super().read(size)


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = info.orig_filename
            if not info.flag_bits & 0x800:  # many programs write UTF-8 without declaring it
                with contextlib.suppress(UnicodeError):
                    name = name.encode("cp437").decode("utf-8")
            kind = stat.S_IFMT(info.external_attr >> 16)
            flaw = "is encrypted" if info.flag_bits & 0x41 else ""
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                flaw = "is a symbolic link" if kind == stat.S_IFLNK else "is a device"
            opened, is_folder = partial(_open_zipped, archive, info), name.endswith("/")
            yield Member(name, info.header_offset, opened, is_folder, info.file_size, flaw)


def _open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    # With other methods, zipfile unpacks whole blocks in memory, however large they turn out to be.
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Refusal(f"is compressed by an unsupported method ({info.compress_type})")
    return archive.open(info)


class _Metered(io.BufferedIOBase):
    """A stream that refuses to get too long: even skipping a member of a tar unpacks it."""

    def __init__(self, stream: IO[bytes] | io.BufferedIOBase, most: int) -> None:
        self.stream, self.most, self.done = stream, most, 0
        self.next_data = LARGEST_TAR_HEADER  # where the next member's data must have begun

    def read(self, size: int | None = -1, /) -> bytes:
        block = self.stream.read(-1 if size is None else size)
        self.done += len(block)
        if self.done > self.most:
            raise Refusal(f"unpacks to more than {self.most} bytes")
        if self.done > self.next_data:
            raise Refusal(f"has a header of more than {LARGEST_TAR_HEADER} bytes")
        return block


class _Header(tarfile.TarInfo):
    """A tar header that raises an error if it is damaged; tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not buf.strip(b"\0"):
                raise
            raise tarfile.ReadError(str(error)) from error
        is_note = header.type in TAR_NOTES
        if header.size < 0 or (is_note and header.size > LARGEST_TAR_NOTE):
            raise tarfile.ReadError("a header has an impossible size")
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
            tar.members.clear()  # type: ignore[attr-defined] # they would pile up, 1 KB each
            if len(tar.pax_headers) > MOST_TAR_NOTES:  # copied for every member
                raise Refusal("has too many attributes for all its members")
            stream.next_data = tar.offset + LARGEST_TAR_HEADER
            opened = partial(tar.fileobject, tar, info)
            name, place = _tar_name(info), file.tell()
            yield Member(name, place, opened, info.isdir(), info.size, _tar_flaw(info))
    stream.next_data = most
    while stream.read(BLOCK):
        pass  # reads up to the checksum at the end of the compressed stream


def _tar_name(info: tarfile.TarInfo) -> str:
    """Return the name as text: UTF-8, or else Western European; two names never become one."""
    name = info.name.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeError):
            return name.decode(encoding)
    return name.decode("latin-1")  # Latin-1 decodes every byte


def _tar_flaw(info: tarfile.TarInfo) -> str:
    if info.isdir() or (info.isreg() and not info.issparse() and info.size >= 0):
        return ""
    if info.islnk() or info.issym():
        return "is a hard link" if info.islnk() else "is a symbolic link"
    return "is a device" if info.isdev() else "is not a regular file"


@contextlib.contextmanager
def blamed(archive: Path, member: Member | None = None) -> Iterator[None]:
    """Turn a refusal or damage into a `DataError` that names the archive and the member."""
    who = str(archive) if member is None else f"{archive}: member {member.name[:100]!r}"
    hint = "download the archive again, or from another source"
    try:
        yield
    except Refusal as refusal:
        raise DataError(f"{who} {refusal}", hint=hint) from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"cannot read {archive}: {error.strerror}", hint=hint) from error
        raise DataError(f"{who} is damaged or truncated ({error})", hint=hint) from error


# The name of an archive member decides where it goes under a folder.

LONGEST_PART, LONGEST_PATH = 255, 1024  # bytes of UTF-8 that common file systems accept
IS_WINDOWS = os.name == "nt"


class Refusal(Exception):  # noqa: N818 - a verdict on a member, which becomes a DataError
    """A flaw of an archive member, as a verb phrase."""


def relative_path(name: str) -> str:
    """Return a member's path below the folder that it is unpacked into, in Unicode form NFC.

    A name that could lead elsewhere on some system, or cannot be used, is refused.

    >>> relative_path("./photos//a.jpg")
    'photos/a.jpg'
    """
    name = unicodedata.normalize("NFC", name)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    path = "/".join(parts)
    encoded = path.encode("utf-8", "surrogatepass")
    longest = max(map(len, encoded.split(b"/")))
    flaws = {
        "has a NUL in its name": "\0" in name,
        "has a backslash in its name": "\\" in name,
        "has an absolute path": name.startswith("/"),
        # Windows reads '.. ' as '..', and would write to an alternate data stream after a colon.
        "has a path that leads upwards": any(not part.strip(". ") for part in parts),
        "has a drive letter in its name": re.match("[A-Za-z]:", path),
        "has a colon in its name": IS_WINDOWS and ":" in path,
        "has too long a name": longest > LONGEST_PART or len(encoded) > LONGEST_PATH,
    }
    for flaw, is_there in flaws.items():
        if is_there:
            raise Refusal(flaw)
    return path
