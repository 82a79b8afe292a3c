"""Downloads over HTTP, whole and verified; the only module that opens connections.

What has arrived stays next to the target, as `.NAME.part`, until the file is complete; the next
attempt or command resumes from there (RFC 9110, sections 13.1.5 and 14).
"""

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError

from sketchcli import __version__, files
from sketchcli.engine.events import SILENT, Note, Pace, Reporter, Transferred
from sketchcli.errors import DownloadError

BLOCK = 1 << 15  # bytes read at once, which a broken connection can lose
TIMEOUT = (15.0, 30.0)  # seconds to connect, and without a single byte
SLOWEST = (BLOCK, 120.0)  # bytes that must arrive within so many seconds
MOST_UNANNOUNCED = 2**33  # bytes of a body whose size is neither announced nor known
NO_NETWORK = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


class PatientRetry(Retry):
    """A `Retry` that waits before the first retry too, and `backoff_max` seconds at most.

    A server that breaks off after every few bytes is not asked again at once, and none can ask for
    hours with `Retry-After`.
    """

    def get_backoff_time(self) -> float:
        """Return the seconds before the next attempt: 1, 2, 4, ... times the factor, and jitter."""
        return super().get_backoff_time() or self.backoff_factor

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that `Retry-After` asks for; None if it cannot be understood."""
        with contextlib.suppress(InvalidHeader, ValueError, OverflowError):
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, self.backoff_max)
        return None


RETRY = PatientRetry(
    total=4,  # further attempts in a row that bring nothing new
    status_forcelist={429, 500, 502, 503, 504},
    backoff_factor=1.0,  # second
    backoff_jitter=1.0,
    backoff_max=60.0,
)


@dataclass(frozen=True)
class Obtained:
    """A file or folder that is on this machine."""

    path: Path
    origin: str  # a path, or a URL without secrets
    sha256: str = ""  # empty for a folder


class SourceError(Exception):
    """A failed attempt at one source, which may be tried `again`.

    `wait` holds the seconds that the server asked for; `offline`: no connection was possible.
    """

    def __init__(
        self, reason: str, *, again: bool = False, wait: float | None = None, offline: bool = False
    ) -> None:
        super().__init__(reason)
        self.again, self.wait, self.offline = again, wait, offline


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    retry: Retry = RETRY,
    timeout: tuple[float, float] = TIMEOUT,
    reporter: Reporter = SILENT,
) -> Obtained:
    """Download a file from the first source that gives it whole; `target` changes only then.

    The sources are tried in their order, but the source of a part that an earlier command left goes
    first. Without a `sha256`, they must be https. `retry` limits the attempts at one source;
    `timeout` is that of a connection and of a silence. No more arrives than twice the known `size`,
    or the free disk space; than half of that and 8 GB if the server announces no size. What has
    arrived stays after an error.
    """
    with files.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = PartialFile(target)
        found = files.sha256_of(part.path) if part.size and sha256 else ""
    wanted = sha256.lower() if sha256 else ""
    if not found or found != wanted:  # a command may have ended just before the move
        with _Session() as session:
            transfer = _Transfer(session, part, target, retry, timeout, reporter, size)
            found = _complete(transfer, urls, wanted)
    reporter(Transferred(target.name, part.size, part.size))
    with files.writing(target):
        with part.path.open("rb+") as file:
            os.fsync(file.fileno())
        part.path.replace(target)
        part.sidecar.unlink(missing_ok=True)
    return Obtained(target, shown(part.source), found)


def _complete(transfer: "_Transfer", urls: Sequence[str], wanted: str) -> str:
    """Try the sources in turn until one completes the part, and return its SHA-256."""
    sources = sorted(dict.fromkeys(urls), key=lambda url: address_key(url) != transfer.part.source)
    failures: dict[str, SourceError] = {}
    for url in sources:
        try:
            return transfer.run(url, wanted)
        except SourceError as error:
            failures[url] = error
            if url != sources[-1]:
                message = f"{shown(url)}: {error}; trying the next source"
                transfer.reporter(Note(message, is_warning=True))
    name = transfer.target.name
    tried = "; ".join(f"{shown(url)}: {error}" for url, error in failures.items())
    if failures and all(error.offline for error in failures.values()):
        raise DownloadError(
            f"cannot download {name} without a network connection: {tried}",
            hint="check the network and HTTPS_PROXY, or give a local file with --from FILE",
        )
    raise DownloadError(
        f"cannot download {name}: {tried or 'no source is known'}",
        hint="run the same command later to resume, or give a local file with --from FILE",
    )


class _Session(requests.Session):
    """A session with the environment's proxies that follows no redirect from https to http."""

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = 10
        self.headers["User-Agent"] = f"sketch2img/{__version__}"
        # With any other encoding, the counted bytes would not be those that are saved.
        self.headers["Accept-Encoding"] = "identity"

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a response redirects to; requests would read its endless body first."""
        target: str | None = super().get_redirect_target(resp)
        if target is not None and resp.raw is not None:
            resp.raw.close()
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Refuse a redirect from https to http; requests calls this before following any."""
        if response.url.startswith("https:") and str(prepared_request.url).startswith("http:"):
            raise requests.exceptions.InvalidSchema("redirected from https to http")
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]


