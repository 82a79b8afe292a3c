"""A set's bytes, from wherever they come: a file or folder of the user's, or an address."""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchcli import files, paths
from sketchcli.assets import RemoteFile
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.fetching import inventory
from sketchcli.engine.fetching.download import address_key, download, shown
from sketchcli.errors import DataError, DownloadError, UsageError


@dataclass(frozen=True)
class Obtained:
    """A file or folder that is on this machine."""

    path: Path
    origin: str  # an address, as it may be shown, or a path
    sha256: str = ""  # of a file
    is_downloaded: bool = False
    key: str = ""  # in our own record, where nobody published the hash


def is_address(source: str) -> bool:
    """Whether `--from` names an address.

    Raises:
        UsageError: An address of a kind that nothing is fetched from.

    >>> is_address("https://example.org/a.zip"), is_address("C:/a.zip")
    (True, False)
    """
    scheme = re.match(r"([A-Za-z][\w+.-]+)://", source)
    hint = "download it yourself, then --from FILE"
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise UsageError(f"--from {shown(source)}: neither http nor https", hint=hint)
    return scheme is not None


def shown_source(source: str) -> str:
    """A `--from` as it may be shown."""
    return shown(source) if is_address(source) else source


def check(source: str) -> None:
    """Refuse a `--from` that nothing can come from, before anything is asked or done.

    Raises:
        UsageError: An address of a kind that nothing is fetched from.
        DataError: Neither a file nor a folder.
    """
    path = Path(source).expanduser()
    if is_address(source) or path.is_dir() or path.is_file():
        return
    fault = "neither a file nor a folder" if path.exists() else "no such file or folder"
    raise DataError(f"{path}: {fault}", hint="name what you have with --from")


def from_disk(source: str, *, sha256: str = "") -> Obtained:
    """A file or folder of the user's.

    Args:
        source: Its path.
        sha256: What the file must hash to, if that is known.

    Raises:
        DataError: It is not that file.
        UsageError: A hash was given for a folder.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        if sha256:
            raise UsageError(f"--sha256: {path} is a folder", hint="give it with a file")
        return Obtained(path, str(path.resolve()))
    found = inventory.sha256_of(path)
    if sha256 not in {"", found}:
        raise DataError(f"{path}: its SHA-256 is {found}, not {sha256}", hint="get the file again")
    return Obtained(path, str(path.resolve()), found)


def file_at(url: str) -> RemoteFile:
    """The file behind an address that the user gives.

    Its name starts with a hash of the address, so that no other file's part is taken for its own.

    >>> file_at("https://example.org/set.zip?key=1").name
    '72ebd66d-set.zip'
    """
    last = re.split(r"[?#]", url)[0].rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^\w.+-]", "-", last)[-64:]
    return RemoteFile(f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}", (url,))


def from_network(
    file: RemoteFile,
    folder: Path,
    *,
    sha256: str = "",
    is_stable: bool = True,
    reporter: Reporter = SILENT,
) -> Obtained:
    """Download a file, and compare it with its known hash, or with what it was the first time.

    Args:
        file: The file.
        folder: Where it goes; what an earlier run left there is used.
        sha256: The hash that the user trusts, in the place of any other.
        is_stable: Whether the same address gives the same bytes every time.
        reporter: Told of the bytes.

    Raises:
        DownloadError: No address gave the file, or it is not the one that it was.
        DataError: The disk is full or cannot be written.
    """
    is_unpublished = is_stable and file.sha256 is None
    expected = sha256 or file.sha256
    before = _recorded(file) if is_unpublished and not sha256 else None
    path = folder / file.name
    found, source = _left_over(path, expected or before), address_key(next(iter(file.urls), ""))
    if not found:
        done = download(file.urls, path, sha256=expected, reporter=reporter)
        found, source = done.sha256, done.source
    if before not in {None, found}:
        path.unlink()
        raise DownloadError(
            f"{file.name} has changed: its SHA-256 is {found}, and was {before} before",
            hint=f"if you trust the new one: --sha256 {found}",
        )
    key = source if is_unpublished else ""
    return Obtained(path, shown(source), found, is_downloaded=True, key=key)


def remember(found: Obtained, reporter: Reporter = SILENT) -> None:
    """Record and show the hash that nobody published, of a download that proved to be good."""
    if found.key and recorded([found.key]) != found.sha256:
        size = found.path.stat().st_size
        record(found.key, sha256=found.sha256, size=size)
        reporter(Note(f"{found.path.name}: SHA-256 {found.sha256}, recorded to notice a change"))


def _recorded(file: RemoteFile) -> str | None:
    return recorded([address_key(url) for url in file.urls])


def _left_over(path: Path, expected: str | None) -> str:
    """The SHA-256 of a file that an earlier run downloaded whole and could not unpack, or ''."""
    found = inventory.sha256_of(path) if path.is_file() else ""
    return found if expected in {None, found} else ""


# What was downloaded before: a file whose hash nobody published must not change unnoticed.

FILE = "known-files.json"
LONGEST_WAIT = 10.0  # seconds for others, each of whom takes milliseconds


def recorded(keys: Sequence[str]) -> str | None:
    """The SHA-256 that a file had when it was first downloaded from one of its addresses.

    Args:
        keys: The addresses, as `addresses.key` has them.

    Raises:
        DataError: The record is damaged.
    """
    known = _read()
    return next((str(known[key]["sha256"]) for key in keys if key in known), None)


def record(key: str, *, sha256: str, size: int) -> None:
    """Write down what came from an address.

    Args:
        key: The address, as `addresses.key` has it.
        sha256: The file's hash.
        size: The file's bytes.

    Raises:
        DataError: The record is damaged, or cannot be written.
    """
    today = dt.datetime.now(dt.UTC).date().isoformat()
    with files.locked(_path(), doing="written", patience=LONGEST_WAIT):
        known = _read() | {key: {"sha256": sha256, "size": size, "date": today}}
        files.write_json(_path(), known)


def _path() -> Path:
    return paths.home() / FILE


def _read() -> dict[str, dict[str, Any]]:
    path = _path()
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        is_sound = all(isinstance(entry["sha256"], str) for entry in known.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise DataError(f"{path}: damaged", hint="delete it; it will be recorded anew")
    return dict(known)
