"""Files and folders that appear whole or not at all.

Everything is written under a temporary name in the folder where it will live, synced to the
disk, and moved into place.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sketchcli.errors import DataError


def write_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a file beside `path`, sync it, then move it into place.

    Raises:
        DataError: The folder cannot be written, or the disk is full. Nothing is left behind.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f".part{path.suffix}")
        os.close(handle)
        part = Path(name)
        try:
            save(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.chmod(0o666 & ~_umask())  # mkstemp's file is readable by its owner alone
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, data: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write a JSON file whole."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def new_folder(
    target: Path, *, is_ours: Callable[[Path], bool], overwrite: bool = False
) -> Iterator[Path]:
    """Fill a folder beside `target`; it takes the name only when the block ends well.

    Args:
        target: The folder to make.
        is_ours: Whether this program made a folder; another one is never replaced.
        overwrite: Whether an older folder of that name may be replaced.

    Raises:
        DataError: `target` exists, or the disk cannot be written. The old state stays.
    """
    target = target.resolve()  # a link's folder is replaced, not the link
    if target.exists() and not overwrite:
        hint = "choose another name" if target.is_file() else "add --overwrite, or another name"
        raise DataError(f"{target} exists", hint=hint)
    if target.exists() and not is_ours(target):
        raise DataError(f"{target}: holds something else", hint="choose another name")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            yield part
            part.chmod(0o777 & ~_umask())
            _swap(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
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
        hint = "is there room on the disk, and may you write there?"
        raise DataError(f"cannot write {path}: {reason}{culprit}", hint=hint) from error


def _swap(part: Path, target: Path) -> None:
    if not target.exists():
        part.replace(target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-old-"))
    try:
        target.replace(old)  # an empty folder may be replaced by a full one
        try:
            part.replace(target)
        except OSError:
            old.replace(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
