"""What every request passes before anything else sees it: host, origin, token and size.

A page of another site can send requests to this computer, and a name of that site may lead here
(DNS rebinding). Hence the Host header must be one of ours, and calls must carry the token.
"""

import ipaddress
import re
import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-sketch2img-token"  # noqa: S105 - the header's name
LOCAL = frozenset({"127.0.0.1", "localhost"})
MB = 2**20
LARGEST = {  # bytes of a request's body, by path
    "/api/generate": 8 * MB,
    "/api/sketch": 20 * MB,
    "/api/read": 40 * MB,
    "/api/label": 20 * MB,
    "/api/drawing": 16 * MB,
    "/api/pairs": 64 * MB,
}
LARGEST_OTHER = 2**16
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class RefusedError(Exception):
    """The answer to a request that is not let in."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class Guard:
    """Lets requests through to `app` that come from the page itself.

    `host` is the address that the server listens on; if it is 0.0.0.0 or ::, any address of this
    machine is its own, but no name, since a name may lead here from elsewhere.
    """

    def __init__(self, app: ASGIApp, *, host: str, token: str) -> None:
        self.app, self.host, self.token = app, host.lower(), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":  # no websockets
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                others = [each for each in message["headers"] if each[0].decode() not in HEADERS]
                message = {**message, "headers": [*others, *ours]}
            await send(message)

        try:
            self._check(scope)
            body = await _read(scope, receive)
        except RefusedError as refusal:
            content = {"message": refusal.message, "hint": refusal.hint}
            # A body that was not read must not be taken for the next request.
            answer = JSONResponse(content, refusal.status, headers={"connection": "close"})
            await answer(scope, receive, secured)
            return
        is_given = False

        async def given() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()  # tells when the client is gone
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, given, secured)

    def _check(self, scope: Scope) -> None:
        hosts, origins = _values(scope, "host"), _values(scope, "origin")
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None or not self._is_ours(found[1].strip("[]").lower()):
            raise RefusedError(
                421, "this address is not the drawing page's", "use the printed address"
            )
        if origins and origins != [f"{scope['scheme']}://{hosts[0]}"]:
            raise RefusedError(403, "only the drawing page itself may ask for this")
        if not scope["path"].startswith("/api/"):
            return
        tokens = _values(scope, TOKEN_HEADER)
        hint = "open the address that sketch2img draw printed, with all that follows #"
        if not tokens:
            raise RefusedError(401, "the token of this launch is missing", hint)
        if len(tokens) > 1 or not secrets.compare_digest(tokens[0].encode(), self.token.encode()):
            raise RefusedError(403, "the token is not that of this launch", hint)

    def _is_ours(self, host: str) -> bool:
        if host in LOCAL or host == self.host:
            return True
        try:
            return ipaddress.ip_address(self.host).is_unspecified and bool(
                ipaddress.ip_address(host)
            )
        except ValueError:
            return False


def _values(scope: Scope, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name.encode()]


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Return the body, if it is not too large: as announced, and as it comes."""
    most = LARGEST.get(scope["path"], LARGEST_OTHER)
    lengths = _values(scope, "content-length")
    refusal = RefusedError(
        413, f"at most {most / MB:.2g} MB can be sent here", "send a smaller file"
    )
    if any(not each.isdecimal() or int(each) > most for each in lengths):
        raise refusal
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the client is gone
            raise RefusedError(400, "the request is incomplete")
        body += message.get("body", b"")
        if len(body) > most:
            raise refusal
        if not message.get("more_body"):
            return bytes(body)
