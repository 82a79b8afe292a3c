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
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
EXAMPLES = 6
WAIT, POLL = 20.0, 0.05  # seconds that a long poll waits, and between two looks
LARGEST_DRAWING = 2**24  # bytes
THREADS = 2  # that read and write images beside the model
_TITLE = re.compile(r'^TITLE = "(.+)"', re.MULTILINE)
Out = TypeVar("Out")


def drawing_file() -> Path:
    """Return where the drawing is saved."""
    return paths.home() / "drawing" / "drawing.json"


class Routes:
    """Answers the page's requests; `sketch` is the PNG that the page begins with, if any."""

    def __init__(
        self, desk: ModelDesk, sketch: bytes | None = None, reporter: Reporter = SILENT
    ) -> None:
        self.desk, self.sketch, self.reporter = desk, sketch, reporter
        self._threads = ThreadPoolExecutor(THREADS)

    def app(self) -> Starlette:
        """Return the application, without its guard."""
        calls: dict[str, tuple[str, Callable[..., object]]] = {
            "/": ("GET", self.file),
            "/page/{name}": ("GET", self.file),
            "/api/state": ("GET", self.state),
            "/api/generate": ("POST", self.generate),
            "/api/model": ("POST", self.model),
            "/api/examples/{number:int}": ("GET", self.example),
            "/api/read": ("POST", self.read),
            "/api/pairs": ("POST", self.pairs),
            "/api/label": ("POST", self.label),
        }
        routes = [Route(path, call, methods=[method]) for path, (method, call) in calls.items()]
        routes += [
            Route("/api/sketch", self.given_sketch, methods=["GET"]),
            Route("/api/sketch", self.drawn_sketch, methods=["POST"]),
            Route("/api/drawing", self.saved_drawing, methods=["GET"]),
            Route("/api/drawing", self.save_drawing, methods=["PUT"]),
        ]
        handlers = {SketchError: self._refused, HTTPException: _failed, Exception: self._bug}
        return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]

    async def file(self, request: Request) -> Response:
        """Return a file of the page; only the names that its folder has are files."""
        name = request.path_params.get("name", "index.html")
        found = {path.name: path for path in PAGE.iterdir() if path.suffix in TYPES}.get(name)
        if found is None:
            raise HTTPException(404, "the page has no such file")
        return Response(found.read_bytes(), media_type=TYPES[found.suffix])

    async def state(self, request: Request) -> Response:
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

    async def generate(self, request: Request) -> Response:
        """Return the photo of a sketch, or nothing if a newer sketch has come meanwhile."""
        state = self.desk.state
        if state.status != "ready":
            return JSONResponse({"message": state.message, "hint": ""}, 503)
        number, width = _number(request, "number", 0), _number(request, "width", 16, default=0)
        client = request.query_params.get("client", "")[:100]
        job = self.desk.ask(client, number, await request.body(), width or None)
        answer = await asyncio.wrap_future(job.answer)
        if answer is None:
            return Response(status_code=204)
        # ASCII alone, and unambiguous for decodeURIComponent.
        warnings = json.dumps(answer.warnings).replace("%", "%25")
        told = {"X-Milliseconds": str(answer.milliseconds), "X-Warnings": warnings}
        return Response(
            answer.png, media_type="image/png", headers={"X-Number": str(number), **told}
        )

    async def model(self, request: Request) -> Response:
        """Begin to load another model."""
        try:
            name = json.loads(await request.body())["name"]
        except (ValueError, LookupError, TypeError, RecursionError):
            name = None
        if not isinstance(name, str):
            raise UsageError("the request names no model")
        await self._run(lambda: self.desk.choose(name))
        return JSONResponse({"message": self.desk.state.message}, 202)

    async def example(self, request: Request) -> Response:
        """Return a drawn sketch to start with."""
        number = request.path_params["number"]
        if number >= EXAMPLES:
            raise HTTPException(404, f"there are {EXAMPLES} examples")
        return await self._png(lambda: _pictures().example(number))

    async def given_sketch(self, _: Request) -> Response:
        """Return the sketch that the command line named; nothing if there is none."""
        if self.sketch is None:
            return Response(status_code=204)
        return Response(self.sketch, media_type="image/png")

    async def drawn_sketch(self, request: Request) -> Response:
        """Return the sketch that a style draws from a photo."""
        body, style = await request.body(), request.query_params.get("style", "hand")
        return await self._png(lambda: _pictures().sketch(body, style))

    async def read(self, request: Request) -> Response:
        """Return any readable image as PNG."""
        body = await request.body()
        return await self._png(lambda: _pictures().read(body))

    async def pairs(self, request: Request) -> Response:
        """Return pairs as a ZIP in training layout."""
        body = await request.body()
        data = await self._run(lambda: _pictures().pairs(body))
        return Response(data, media_type="application/zip")

    async def label(self, request: Request) -> Response:
        """Return a generated image with its text field, by default with the present model's."""
        wanted = request.query_params.get("format", "png")
        if wanted not in {"png", "jpg"}:
            raise UsageError(f"'{wanted:.20}' is no format for downloads", hint="use png or jpg")
        body = await request.body()
        name = request.query_params.get("model", self.desk.state.model)[:100]
        data = await self._run(lambda: _pictures().label(body, f".{wanted}", name))
        return Response(data, media_type={"png": "image/png", "jpg": "image/jpeg"}[wanted])

    async def saved_drawing(self, _: Request) -> Response:
        """Return the document that the page saved last; nothing if there is none."""

        def load() -> bytes:
            with files.open_regular(drawing_file()) as file:
                return file.read(LARGEST_DRAWING)

        try:
            return Response(await self._run(load), media_type="application/json")
        except FileNotFoundError:
            return Response(status_code=204)
        except OSError as error:
            raise DataError(f"the saved drawing cannot be read: {error.strerror}") from error

    async def save_drawing(self, request: Request) -> Response:
        """Save the page's document, whole or not at all."""
        body, file = await request.body(), drawing_file()
        try:
            await self._run(lambda: files.write_whole(file, lambda part: part.write_bytes(body)))
        except DataError as error:
            return JSONResponse({"message": error.message, "hint": error.hint}, 507)
        return Response(status_code=204)

    async def _run(self, work: Callable[[], Out]) -> Out:
        """Do work in a thread; unlike Starlette's own, it does not delay Ctrl-C."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _png(self, work: Callable[[], bytes]) -> Response:
        return Response(await self._run(work), media_type="image/png")

    async def _refused(self, _: Request, error: SketchError) -> Response:
        return JSONResponse({"message": error.message, "hint": error.hint}, 400)

    async def _bug(self, _: Request, error: Exception) -> Response:
        if isinstance(error, MemoryError) or "allocate" in str(error):
            return JSONResponse({"message": "out of memory", "hint": "use a smaller image"}, 507)
        reason = str(error).partition("\n")[0]
        message = f"bug: {type(error).__name__}: {reason}"
        self.reporter(Note(message, is_warning=True))
        return JSONResponse({"message": message, "hint": "please report this bug"}, 500)


async def _failed(_: Request, error: HTTPException) -> Response:
    content = {"message": error.detail, "hint": ""}
    return JSONResponse(content, error.status_code, headers=error.headers)


def _number(request: Request, name: str, least: int, *, default: int | None = None) -> int:
    text = request.query_params.get(name, "" if default is None else str(default))
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII) or (int(text) < least and text != "0"):
        raise UsageError(f"'{text:.20}' is no number for {name}")
    return int(text)


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
