"""A server on the loopback address that misbehaves as it is told, and remembers what it saw."""

import contextlib
import email.utils
import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Reply:
    """What one request is answered with; the last of a path's replies is given for ever."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = '"one"'
    modified: float | None = None  # seconds since 1970
    ranges: bool = True  # obeys Range
    if_range: bool = True  # obeys If-Range
    cut: int | None = None  # close the connection after so many bytes of this reply's body
    stall: int | None = None  # fall silent after so many bytes of this reply's body
    drip: float = 0.0  # seconds before each byte of the body
    length: int | None = None  # Content-Length, right or not; -1 leaves it out
    piece: int | None = None  # the most bytes that a Range gets at once
    shift: int = 0  # added to the first byte that Content-Range claims


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    path: str  # the whole address, where we are a proxy
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")


class Server:
    """Addresses, scripts and the log of a running server."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.seen: list[Seen] = []
        self.scripts: dict[str, list[Reply]] = {}
        self.closing = threading.Event()

    def serve(self, path: str, *replies: Reply) -> str:
        """Answer a path with these replies, one after another; returns its URL."""
        self.scripts[path] = list(replies)
        return self.address + path

    def next_reply(self, path: str) -> Reply:
        replies = self.scripts.get(path, [Reply(status=404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def asked(self, path: str) -> list[Seen]:
        """The requests for one path."""
        return [seen for seen in self.seen if seen.path == path]

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of the requests for one path."""
        return [seen.range for seen in self.asked(path)]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as the block lasts."""

    class Handler(_Handler):
        owner: Server

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.owner = Server(listener.server_port)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Handler.owner
    finally:
        Handler.owner.closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be silent."""

    def do_GET(self) -> None:
        self.owner.seen.append(Seen(self.path, dict(self.headers)))
        reply = self.owner.next_reply(self.path)
        start = self._start(reply)
        if start is not None and start >= len(reply.body):
            reply, start = replace(reply, status=416, body=b"", headers={}), None
        self._answer(reply, start)

    def _start(self, reply: Reply) -> int | None:
        """The first byte to send, where only the rest is asked for."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if reply.status != 200 or not reply.ranges or not found:
            return None
        condition = self.headers.get("If-Range")
        is_current = condition in {None, reply.etag, _date(reply)}
        return int(found[1]) if is_current or not reply.if_range else None

    def _answer(self, reply: Reply, start: int | None) -> None:
        body = reply.body[start or 0 :][: reply.piece if start else None]
        self.send_response(reply.status if start is None else 206)
        for name, value in self._headers(reply, start, len(body)).items():
            self.send_header(name, value)
        self.end_headers()
        for byte in body if reply.drip else b"":
            time.sleep(reply.drip)
            self.wfile.write(bytes([byte]))
        cut, stall = 0 if reply.drip else reply.cut, reply.stall
        self.wfile.write(body[: min([len(body), *(n for n in (cut, stall) if n is not None)])])
        self.wfile.flush()
        if stall is not None:
            self.owner.closing.wait(5)
        if cut is not None or stall is not None or reply.length is not None:
            self.close_connection = True

    def _headers(self, reply: Reply, start: int | None, size: int) -> dict[str, str]:
        headers = {"Content-Length": str(size if reply.length is None else reply.length)}
        if reply.length == -1:
            headers = {"Connection": "close"}
        if reply.etag:
            headers["ETag"] = reply.etag
        if reply.modified is not None:
            headers["Last-Modified"] = str(_date(reply))
        if start is not None:
            whole = len(reply.body)
            first, last = start + reply.shift, start + size - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{whole}"
        return headers | reply.headers


def _date(reply: Reply) -> str | None:
    return None if reply.modified is None else email.utils.formatdate(reply.modified, usegmt=True)


def wait_until(condition, seconds: float = 5.0) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