class PartialFile:
    """The bytes of a file so far, next to its target, and the source and version they are from.

    The source is stored as an `address_key`: secrets in a URL are written nowhere. Every method
    may raise an `OSError`.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.part")
        self.sidecar = target.with_name(f".{target.name}.part.json")
        self.source = self.validator = ""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            about = json.loads(self.sidecar.read_text(encoding="utf-8"))
            self.source, self.validator = str(about["source"]), str(about["validator"])
        is_resumable = self.validator and self.path.is_file()
        self.size = self.path.stat().st_size if is_resumable else 0

    def begin(self, url: str, validator: str) -> None:
        """Drop the bytes so far, in favour of another source or version."""
        self.path.write_bytes(b"")  # emptied first: a kill in between must not mix the versions
        self.size, self.source, self.validator = 0, address_key(url), validator
        files.write_json(self.sidecar, {"source": self.source, "validator": validator})

    def clear(self) -> None:
        """Delete the bytes so far."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        self.size, self.source, self.validator = 0, "", ""

    def range_from(self, url: str) -> dict[str, str]:
        """Return headers that ask for the rest, if this source's earlier bytes allow that."""
        is_resumable = self.size and self.validator and self.source == address_key(url)
        return {"Range": f"bytes={self.size}-", "If-Range": self.validator} if is_resumable else {}


