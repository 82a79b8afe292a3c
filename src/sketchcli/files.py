"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in its destination folder, synced to the disk, and
moved into place.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from sketchcli.errors import DataError


def write_whole(
    path: Path, save: Callable[[Path], object], *, previous: Path | None = None
) -> None:
    """Let `save` write a file next to `path`, sync it, then move it into place.

    An existing file is first renamed to `previous`; a crash between the two moves leaves only
    that file. An error leaves nothing behind.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
        part.touch(exist_ok=False)
        try:
            save(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole; bytes of a name that are not UTF-8 become escapes."""
    content = text.encode(errors="backslashreplace")  # JSON reads these escapes back
    write_whole(path, lambda part: part.write_bytes(content))


def write_json(path: Path, data: Any) -> None:  # noqa: ANN401 - anything that JSON can hold
    """Write a JSON file whole."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def new_folder(
    target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool = False
) -> Iterator[Path]:
    """Fill a folder next to `target`, which takes that name only if the block succeeds.

    The caller must hold the lock of `target`: what a killed process left is deleted. An existing
    folder is replaced only with `overwrite`, and only if `is_ours` says that this program made
    it. After an error the old state stays.
    """
    target = target.resolve()  # replaces the folder behind a link, not the link
    check_new(target, is_ours=is_ours, overwrite=overwrite)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.new")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
            move_in(part, target, is_ours=is_ours, overwrite=overwrite)
        finally:
            shutil.rmtree(part, ignore_errors=True)


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
    """Give a finished folder on the same disk its name, replacing an older folder if allowed.

    After an error, the old state stays.
    """
    check_new(target, is_ours=is_ours, overwrite=overwrite)
    with writing(target):
        if not target.exists():
            part.replace(target)
            return
        aside = _aside(target)
        shutil.rmtree(aside, ignore_errors=True)
        try:
            target.replace(aside)
            part.replace(target)
        except BaseException:  # includes Ctrl-C
            _bring_back(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def locked(target: Path, *, doing: str = "made", patience: float = 0.0) -> Iterator[None]:
    """Keep every other process and thread from making `target` while the block runs.

    The operating system releases the lock when its process ends, however that happens. The lock
    file is deleted while the lock is still held: whoever opened it a moment earlier then locks a
    file without a name, which filelock notices. After a kill the file stays but locks nobody out,
    and an older folder that the killed process had moved aside is restored.

    The lock is awaited for `patience` seconds; the error says what its holder is `doing`.
    """
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=patience)
    path = Path(lock.lock_file)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            try:
                holder = f" (process {int(path.read_text(encoding='ascii').split()[0])})"
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
                path.write_text(f"{os.getpid()}\n", encoding="ascii")
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
        raise DataError(f"cannot write {path}: {reason}{culprit}", hint=hint) from error


def _bring_back(target: Path) -> None:
    """Undo the first half of a `move_in` that was killed."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        with writing(target):
            aside.replace(target)


def _aside(target: Path) -> Path:
    """Return where an older folder waits until the new one has its name."""
    return target.with_name(f".{target.name}.old")


# Image files are recognised by their names, so that no heavy import is needed.

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
READABLE = WRITABLE | {".avif", ".gif", ".heic", ".heif", ".jp2", ".pbm", ".pgm", ".ppm"}


def is_picture(path: Path) -> bool:
    """Return whether a file name has an image extension and is not hidden."""
    return path.suffix.lower() in READABLE and not path.name.startswith(".")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file to read it; an OSError names anything else.

    Opening a pipe would wait for a writer, and reading a device such as /dev/zero may never end.
    """
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 - returned
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such flag
