"""The drawing page's application: its files, the calls that it makes, and what errors answer."""

import asyncio
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sketchcli import __version__, files, paths, registry
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.wording import generated_by
from sketchcli.errors import DataError, SketchError, UsageError
from sketchcli.serving import guard
from sketchcli.serving.guard import RefusedError
from sketchcli.serving.model_desk import ModelDesk

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
EXAMPLES = 6
WAIT, POLL = 20.0, 0.05  # seconds that a long poll waits, and between two looks
THREADS = 2  # that read and write images beside the model
Out = TypeVar("Out")


@dataclass(eq=False)
class Page:
    """Answers requests, as an ASGI application."""

    desk: ModelDesk
    host: str  # the address that the server listens on
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))  # that calls carry
    sketch: bytes = b""  # the PNG that the page begins with, if any
    reporter: Reporter = SILENT
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS))
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_save: tuple[int, str] = (0, "")  # of the drawing: its stamp, and the page that sent it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = await self._answered(Request(scope, receive))
        answer.headers.update(guard.HEADERS)
        await answer(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        """Return the answer to a request: the one place where errors become answers."""
        asked = f"{request.method} {request.scope['path']}"
        call = CALLS.get(asked) or CALLS.get(f"{asked.rpartition('/')[0]}/", Page.file)
        try:
            guard.check(request, host=self.host, token=self.token)
            return await call(self, request, await guard.read_body(request))
        except (asyncio.CancelledError, ClientDisconnect):  # Ctrl-C cancels all that waits
            return _told(503, "sketch2img draw has stopped", "run: sketch2img draw")
        except SketchError as error:
            return _told(getattr(error, "status", 400), error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a bug is told, and the server continues
            if isinstance(error, MemoryError) or "allocate" in str(error):
                return _told(507, "out of memory", "use a smaller image")
            message = f"bug: {type(error).__name__}: {error}".partition("\n")[0]
            self.reporter(Note(message, is_warning=True))
            return _told(500, message, "please report this bug")

    async def file(self, request: Request, _: bytes) -> Response:
        """Return a file of the page; only the names that its folder has are files."""
        found = {f"/page/{path.name}": path for path in PAGE.iterdir() if path.suffix in TYPES}
        path = (found | {"/": PAGE / "index.html"}).get(request.scope["path"])
        if path is None:
            raise RefusedError(404, "the page has no such address")
        return Response(path.read_bytes(), media_type=TYPES[path.suffix])

    async def state(self, request: Request, _: bytes) -> Response:
        """Return the state of the model; `since` waits until it has another status."""
        since, end = request.query_params.get("since"), time.monotonic() + WAIT
        while self.desk.state.status == since and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        return JSONResponse(await self._run(self._about))

    def _about(self) -> dict[str, object]:
        """Return the state, as the page gets it."""
        state, styles = self.desk.state, registry.STYLES
        # Importing the styles would delay the model; once it is loaded, little is left to import.
        names = [] if state.status == "loading" else registry.names(styles)
        return asdict(state) | {
            "models": self.desk.models(),
            "styles": [{"name": n, "title": registry.load(styles, n).TITLE} for n in names],
            "examples": EXAMPLES if state.domains.input.is_sketch else 0,
            "sketch": bool(self.sketch),
            "store": hashlib.sha256(os.fsencode(paths.home())).hexdigest()[:16],
            "version": __version__,
        }

    async def generate(self, request: Request, body: bytes) -> Response:
        """Return the photo of a sketch, or nothing if a newer sketch has come meanwhile."""
        if self.desk.state.status != "ready":
            raise RefusedError(503, self.desk.state.message)
        number, width = _number(request, "number"), _number(request, "width", "0")
        client = request.query_params.get("client", "")
        answer = await asyncio.wrap_future(self.desk.ask(client, number, body, width))
        if answer is None:
            return Response(status_code=204)
        png, warnings = answer
        # ASCII alone, and unambiguous for decodeURIComponent.
        headers = {"X-Warnings": json.dumps(warnings).replace("%", "%25")}
        return Response(png, media_type="image/png", headers=headers)

    async def choose(self, _: Request, body: bytes) -> Response:
        """Begin to load another model."""
        try:
            name = str(json.loads(body)["name"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise UsageError("the request names no model") from error
        await self._run(lambda: self.desk.choose(name))
        return JSONResponse({"message": self.desk.state.message}, 202)

    async def given_sketch(self, _: Request, __: bytes) -> Response:
        """Return the sketch that the command line named; nothing if there is none."""
        return Response(self.sketch, 200 if self.sketch else 204, media_type="image/png")

    async def saved_drawing(self, _: Request, __: bytes) -> Response:
        """Return the document that the page saved last; nothing if there is none."""

        def load() -> bytes:
            with files.open_regular(_drawing()) as file:
                return file.read(guard.LARGEST["/api/drawing"])

        try:
            return Response(await self._run(load), media_type="application/json")
        except FileNotFoundError:
            return Response(status_code=204)
        except OSError as error:
            fault = f"the saved drawing cannot be read: {error.strerror}"
            raise DataError(fault, hint="check the permissions of the data folder") from error

    async def save_drawing(self, request: Request, body: bytes) -> Response:
        """Save the page's document, unless a newer one has been saved, or one of another page.

        `saved` is the document's stamp, `base` that of the one which the page knew before. With
        `aside`, a document that the page could not read is kept under another name.
        """
        stamp, base = _number(request, "saved", "0"), _number(request, "base", "0")
        client, path = request.query_params.get("client", ""), _drawing()

        def save() -> None:
            is_aside, last = "aside" in request.query_params, _stamp(path)
            is_known = base == last or (last, client) == self.last_save
            if last and not is_aside and (stamp < last or not is_known):
                raise RefusedError(409, "another window has saved this drawing meanwhile")
            path.parent.mkdir(0o700, parents=True, exist_ok=True)  # other users cannot enter
            previous = path.with_name(f"drawing-before-{stamp}.json") if is_aside else None
            files.write_whole(path, lambda part: part.write_bytes(body), previous=previous)
            self.last_save = (stamp, client)

        async with self.saving:
            await self._run(save)
        return Response(status_code=204)

    async def label(self, request: Request, body: bytes) -> Response:
        """Return a PNG with the text that says by which model it was generated."""
        text = generated_by(request.query_params.get("model", self.desk.state.model))
        return Response(files.with_text(body, text), media_type="image/png")

    async def picture(self, request: Request, body: bytes) -> Response:
        """Return an image or a ZIP that `pictures` makes."""
        _, _, call, *rest = request.scope["path"].split("/")
        detail = request.query_params.get("style", "".join(rest))

        def make() -> bytes:
            from sketchcli.serving import pictures  # noqa: PLC0415 - NumPy and OpenCV take long

            return pictures.CALLS[call](body, detail)

        made = await self._run(make)
        return Response(made, media_type="application/zip" if made[:2] == b"PK" else "image/png")

    async def _run(self, work: Callable[[], Out]) -> Out:
        """Do work in a thread; unlike asyncio's own, it does not delay Ctrl-C."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


def _told(status: int, message: str, hint: str = "") -> Response:
    """Return an error; the connection ends, since the request may not have been read."""
    return JSONResponse({"message": message, "hint": hint}, status, {"connection": "close"})


def _number(request: Request, name: str, default: str = "") -> int:
    text = request.query_params.get(name, default)
    if not text.isdecimal() or len(text) > 15:
        raise UsageError(f"'{text:.20}' is no number for {name}")
    return int(text)


def _drawing() -> Path:
    return paths.home() / "drawing" / "drawing.json"


def _stamp(path: Path) -> int:
    """Return the stamp of a saved drawing, which is at its start; 0 if there is none."""
    try:
        with files.open_regular(path) as file:
            found = re.search(rb'"saved":\s*(\d{1,15})', file.read(100))
    except OSError:
        return 0
    return int(found[1]) if found else 0


# All others ask for files. A path that ends in / stands for all names below it.
CALLS: Mapping[str, Callable[[Page, Request, bytes], Awaitable[Response]]] = {
    "GET /api/state": Page.state,
    "POST /api/generate": Page.generate,
    "POST /api/model": Page.choose,
    "GET /api/sketch": Page.given_sketch,
    "GET /api/drawing": Page.saved_drawing,
    "PUT /api/drawing": Page.save_drawing,
    "GET /api/examples/": Page.picture,
    "POST /api/sketch": Page.picture,
    "POST /api/read": Page.picture,
    "POST /api/label": Page.label,
    "POST /api/pairs": Page.picture,
}
