"""Serving the drawing page on this computer: its port, its token, the browser, and the end."""

import contextlib
import getpass
import os
import platform
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from sketchcli import interruption
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.errors import UsageError
from sketchcli.serving.guard import LOCAL, Guard
from sketchcli.serving.model_desk import LoadedDrawer, ModelDesk
from sketchcli.serving.routes import Routes

PORT, TRIED = 8756, 50  # the default port; how many from it on are tried
MOST_REQUESTS = 64  # at the same time


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket: on that port, or on the first free one from the default on."""
    last = OSError()
    for each in range(PORT, PORT + TRIED) if port is None else [port]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Only if the protocol is named, asyncio sends what it has at once, 40 ms sooner.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if sys.platform != "win32":  # there, it would let two programs listen
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, each))
            listener.listen()
        except OSError as error:
            listener.close()
            last = error
        else:
            return listener
    which = f"ports {PORT} to {PORT + TRIED - 1}" if port is None else f"port {port}"
    reason = last.strerror or last
    raise UsageError(
        f"cannot listen on {which} of {host}: {reason}",
        hint="choose another port with --port" if port is None else "choose another --port",
    ) from last


def has_display() -> bool:
    """Return whether a browser that opens here is seen by whoever typed the command."""
    if sys.platform in {"win32", "darwin"}:
        return "SSH_CONNECTION" not in os.environ
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def tunnel(port: int) -> str:
    """Return the command that brings a port of this machine to one's own."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "USER"
    connection = os.environ.get("SSH_CONNECTION", "").split()  # client, port, server, port
    host = connection[2] if len(connection) == 4 else platform.node()
    return f"ssh -N -L {port}:127.0.0.1:{port} {user}@{host}"


class Server(uvicorn.Server):
    """A server that tells when it accepts requests, and leaves signals to `interruption`."""

    on_start: Callable[[], object]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept requests."""
        await super().startup(sockets=sockets)
        self.on_start()

    async def on_tick(self, counter: int) -> bool:
        """End if a signal came while a request was answered, which swallows KeyboardInterrupt."""
        interruption.check()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing: a signal raises KeyboardInterrupt, which ends the loop at once."""
        yield


def serve(
    weights: Path,
    open_model: Callable[[Path], LoadedDrawer],
    *,
    listener: socket.socket,
    announce: Callable[[str], object],
    sketch: bytes | None = None,
    has_browser: bool = True,
    reporter: Reporter = SILENT,
) -> None:
    """Serve the page until Ctrl-C; `announce` gets its address, with the token of this launch."""
    host, port = listener.getsockname()[:2]
    token, desk = secrets.token_urlsafe(32), ModelDesk(weights, open_model, reporter)
    app = Guard(Routes(desk, sketch, reporter).app(), host=host, token=token)
    shown = f"[{host}]" if ":" in host else host
    shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104
    address = f"http://{shown}:{port}/#token={token}"

    def begin() -> None:
        announce(address)
        _tell(host, port, reporter, has_browser=has_browser)
        if has_browser and has_display():  # which may take a while
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        desk.start()

    settings = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # errors are told by the routes
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_REQUESTS,
    )
    server = Server(settings)
    server.on_start = begin
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        reporter(Note("stopped"))
    finally:
        desk.stop()
        listener.close()


def _tell(host: str, port: int, reporter: Reporter, *, has_browser: bool) -> None:
    """Say who can reach the page, and how to see it if nothing can be shown here."""
    if host not in LOCAL:
        message = (
            f"the page is served on {host}: whoever can reach this computer and has the whole "
            "address can use it, and the connection is not encrypted"
        )
        reporter(Note(message, is_warning=True))
    if not has_display():
        message = "no display found. On your own computer, run this, then open the address there:"
        reporter(Note(message, is_vital=True))
        reporter(Note(f"  {tunnel(port)}", is_vital=True))
    opens = "the browser opens the page" if has_browser and has_display() else "open the address"
    reporter(Note(f"{opens}; press Ctrl-C here to stop"))
