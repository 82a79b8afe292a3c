"""Serving the drawing page on this computer: its port, its token, the browser, and the end."""

import contextlib
import errno
import ipaddress
import os
import platform
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator

import uvicorn

from sketchcli import interruption
from sketchcli.engine.events import Note, Reporter
from sketchcli.errors import UsageError
from sketchcli.serving.guard import LOCAL
from sketchcli.serving.routes import Page

PORT, TRIED = 8756, 50  # the default port; how many from it on are tried
TAKEN = {errno.EADDRINUSE, errno.EACCES}  # the port is in use, or only for administrators


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket: on that port, or on the first free one from the default on."""
    family, fault = socket.AF_INET6 if ":" in host else socket.AF_INET, OSError()
    for each in range(PORT, PORT + TRIED) if port is None else [port]:
        try:
            listener = socket.create_server((host, each), family=family)
        except OSError as error:
            fault = error
            if error.errno not in TAKEN:  # no other port helps
                break
        else:
            # Connections inherit it; without it, every answer takes 40 ms longer.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
    which, hint = "", "choose another address with --host"
    if fault.errno in TAKEN:
        which = f"ports {PORT} to {PORT + TRIED - 1} of " if port is None else f"port {port} of "
        hint = "choose another port with --port"
    reason = str(fault.strerror).partition(" (")[0]  # Python adds the address
    raise UsageError(f"cannot listen on {which}{host}: {reason}", hint=hint) from fault


def has_display() -> bool:
    """Return whether a browser that opens here is seen by whoever typed the command."""
    if sys.platform in {"win32", "darwin"}:
        return "SSH_CONNECTION" not in os.environ
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def own_address() -> str:
    """Return the IPv4 address by which other machines of the network reach this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route, and sends nothing
        except OSError:  # no network
            return LOCAL
        return str(probe.getsockname()[0])


def tunnel(host: str, port: int) -> str:
    """Return the command that brings the page's address to one's own computer."""
    connection = os.environ.get("SSH_CONNECTION", "").split()  # client, port, server, port
    here = connection[2] if len(connection) == 4 else platform.node()
    return f"ssh -N -L {port}:{host}:{port} {os.environ.get('USER', 'USER')}@{here}"


class Server(uvicorn.Server):
    """A server that tells when it accepts requests, and leaves signals to `interruption`."""

    on_start: Callable[[], object]

    async def on_tick(self, counter: int) -> bool:
        """Begin, and end if a signal came while a request swallowed its KeyboardInterrupt."""
        if counter == 0:
            self.on_start()
        interruption.check()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing: a signal raises KeyboardInterrupt, which ends the loop at once."""
        yield


def serve(
    page: Page, listener: socket.socket, announce: Callable[[str], object], *, has_browser: bool
) -> None:
    """Serve the page until Ctrl-C; `announce` gets its address, with the token of this launch."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": own_address(), "::": "::1"}.get(host, host)  # noqa: S104
    shown = f"[{shown}]" if ":" in shown else shown
    address = f"http://{shown}:{port}/#token={page.token}"

    def begin() -> None:
        announce(address)
        _tell(host, tunnel(shown, port), page.reporter, has_browser=has_browser)
        if has_browser and has_display():  # which may take a while
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        page.desk.choose()

    settings = uvicorn.Config(
        page,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # errors are told by the page
        proxy_headers=False,
    )
    server = Server(settings)
    server.on_start = begin
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        page.reporter(Note("stopped"))
    finally:
        listener.close()


def _tell(host: str, tunnel: str, reporter: Reporter, *, has_browser: bool) -> None:
    """Say who can reach the page, and how to see it if nothing can be shown here."""
    is_ours = ipaddress.ip_address(host).is_loopback
    if not is_ours:
        message = (
            f"the page is served on {host}: whoever can reach this computer and has the whole "
            "address can use it, and the connection is not encrypted"
        )
        reporter(Note(message, is_warning=True))
    if is_ours and not has_display():
        message = "no display found. On your own computer, run this, then open the address there:"
        reporter(Note(message, is_vital=True))
        reporter(Note(f"  {tunnel}", is_vital=True))
    opens = "the browser opens the page" if has_browser and has_display() else "open the address"
    reporter(Note(f"{opens}; press Ctrl-C here to stop"))
