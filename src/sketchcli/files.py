"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in the folder where it will live, synced to the
disk, and moved into place.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from sketchcli.errors import DataError


def write_whole(
    path: Path, save: Callable[[Path], object], *, previous: Path | None = None
) -> None:
    """Let `save` write a file beside `path`, sync it, then move it into place.

    Args:
        path: The file.
        save: Writes its content under the name that it is given.
        previous: The name that an older file gets first; a crash between the two moves leaves
            that file alone.

    Raises:
        DataError: The folder cannot be written, or the disk is full. Nothing is left behind.
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
    content = text.encode(errors="backslashreplace")  # what JSON reads back
    write_whole(path, lambda part: part.write_bytes(content))


def write_json(path: Path, data: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write a JSON file whole."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


NO_ROOM = "is there room on the disk, and may you write there?"


@contextlib.contextmanager
def new_folder(
    target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool = False
) -> Iterator[Path]:
    """Fill a folder beside `target`; it takes the name only when the block ends well.

    The caller holds the lock of `target`: what a killed process left is cleared away.

    Args:
        target: The folder to make.
        is_ours: Whether this program made a folder; another one is never replaced.
        overwrite: Whether an older folder of that name may be replaced.

    Raises:
        DataError: `target` exists, or the disk cannot be written. The old state stays.
    """
    target = target.resolve()  # a link's folder is replaced, not the link
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
    """Make sure that a folder of this name may be made.

    Raises:
        DataError: There is one, and it may not be replaced.
    """
    if target.exists() and not overwrite:
        hint = "choose another name" if target.is_file() else "add --overwrite, or another name"
        raise DataError(f"{target} exists", hint=hint)
    if target.exists() and not is_ours(target):
        raise DataError(f"{target}: holds something else", hint="choose another name")


def move_in(part: Path, target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool) -> None:
    """Give a finished folder of the same disk its name, in the place of an older one.

    Raises:
        DataError: Meanwhile there is a folder that may not be replaced, or the disk cannot be
            written. The old state stays.
    """
    check_new(target, is_ours=is_ours, overwrite=overwrite)
    with writing(target):
        _swap(part, target)


@contextlib.contextmanager
def locked(target: Path, *, doing: str = "made", patience: float = 0.0) -> Iterator[None]:
    """Keep every other process and thread from making `target` while the block runs.

    The operating system drops the lock with its process, however that ends. The lock file goes
    while the lock is still held: whoever opened it a moment earlier then locks a file without a
    name, which filelock notices. After a kill the file stays, and locks nobody out; an older
    folder that the killed process had moved aside comes back.

    Args:
        target: What is made.
        doing: What the other one does with it, for the message.
        patience: Seconds to wait for the other one.

    Raises:
        DataError: Another one holds the lock, or the folder cannot be written.
    """
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=patience)
    path = Path(lock.lock_file)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise _held_elsewhere(target, path, doing) from None
    # Windows lets nobody write to a locked file, and filelock removes it there; the lock without
    # the system's help, for file systems that have none, keeps its own notes in the file.
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
def writing(path: Path, *, hint: str = NO_ROOM) -> Iterator[None]:
    """Name the path in any error that the operating system raises inside.

    Raises:
        DataError: In the place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        other = error.filename if error.filename != str(path) else None
        is_temporary = other is None or Path(str(other)).name.startswith(".")
        culprit = "" if is_temporary else f" ({other})"
        reason = error.strerror or error
        raise DataError(f"cannot write {path}: {reason}{culprit}", hint=hint) from error


def _held_elsewhere(target: Path, lock: Path, doing: str) -> DataError:
    try:
        holder = int(lock.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        process = ""
    else:
        process = f" (process {holder})"
    return DataError(
        f"{target.name} is being {doing} by another sketch2img{process}",
        hint="wait until it has ended, then try again",
    )


def _swap(part: Path, target: Path) -> None:
    if not target.exists():
        part.replace(target)
        return
    aside = _aside(target)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        target.replace(aside)
        part.replace(target)
    except BaseException:  # Ctrl-C too
        _bring_back(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _bring_back(target: Path) -> None:
    """Undo the first half of a `_swap` that was killed."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        with writing(target):
            aside.replace(target)


def _aside(target: Path) -> Path:
    """Where an older folder waits until the new one has its name."""
    return target.with_name(f".{target.name}.old")


# Which names are those of pictures; nothing heavy is imported to tell.

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
READABLE = WRITABLE | {".avif", ".gif", ".jp2", ".pbm", ".pgm", ".ppm"}


def is_picture(path: Path) -> bool:
    """Whether the file's name says that it is a picture (hidden files are not)."""
    return path.suffix.lower() in READABLE and not path.name.startswith(".")
