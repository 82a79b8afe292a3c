"""What every request passes before anything else sees it: host, origin, token and size.

A page of another site can send requests to this computer, and a name of that site may lead here
(DNS rebinding). Hence the Host header must be one of ours, and calls must carry the token.
"""

import re
import secrets

from starlette.requests import Request

from sketchcli.errors import SketchError

TOKEN_HEADER = "x-sketch2img-token"  # noqa: S105 - the header's name
LOCAL = "127.0.0.1"
MB = 2**20
LARGEST = {  # bytes of a request's body, by path
    "/api/generate": 8 * MB,
    "/api/sketch": 20 * MB,
    "/api/read": 40 * MB,
    "/api/label": 20 * MB,
    "/api/drawing": 32 * MB,
    "/api/pairs": 64 * MB,
}
LARGEST_OTHER = MB
HEADERS = {  # of every answer
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_HOST = re.compile(  # one of this computer's names for itself, or another address; a port
    r"(?:(127\.0\.0\.1|localhost)|[\d.]+|\[[\da-f:.]+\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE
)
_HINT = "open the address that sketch2img draw printed, with all that follows #"


class RefusedError(SketchError):
    """A request that is answered with an error's status."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


def check(request: Request, *, host: str, token: str) -> None:
    """Refuse a request that does not come from the page itself.

    If `host`, where we listen, is another address than the default, the Host header may be any
    address, but no other name: a name may lead here from elsewhere.
    """
    hosts, origins, tokens = map(request.headers.getlist, ("host", "origin", TOKEN_HEADER))
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None or (found[1] is None and host == LOCAL):
        hint = "use the printed address"
        raise RefusedError(421, "this address is not the drawing page's", hint=hint)
    if origins and origins != [f"{request.scope['scheme']}://{hosts[0]}"]:
        raise RefusedError(403, "only the drawing page itself may ask for this")
    if not request.scope["path"].startswith("/api/"):
        return
    if not tokens:
        raise RefusedError(401, "the token of this launch is missing", hint=_HINT)
    if len(tokens) > 1 or not secrets.compare_digest(tokens[0].encode(), token.encode()):
        raise RefusedError(403, "the token is not that of this launch", hint=_HINT)


async def read_body(request: Request) -> bytes:
    """Return a request's body, if it is not too large: as announced, and as it comes."""
    most, body = LARGEST.get(request.scope["path"], LARGEST_OTHER), bytearray()
    refusal = RefusedError(413, f"too large: the drawing page takes at most {most // MB} MB")
    if int(request.headers.get("content-length", 0)) > most:
        raise refusal
    async for block in request.stream():
        body += block
        if len(body) > most:
            raise refusal
    return bytes(body)
