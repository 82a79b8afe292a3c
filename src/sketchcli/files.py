"""Files and folders that appear whole or not at all.

Everything is written in a hidden folder next to its target, synced to the disk, and moved into
place. What a killed process leaves there is swept by the next call.
"""

import codecs
import contextlib
import csv
import errno
import functools
import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
import stat
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock

from sketchcli.errors import DataError

if sys.platform == "win32":
    fcntl: Any = None
else:
    import fcntl


def write_whole(
    path: Path,
    save: Callable[[Path], object],
    *,
    previous: Path | None = None,
    is_new: bool = False,
) -> None:
    """Let `save` write a file next to `path`, sync it, then move it into place.

    An existing file is first renamed to `previous`; a crash between the two moves leaves only
    that file. With `is_new`, an existing file is an error, even one that another process made
    meanwhile. An error leaves nothing behind. Only a file is replaced, never a device.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a device or a named pipe"
        raise DataError(f"{path} is {what}, not a file", hint="choose another name")
    with writing(path), _unfinished(path) as folder:
        part = folder / f".part{path.suffix}"
        part.touch(exist_ok=False)
        mode = part.stat().st_mode
        save(part)
        if part.stat().st_mode != mode:  # safetensors writes files for their owner only
            part.chmod(stat.S_IMODE(mode))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        if is_new:
            with contextlib.suppress(OSError):  # there are file systems without hard links
                os.link(part, path)
                part.unlink()
                return
            if os.path.lexists(path):
                hint = "add --overwrite to replace it"
                raise DataError(f"{path} was created in the meantime", hint=hint)
        part.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole; bytes of a name that are not UTF-8 become escapes."""
    content = text.encode(errors="backslashreplace")  # JSON reads these escapes back
    write_whole(path, lambda part: part.write_bytes(content))


def write_json(path: Path, data: Any) -> None:  # noqa: ANN401 - anything that JSON can hold
    """Write a JSON file whole."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


LARGEST_TEXT = 2**26  # bytes
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Read a text file: UTF-8, with or without a byte order mark, or UTF-16 with one."""
    with path.open("rb") as file:
        return text_of(file.read(LARGEST_TEXT + 1), path)


def text_of(content: bytes, name: object) -> str:
    """Decode what `read_text` would read from a file of that name; lines end with a newline."""
    if len(content) > LARGEST_TEXT:
        raise DataError(f"{name} is larger than {LARGEST_TEXT >> 20} MB", hint="split it")
    with contextlib.suppress(UnicodeDecodeError):
        text = content.decode("utf-16" if content[:2] in WIDE else "utf-8-sig")
        if "\0" not in text:  # images, UTF-32, and UTF-16 without a mark have zero bytes
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise DataError(f"{name} is not a text file in UTF-8", hint="save it as plain text in UTF-8")


@contextlib.contextmanager
def new_folder(
    target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool = False
) -> Iterator[Path]:
    """Fill a folder next to `target`, which takes that name only if the block succeeds.

    The caller must hold the lock of `target`. An existing folder is replaced only with
    `overwrite`, and only if `is_ours` says that this program made it. After an error the old
    state stays.
    """
    target = target.resolve()  # replaces the folder behind a link, not the link
    check_new(target, is_ours=is_ours, overwrite=overwrite)
    with writing(target), _unfinished(target) as folder:
        part = folder / target.name
        part.mkdir()
        yield part
        move_in(part, target, is_ours=is_ours, overwrite=overwrite)


def check_new(target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool) -> None:
    """Check that a folder of this name may be made; an existing one must be replaceable."""
    if target.exists() and not overwrite:
        hint = "choose another name"
        if not target.is_file():
            hint = f"add --overwrite to replace it, or {hint}"
        raise DataError(f"{target} already exists", hint=hint)
    if target.exists() and not is_ours(target):
        raise DataError(f"{target} was not made by this command", hint="choose another name")


def move_in(part: Path, target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool) -> None:
    """Give a finished folder on the same disk its name; after an error, the old state stays."""
    check_new(target, is_ours=is_ours, overwrite=overwrite)
    with writing(target):
        if not target.exists():
            part.replace(target)
            return
        aside = _aside(target)
        discard(aside)
        try:
            target.replace(aside)
            part.replace(target)
        except BaseException:  # includes Ctrl-C
            _bring_back(target)
            raise
        discard(aside)


def discard(folder: Path) -> None:
    """Delete a folder, if it exists; if this process is killed meanwhile, the rest is swept."""
    with contextlib.suppress(OSError), _unfinished(folder) as unfinished:
        folder.replace(unfinished / folder.name)


# A killed process leaves its hidden folder. Nothing that a living process writes may be deleted:
# on this machine, the lock tells whether it lives; if the folder is another machine's, or the file
# system has no locks, only its age does.

_PART = re.compile(r"\.([0-9a-f]{8})[0-9a-f]{8}\.part")
_MARK = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_HOLDER = f"sketch2img on {platform.node()}, process ".encode()  # begins what a lock file holds
_OLD = 86_400.0  # seconds


