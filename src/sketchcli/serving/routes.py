"""The routes of the drawing page: its files, and the calls that it makes."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sketchcli import __version__, files, paths, registry, sketching
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.errors import DataError, SketchError, UsageError
from sketchcli.serving.model_desk import ModelDesk

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
EXAMPLES = 6
WAIT, POLL = 20.0, 0.05  # seconds that a long poll waits, and between two looks
LARGEST_DRAWING = 2**24  # bytes
THREADS = 2  # that read and write images beside the model
_TITLE = re.compile(r'^TITLE = "(.+)"', re.MULTILINE)
Out = TypeVar("Out")
# Of the module `pictures`, the request and its body.
Making = Callable[[ModuleType, Request, bytes], bytes]


class Routes:
    """Answers the page's requests; `sketch` is the PNG that the page begins with, if any."""

    def __init__(
        self, desk: ModelDesk, sketch: bytes | None = None, reporter: Reporter = SILENT
    ) -> None:
        self.desk, self.sketch, self.reporter = desk, sketch, reporter
        self._threads = ThreadPoolExecutor(THREADS)

    def app(self) -> Starlette:
        """Return the application, without its guard."""
        example = self._made(lambda made, asked, _: made.example(asked.path_params["number"]))
        styled = self._made(lambda made, asked, data: made.sketch(data, _asked(asked, "style")))
        routes = [
            Route("/", _file),
            Route("/page/{name}", _file),
            Route("/api/state", self._state),
            Route("/api/generate", self._generate, methods=["POST"]),
            Route("/api/model", self._choose, methods=["POST"]),
            Route("/api/examples/{number:int}", example),
            Route("/api/sketch", self._given_sketch),
            Route("/api/sketch", styled, methods=["POST"]),
            Route("/api/read", self._made(lambda made, _, data: made.read(data)), methods=["POST"]),
            Route("/api/label", self._made(self._labelled), methods=["POST"]),
            Route(
                "/api/pairs", self._made(lambda made, _, data: made.pairs(data)), methods=["POST"]
            ),
            Route("/api/drawing", self._saved_drawing),
            Route("/api/drawing", self._save_drawing, methods=["PUT"]),
        ]
        handlers = {SketchError: _refused, HTTPException: _failed, Exception: self._bug}
        return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]

    async def _state(self, request: Request) -> Response:
        """Return the state of the model; `since` waits until it has another status."""
        since, end = request.query_params.get("since"), time.monotonic() + WAIT
        while self.desk.state.status == since and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(POLL)
        models, state = await self._run(self.desk.models), self.desk.state
        about = {
            "models": models,
            "styles": _styles(),
            "examples": EXAMPLES if state.domains.input.is_sketch else 0,
            "sketch": self.sketch is not None,
            "version": __version__,
        }
        return JSONResponse(asdict(state) | about)

    async def _generate(self, request: Request) -> Response:
        """Return the photo of a sketch, or nothing if a newer sketch has come meanwhile."""
        state = self.desk.state
        if state.status != "ready":
            return _told(503, state.message)
        number, width = _number(request, "number"), _number(request, "width", "0")
        client = _asked(request, "client")
        answer = await asyncio.wrap_future(
            self.desk.ask(client, number, await request.body(), width)
        )
        if answer is None:
            return Response(status_code=204)
        # ASCII alone, and unambiguous for decodeURIComponent.
        warnings = json.dumps(answer.warnings).replace("%", "%25")
        headers = {
            "X-Number": str(number),
            "X-Milliseconds": str(answer.milliseconds),
            "X-Warnings": warnings,
        }
        return Response(answer.png, media_type="image/png", headers=headers)

    async def _choose(self, request: Request) -> Response:
        """Begin to load another model."""
        try:
            name = json.loads(await request.body())["name"]
        except (ValueError, LookupError, TypeError, RecursionError):
            name = None
        if not isinstance(name, str):
            raise UsageError("the request names no model")
        await self._run(lambda: self.desk.choose(name))
        return _told(202, self.desk.state.message)

    async def _given_sketch(self, _: Request) -> Response:
        """Return the sketch that the command line named; nothing if there is none."""
        return Response(self.sketch or b"", 200 if self.sketch else 204, media_type="image/png")

    def _labelled(self, made: ModuleType, request: Request, data: bytes) -> bytes:
        """Return a generated image with its text field, by default with the present model's."""
        name = _asked(request, "model") or self.desk.state.model
        label: bytes = made.label(data, _asked(request, "format") or "png", name)
        return label

    async def _saved_drawing(self, _: Request) -> Response:
        """Return the document that the page saved last; nothing if there is none."""

        def load() -> bytes:
            with files.open_regular(_drawing()) as file:
                return file.read(LARGEST_DRAWING)

        try:
            return Response(await self._run(load), media_type="application/json")
        except FileNotFoundError:
            return Response(status_code=204)
        except OSError as error:
            raise DataError(f"the saved drawing cannot be read: {error.strerror}") from error

    async def _save_drawing(self, request: Request) -> Response:
        """Save the page's document, whole or not at all."""
        body = await request.body()
        try:
            await self._run(lambda: files.write_whole(_drawing(), lambda f: f.write_bytes(body)))
        except DataError as error:
            return _told(507, error.message, error.hint)
        return Response(status_code=204)

    def _made(self, make: Making) -> Callable[..., object]:
        """Return an endpoint that answers with an image or a ZIP."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            data = await self._run(lambda: make(_pictures(), request, body))
            kinds = {b"\x89P": "image/png", b"PK": "application/zip"}
            return Response(data, media_type=kinds.get(data[:2], "image/jpeg"))

        return answer

    async def _run(self, work: Callable[[], Out]) -> Out:
        """Do work in a thread; unlike Starlette's own, it does not delay Ctrl-C."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _bug(self, _: Request, error: Exception) -> Response:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            return _told(507, "out of memory", "use a smaller image")
        message = f"bug: {type(error).__name__}: {error}".partition("\n")[0]
        self.reporter(Note(message, is_warning=True))
        return _told(500, message, "please report this bug")


async def _file(request: Request) -> Response:
    """Return a file of the page; only the names that its folder has are files."""
    name = request.path_params.get("name", "index.html")
    found = {path.name: path for path in PAGE.iterdir() if path.suffix in TYPES}.get(name)
    if found is None:
        return _told(404, "the page has no such file")
    return Response(found.read_bytes(), media_type=TYPES[found.suffix])


async def _refused(_: Request, error: SketchError) -> Response:
    return _told(400, error.message, error.hint)


async def _failed(_: Request, error: HTTPException) -> Response:
    return _told(error.status_code, error.detail)


def _told(status: int, message: str, hint: str = "") -> Response:
    return JSONResponse({"message": message, "hint": hint}, status)


def _asked(request: Request, name: str) -> str:
    return request.query_params.get(name, "")[:100]


def _number(request: Request, name: str, default: str = "") -> int:
    text = _asked(request, name) or default
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise UsageError(f"'{text:.20}' is no number for {name}")
    return int(text)


def _drawing() -> Path:
    return paths.home() / "drawing" / "drawing.json"


def _styles() -> list[dict[str, str]]:
    """Return the sketch styles; their titles are read without importing them, which takes long."""
    folder, found = Path(next(iter(sketching.__path__))), []
    for name in registry.names(registry.STYLES):
        text = (folder / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
        title = _TITLE.search(text)
        found.append({"name": name, "title": title[1] if title else name})
    return found


def _pictures() -> ModuleType:
    from sketchcli.serving import pictures  # noqa: PLC0415 - takes longer than serving the page

    return pictures
