"""The members of a zip or tar archive, read as they come; nothing is written here."""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from sketchcli.engine.fetching.archive_names import Refusal
from sketchcli.errors import DataError

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


@dataclass(frozen=True)
class Member:
    """An entry of an archive; to be opened before the next one is asked for."""

    name: str
    position: int  # bytes of the archive that lie before it
    open: Callable[[], IO[bytes]]
    is_folder: bool
    size: int  # says its header
    flaw: str = ""  # what makes it nothing to unpack


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
