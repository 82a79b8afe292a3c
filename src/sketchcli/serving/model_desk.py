"""The model behind the drawing page: one thread loads it and generates, the newest sketch first.

Nothing heavy is imported before that thread runs, so that the page is served at once.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sketchcli import weights
from sketchcli.config import Domains
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.runs import find_weights, list_models, model_name
from sketchcli.engine.wording import generated_by
from sketchcli.errors import DataError, SketchError, UsageError, did_you_mean
from sketchcli.machine import THREADS_VARIABLE

if TYPE_CHECKING:
    from sketchcli.device import Device

Importing = Callable[[], AbstractContextManager[object]]  # surrounds the import of PyTorch
LARGEST_SIDE = 2048  # pixels, of a sketch


@dataclass(frozen=True)
class State:
    """What the page shows of the model."""

    status: Literal["loading", "ready", "failed"]
    message: str
    model: str  # its name
    size: tuple[int, int] = (0, 0)  # height, width
    domains: Domains = Domains()
    precision: str = "fp32"


Answer = tuple[bytes, tuple[str, ...]]  # the PNG of a photo, and warnings about its sketch


class ModelDesk:
    """Loads one model at a time, and answers each client's newest request.

    `open_model` loads weights; it is called, like all that takes long, in the desk's own thread.
    """

    def __init__(
        self, path: Path, open_model: "Callable[[Path], LoadedDrawer]", reporter: Reporter = SILENT
    ) -> None:
        self._first, self._open, self._reporter = path, open_model, reporter
        self._thread, self._lock = ThreadPoolExecutor(1), threading.Lock()
        self._wanted = path  # the newest model to load
        self._opened: LoadedDrawer | None = None
        self._newest: dict[str, int] = {}  # the highest number of each client
        self._running = ("", 0)  # the client and the number that were begun last
        self.state = State("loading", "", model_name(path))

    def models(self) -> list[dict[str, object]]:
        """Return the models to choose from, as the page gets them."""
        found: dict[str, dict[str, object]] = {}
        for each in list_models().models:
            kind = "" if each.domains == Domains() else f", {each.domains}"
            data = "" if each.name == weights.NAME else f"{each.dataset}, "
            title = f"{each.name} ({data}{each.size[1]}x{each.size[0]}{kind})"
            found[each.name] = {"name": each.name, "title": title, "size": each.size}
        for name in (model_name(self._first), self.state.model):  # a file, or deleted meanwhile
            found.setdefault(name, {"name": name, "title": name, "size": (0, 0)})
        return list(found.values())

    def choose(self, name: str | None = None) -> None:
        """Begin to load a model of those that `models` lists; by default, the first one."""
        known = [each.name for each in list_models().models]
        path = self._first
        if name not in {None, model_name(path)}:
            if name not in known:
                raise UsageError(f"model '{name}' was not found", hint=did_you_mean(name, known))
            path = find_weights(Path(name))
        with self._lock:
            self._wanted = path
            self.state = State("loading", f"loading the model {model_name(path)}", model_name(path))
        self._thread.submit(self._load, path)

    def ask(self, client: str, number: int, data: bytes, width: int) -> Future[Answer | None]:
        """Queue a sketch; all that this client asked for under lower numbers is stale now.

        The answer is None if a newer sketch has come before the photo was generated.
        """
        with self._lock:
            self._newest[client] = max(number, self._newest.get(client, number))
            if self._opened and self._is_stale(*self._running):
                self._opened.is_stopped.set()
        return self._thread.submit(self._answer, client, number, data, width)

    def _is_stale(self, client: str, number: int) -> bool:
        return number < self._newest.get(client, number)

    def _load(self, path: Path) -> None:
        if path != self._wanted:  # another one was chosen meanwhile
            return
        name = model_name(path)
        opened: LoadedDrawer | None = None
        with self._lock:
            self._opened = None  # frees its memory first
        try:
            opened = self._open(path)
            state = State("ready", "", name, opened.size, opened.domains, opened.precision)
        except Exception as error:  # noqa: BLE001 - the page says so, and another can be chosen
            message = f"the model {name} cannot be loaded: {_reason(error)}"
            state = State("failed", message, name)
            self._reporter(Note(message, is_warning=True))
        with self._lock:
            self._opened = opened
            if path == self._wanted:
                self.state = state

    def _answer(self, client: str, number: int, data: bytes, width: int) -> Answer | None:
        with self._lock:
            if self._opened is None or self._is_stale(client, number):
                return None
            self._running = (client, number)
            self._opened.is_stopped.clear()
        try:
            answer = self._opened.generate(data, width)
        except KeyboardInterrupt:  # it was stopped
            return None
        return None if self._is_stale(client, number) else answer


def _reason(error: Exception) -> str:
    if isinstance(error, SketchError):
        return f"{error.message}{error.hint and f' ({error.hint})'}"
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def check_sides(width: int, height: int) -> None:
    """Refuse a sketch of too many pixels before it is decoded."""
    if max(width, height) > LARGEST_SIDE:
        fault = f"{width:,}x{height:,} pixels are too many"
        raise DataError(fault, hint=f"send at most {LARGEST_SIDE} pixels per side")


class LoadedDrawer:
    """A model of ours, ready to generate what is drawn."""

    def __init__(self, path: Path, place: "Device") -> None:
        from sketchcli.engine.generating.generate import open_models  # noqa: PLC0415
        from sketchcli.engine.generating.inputs import Drawing  # noqa: PLC0415

        self._drawing = Drawing()
        self._preparer, self._sampler = open_models((path,), self._drawing, place)
        model = self._preparer.models[0]
        self.size, self.domains, self.precision = model.size, model.domains, place.precision
        self.is_stopped = self._sampler.is_stopped
        self._mark = generated_by(model_name(path))

    def generate(self, data: bytes, width: int = 0) -> Answer:
        """Return the photo of an encoded sketch.

        With a width, the network runs at that many pixels on the model's shorter side, if these
        are fewer: it is convolutional, so a preview costs a fraction of the photo.
        """
        from sketchcli import images  # noqa: PLC0415
        from sketchcli.engine.generating.prepare import Preparer  # noqa: PLC0415

        preparer = self._preparer
        if width and width < min(self.size):
            height, wide = (round(side * width / min(self.size)) for side in self.size)
            small = replace(preparer.models[0], size=(height, wide))
            preparer = Preparer([small], self._drawing)
        notes: list[str] = []
        sketch = images.decode(data, name="the sketch", notes=notes, check=check_sides)
        prepared = preparer.prepare(sketch, notes)
        photo = self._sampler.finish(prepared, self._sampler.draw([prepared])[0])
        # The page has none of the options that a warning ends with.
        warnings = tuple(each.partition(" (use --")[0] for each in prepared.warnings)
        return images.encode(photo, ".png", comment=self._mark), warnings


def opener(
    device: str, precision: str, importing: Importing = contextlib.nullcontext
) -> Callable[[Path], LoadedDrawer]:
    """Return what loads a model onto a device, which is chosen when the first one is loaded."""

    @functools.cache
    def place() -> "Device":
        with importing():
            import torch  # noqa: PLC0415

            from sketchcli import device as devices  # noqa: PLC0415
            from sketchcli.engine.generating import generate  # noqa: F401, PLC0415
        found = devices.resolve(device, precision=precision)
        if THREADS_VARIABLE in os.environ:  # the user has chosen
            return found
        # Half of the cores are the browser's: threads that share a layer wait for the slowest. On
        # two cores that were in use, one thread took 57 ms for a preview, and two took 207.
        torch.set_num_threads(max(1, found.threads // 2))
        return replace(found, threads=torch.get_num_threads())

    return lambda path: LoadedDrawer(path, place())
