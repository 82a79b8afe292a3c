"""The files of a dataset or network, from the user's disk or from a URL."""

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
from sketchcli.engine.fetching.download import address_key, download, shown
from sketchcli.errors import DataError, DownloadError, UsageError


@dataclass(frozen=True)
class Obtained:
    """A file or folder that is on this machine."""

    path: Path
    origin: str  # a path, or a URL without secrets
    sha256: str = ""  # empty for a folder
    is_downloaded: bool = False
    key: str = ""  # key in our own record, if the hash is not published


def is_address(source: str) -> bool:
    """Return whether `--from` names a URL; one that is neither http nor https is an error.

    >>> is_address("https://example.org/a.zip"), is_address("C:/a.zip")
    (True, False)
    """
    scheme = re.match(r"([A-Za-z][\w+.-]+)://", source)
    hint = "download the file yourself, then give it with --from FILE"
    if scheme and scheme[1].lower() not in {"http", "https"}:
        raise UsageError(f"--from {shown(source)} is neither http nor https", hint=hint)
    return scheme is not None


def shown_source(source: str) -> str:
    """Return a `--from` value without secrets."""
    return shown(source) if is_address(source) else source


def check(source: str) -> None:
    """Refuse a `--from` that cannot be a source, before anything is asked or done."""
    path = Path(source).expanduser()
    if is_address(source) or path.is_dir() or path.is_file():
        return
    fault = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise DataError(f"{path} {fault}", hint="give an existing file or folder with --from")


def from_disk(source: str, *, sha256: str = "") -> Obtained:
    """Return a file or folder of the user's; a file must have the hash, if one is given."""
    path = Path(source).expanduser()
    if path.is_dir():
        if sha256:
            raise UsageError(
                f"--sha256 applies only to files, but {path} is a folder",
                hint="omit --sha256, or give a file with --from",
            )
        return Obtained(path, str(path.resolve()))
    found = files.sha256_of(path)
    if sha256 not in {"", found}:
        raise DataError(
            f"{path}: its SHA-256 is {found}, not {sha256}", hint="download the file again"
        )
    return Obtained(path, str(path.resolve()), found)


def file_at(url: str) -> RemoteFile:
    """Return the file behind a URL that the user gives.

    Its name starts with a hash of the URL, so that no other file's part is taken for its own.

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
    """Download a file, and check it against its published hash or that of its first download.

    `sha256` is a hash that the user trusts, which overrides any other. `is_stable` says whether a
    URL gives the same bytes every time. A file that an earlier run left in `folder` is used.

    Raises:
        DownloadError: If no URL gave the file, or its hash is another one.
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
            f"{file.name} has changed: its SHA-256 is {found}, but was {before} before",
            hint=f"if you trust the new file, add --sha256 {found}",
        )
    key = source if is_unpublished else ""
    return Obtained(path, shown(source), found, is_downloaded=True, key=key)


def remember(found: Obtained, reporter: Reporter = SILENT) -> None:
    """Record and show the unpublished hash of a download that proved to be good."""
    if found.key and recorded([found.key]) != found.sha256:
        size = found.path.stat().st_size
        record(found.key, sha256=found.sha256, size=size)
        reporter(Note(f"{found.path.name}: SHA-256 {found.sha256}, recorded to detect a change"))


def _recorded(file: RemoteFile) -> str | None:
    return recorded([address_key(url) for url in file.urls])


def _left_over(path: Path, expected: str | None) -> str:
    """Return the SHA-256 of a file that an earlier run downloaded but could not unpack, or ''."""
    found = files.sha256_of(path) if path.is_file() else ""
    return found if expected in {None, found} else ""


# Earlier downloads are recorded, so that a file without a published hash cannot change unnoticed.

FILE = "known-files.json"
LONGEST_WAIT = 10.0  # seconds to wait for other processes, each of which takes milliseconds


def recorded(keys: Sequence[str]) -> str | None:
    """Return the SHA-256 of a file's first download from one of its URLs (`address_key`)."""
    known = _read()
    return next((str(known[key]["sha256"]) for key in keys if key in known), None)


def record(key: str, *, sha256: str, size: int) -> None:
    """Record the hash and the size in bytes of what came from a URL (`address_key`)."""
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
        raise DataError(f"{path} is damaged", hint="delete this file; it will be made again")
    return dict(known)