@dataclass
class _Transfer:
    """The download of one file, from one source after another."""

    session: _Session
    part: PartialFile
    target: Path
    retry: Retry
    timeout: tuple[float, float]
    reporter: Reporter
    size: int | None = None  # expected bytes of the whole file, roughly
    pace: Pace = field(default_factory=Pace)

    def run(self, url: str, wanted: str) -> str:
        """Complete the part from one source and return its hash, or give the source up.

        `Retry` counts the attempts and says how long to wait. It does not repeat requests inside
        the session, where it would log URLs with their secrets and could not resume a cut body.
        """
        if not wanted and url.lower().startswith("http://") and not is_secure(url):
            fault = "plain http is used only for a file whose SHA-256 is known"
            raise SourceError(f"{fault}; use https, or add --sha256 HASH")
        retry, before = self.retry, self.part.size if self.part.range_from(url) else 0
        furthest = before
        while True:
            try:
                return self._attempt(url, wanted)
            except SourceError as error:
                if self.part.size > furthest:
                    retry, furthest = self.retry, self.part.size
                is_hopeless = error.offline and furthest == before  # no network: fail at once
                if not error.again or is_hopeless:
                    raise
                try:
                    retry = retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise error from error.__cause__
                wait = error.wait or retry.get_backoff_time()
                self.reporter(Note(f"{shown(url)}: {error}; retrying in {wait:.3g} s"))
                time.sleep(wait)

    def _attempt(self, url: str, wanted: str) -> str:
        with contextlib.closing(self._answer(url)) as response, files.writing(self.target):
            if response.status_code == 200:
                self.part.begin(url, validator(response.headers))
            total = total_bytes(response.headers, self.part.size)
            most = self._most(total)
            with self.part.path.open("ab") as file:
                for block in self._blocks(response, total):
                    file.write(block)
                    file.flush()  # a kill must not lose it
                    self.part.size += len(block)
                    if self.part.size > most:
                        self.part.clear()
                        raise SourceError(f"sends more than the {most:,} bytes that are allowed")
                    if self.part.size != total and self.pace.is_due():
                        self.reporter(Transferred(self.target.name, self.part.size, total))
            found = files.sha256_of(self.part.path)
            if wanted and found != wanted:
                self.part.clear()
                raise SourceError(f"its SHA-256 is {found}, not {wanted}")
        return found

    def _most(self, total: int | None) -> int:
        """Return the most bytes that the part may have; refuse a file that is announced larger."""
        free = self.part.size + shutil.disk_usage(self.target.parent).free
        if total is not None and total > free:
            raise OSError(errno.ENOSPC, f"{total:,} bytes are needed, and {free:,} are free")
        most = free if total is not None else min(free // 2, MOST_UNANNOUNCED)
        most = 2 * self.size if self.size else most
        if total is not None and total > most:
            raise SourceError(f"its size is {total:,} bytes, but about {self.size:,} are expected")
        return most

    def _answer(self, url: str) -> requests.Response:
        """Return a response whose body starts where the part ends, or at the beginning."""
        asked = self.part.range_from(url)
        response = self._get(url, asked)
        status = response.status_code
        start, whole = content_range(response.headers)
        is_rest = status == 206 and start == self.part.size and (whole is None or whole > start)
        is_same = validator(response.headers) in {"", self.part.validator}
        if asked and status in {206, 416} and not (is_rest and is_same):
            response.close()
            with files.writing(self.target):
                self.part.clear()
            return self._answer(url)
        if status != 200 and not (status == 206 and asked):
            response.close()
            wait = self.retry.get_retry_after(response.raw)
            again = self.retry.is_retry("GET", status, wait is not None)
            raise SourceError(f"{status} {response.reason}", again=again, wait=wait)
        return response

    def _get(self, url: str, asked: Mapping[str, str]) -> requests.Response:
        if not url.lower().startswith(("http://", "https://")):
            raise SourceError("the URL is neither http nor https")
        try:
            return self.session.get(url, headers=asked, stream=True, timeout=self.timeout)
        except requests.RequestException as error:
            root = _root(error)
            may_pass = isinstance(error, requests.ConnectionError | requests.Timeout)
            again = may_pass and not isinstance(root, ssl.SSLCertVerificationError)
            no_name = isinstance(root, socket.gaierror)
            offline = no_name or getattr(root, "errno", None) in NO_NETWORK
            raise SourceError(_reason(error), again=again, offline=offline) from error

    def _blocks(self, response: requests.Response, total: int | None) -> Iterator[bytes]:
        """Yield the body as it was sent, until the part has `total` bytes."""
        error: Exception | None = None
        due, least = time.monotonic() + SLOWEST[1], self.part.size + SLOWEST[0]
        try:
            while block := response.raw.read1(
                BLOCK if total is None else min(BLOCK, total - self.part.size),
                decode_content=False,
            ):
                yield block
                if self.part.size >= least:
                    due, least = time.monotonic() + SLOWEST[1], self.part.size + SLOWEST[0]
                elif time.monotonic() > due:
                    raise SourceError(f"sends less than {SLOWEST[0]:,} bytes in {SLOWEST[1]:g} s")
        except HTTPError as caught:
            error = caught
        if error or (total is not None and self.part.size != total):
            so_far = f"after {self.part.size} of {'?' if total is None else total} bytes"
            reason = _reason(error) if error else "cut"
            raise SourceError(f"{reason} {so_far}", again=True) from error


def _reason(error: BaseException) -> str:
    root = _root(error)
    if isinstance(root, TimeoutError) or isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(root, http.client.IncompleteRead):
        return "cut"
    return shown(str(getattr(root, "strerror", None) or root))  # the text may quote a URL


def _root(error: BaseException) -> BaseException:
    """Return the first cause, below the errors that requests and urllib3 put around it."""
    layers = (error.__cause__, getattr(error, "reason", None), *error.args)
    below = next((layer for layer in layers if isinstance(layer, BaseException)), None)
    return error if below is None else _root(below)


# The headers of a response describe a file and its parts (RFC 9110).


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the first byte of a partial body and the size of the whole file, if they are known.

    >>> content_range({"Content-Range": "bytes 10-19/20"})
    (10, 20)
    >>> content_range({"Content-Range": "bytes */20"})
    (None, None)
    """
    value = headers.get("Content-Range", "").strip()
    found = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", value, re.ASCII)
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


def total_bytes(headers: Mapping[str, str], start: int) -> int | None:
    """Return the bytes of the whole file, whose body begins at `start`; None if unknown.

    >>> total_bytes({"Content-Length": "5"}, 10)
    15
    """
    whole = content_range(headers)[1]
    length = headers.get("Content-Length", "")
    if whole is None and re.fullmatch(r"\d{1,18}", length, re.ASCII):
        return start + int(length)
    return whole


def validator(headers: Mapping[str, str]) -> str:
    """Return what `If-Range` takes: a strong ETag, or else the date of the last change, or ''.

    >>> validator({"ETag": 'W/"1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    'Wed, 21 Oct 2015 07:28:00 GMT'
    """
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def is_secure(url: str) -> bool:
    """Return whether nobody between the server and this machine can change what arrives.

    >>> is_secure("https://example.org/a"), is_secure("http://localhost:80/a")
    (True, True)
    >>> is_secure("http://localhost@example.org/a"), is_secure("http://127.0.0.1.example.org/")
    (False, False)
    """
    host = r"(?:[^/?#]*@)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:[/?#]|$)"
    return re.match(rf"(?i)https://|http://{host}", url) is not None


# URLs are shown and recorded without what might be secret in them.


def shown(url: str) -> str:
    """Return a URL, or a text that ends with one, without user, password, query and fragment.

    >>> shown("https://me:secret@example.org:8080/a/b.zip?X-Amz-Signature=secret")
    'https://example.org:8080/a/b.zip'
    """
    return re.sub(r"(\w://)[^/?#]*@|[?#].*", r"\1", url, flags=re.DOTALL)


def address_key(url: str) -> str:
    """Return what identifies a URL in our own records; it is `shown` like the URL itself.

    Two queries may name two files, so a hash replaces each.

    >>> address_key("https://me:secret@example.org/a.zip"), address_key("https://example.org/a.zip?id=1")
    ('https://example.org/a.zip', 'https://example.org/a.zip#c9aff77574334305')
    """
    query = re.search(r"[?#].*", url, flags=re.DOTALL)
    if query is None:
        return shown(url)
    return f"{shown(url)}#{hashlib.sha256(query[0].encode()).hexdigest()[:16]}"