@contextlib.contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Yield a new hidden folder next to `target`, which is deleted when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(os.path.abspath(target.parent))  # noqa: PTH100 - takes a tenth of the time
    while True:
        folder = target.with_name(f".{_MARK}{secrets.token_hex(4)}.part")
        folder.mkdir()
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # swept before it was locked
            lock = _lock(folder)
            break
    try:
        yield folder
    finally:
        try:
            folder.rmdir()  # quick, and usually enough
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the returned descriptor is closed; None if that is impossible here.

    A BlockingIOError says that another process or thread holds the lock.
    """
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()  # another process may have swept it meanwhile
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None
    return descriptor


@functools.cache  # a folder may have many files, and this process leaves nothing
def _sweep(folder: str) -> None:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        hidden = [entry for entry in entries if entry.name.startswith(".")]
        for entry in hidden:
            with contextlib.suppress(OSError):
                _sweep_entry(entry)


def _sweep_entry(entry: "os.DirEntry[str]") -> None:
    path, found = Path(entry.path), _PART.fullmatch(entry.name)
    if found and entry.is_dir(follow_symlinks=False):
        is_old = time.time() - path.stat().st_mtime > _OLD
        lock = _lock(path)
        if is_old or (lock is not None and found[1] == _MARK):
            shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)
    is_lock = entry.name.endswith(".lock") and entry.is_file(follow_symlinks=False)
    if is_lock and path.read_bytes().startswith(_HOLDER):
        with contextlib.suppress(filelock.Timeout), filelock.FileLock(path, timeout=0):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(target: Path, *, doing: str = "made", patience: float = 0.0) -> Iterator[None]:
    """Keep every other process and thread from making `target` while the block runs.

    The operating system releases the lock when its process ends, however that happens. The lock
    file is deleted while the lock is still held: whoever opened it a moment earlier then locks a
    file without a name, which filelock notices. An older folder that a killed process had moved
    aside is restored. The lock is awaited for `patience` seconds.
    """
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=patience)
    path = Path(lock.lock_file)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(str(target.parent.absolute()))
        try:
            lock.acquire()
        except filelock.Timeout:
            try:
                holder = f" (process {int(path.read_text(encoding='utf-8').split()[-1])})"
            except (OSError, ValueError, IndexError):
                holder = ""
            raise DataError(
                f"{target.name} is being {doing} by another sketch2img command{holder}",
                hint="wait until that command has ended, then try again",
            ) from None
    # On Windows nobody can write to a locked file, and filelock deletes it; the soft lock, which
    # filelock uses on file systems without locks, keeps its own notes in the file.
    is_unix = isinstance(lock, filelock.UnixFileLock)
    try:
        if is_unix:
            with writing(target):
                path.write_bytes(_HOLDER + f"{os.getpid()}\n".encode())
        _bring_back(target.resolve())
        yield
    finally:
        if is_unix:
            path.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def writing(
    path: Path, *, hint: str = "check the free disk space and your write permission"
) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `DataError` that names the path."""
    try:
        yield
    except OSError as error:
        other = error.filename if error.filename != str(path) else None
        is_temporary = other is None or Path(str(other)).name.startswith(".")
        culprit = "" if is_temporary else f" ({other})"
        reason = error.strerror or error
        if isinstance(error, NotADirectoryError):
            hint = "set SKETCH2IMG_HOME to a folder with write permission, or name another folder"
        raise DataError(f"cannot write {path}: {reason}{culprit}", hint=hint) from error


def _bring_back(target: Path) -> None:
    """Undo the first half of a `move_in` that was killed."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        with writing(target):
            aside.replace(target)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # how a spreadsheet lets a formula begin


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a UTF-8 CSV file whole; text that begins like a formula gets an apostrophe first."""

    def cell(value: object) -> object:
        is_text = not isinstance(value, float | int)
        return f"'{value}" if is_text and str(value).startswith(FORMULA) else value

    def save(part: Path) -> None:
        # Bytes of a name that are not UTF-8 become escapes.
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file).writerows(map(cell, row) for row in rows)

    write_whole(path, save)


def csv_text(cell: str) -> str:
    """Undo the apostrophe that `write_csv` adds."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file to read it; an OSError names anything else.

    Opening a pipe would wait for a writer, and reading a device such as /dev/zero may never end.
    """
    no_waiting = getattr(os, "O_NONBLOCK", 0)  # Windows has no such flag
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | no_waiting))  # noqa: SIM115 - returned
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


# A PNG and a JPEG can carry a text.

_IHDR_END, _LONGEST_TEXT = 33, 1000  # bytes: where a PNG's header ends; of a text


def with_text(data: bytes, text: str) -> bytes:
    """Add a text to a PNG, as the `tEXt` field `Comment`, or to a JPEG; others stay as they are."""
    written = text.encode("ascii", "backslashreplace")[:_LONGEST_TEXT]  # as `tEXt` is Latin-1
    if written and data.startswith(b"\x89PNG"):
        chunk = b"tEXtComment\0" + written
        field = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:_IHDR_END] + field + data[_IHDR_END:]
    if written and data.startswith(b"\xff\xd8\xff\xe0"):  # the segment of JFIF must be the first
        end = 4 + int.from_bytes(data[4:6], "big")
        comment = b"\xff\xfe" + struct.pack(">H", len(written) + 2) + written
        return data[:end] + comment + data[end:]
    return data
