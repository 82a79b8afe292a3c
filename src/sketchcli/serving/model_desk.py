"""The model behind the drawing page: one thread loads it and generates, the newest sketch first.

Nothing heavy is imported before that thread runs, so that the page is served at once.
"""

import contextlib
import functools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from sketchcli.config import Domains
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.marks import generated_by
from sketchcli.engine.runs import find_weights, list_models, model_name
from sketchcli.errors import DataError, SketchError, UsageError, did_you_mean
from sketchcli.machine import THREADS_VARIABLE

if TYPE_CHECKING:
    from sketchcli.device import Device

Importing = Callable[[], AbstractContextManager[object]]  # surrounds the import of PyTorch
LARGEST_SIDE = 2048  # pixels, of a sketch
MOST_CLIENTS = 256  # pages whose newest request is remembered


@dataclass(frozen=True)
class State:
    """What the page shows of the model."""

    status: Literal["loading", "ready", "failed"]
    message: str
    model: str  # its name
    size: tuple[int, int] = (0, 0)  # height, width
    domains: Domains = Domains()
    precision: str = "fp32"


@dataclass(frozen=True)
class Answer:
    """A generated photo."""

    png: bytes
    milliseconds: float
    warnings: tuple[str, ...]


Answered: TypeAlias = "Future[Answer | None]"  # None once a newer request has come


@dataclass(eq=False)
class Job:
    """A sketch that waits for its photo."""

    client: str
    number: int
    data: bytes = field(repr=False)
    width: int
    answer: Answered = field(default_factory=Future)


class ModelDesk:
    """Loads one model at a time, and answers each client's newest request.

    `open_model` loads weights; it is called, like all that follows, in the desk's own thread.
    """

    def __init__(
        self, path: Path, open_model: "Callable[[Path], LoadedDrawer]", reporter: Reporter = SILENT
    ) -> None:
        self._first, self._open, self._reporter = path, open_model, reporter
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._opened: LoadedDrawer | None = None
        self._wanted: Path | None = None  # the model to load next
        self._newest: OrderedDict[str, int] = OrderedDict()  # the highest number of each client
        self.state = State("loading", "", "")
        self._choose(path)

    def models(self) -> list[dict[str, object]]:
        """Return the models to choose from, as the page gets them."""
        found: dict[str, dict[str, object]] = {}
        for each in list_models().models:
            kind = "" if each.domains == Domains() else f", {each.domains}"
            title = f"{each.name} ({each.dataset}, {each.size[1]}x{each.size[0]}{kind})"
            found[each.name] = {"name": each.name, "title": title, "size": each.size}
        for name in (model_name(self._first), self.state.model):  # a file, or deleted meanwhile
            found.setdefault(name, {"name": name, "title": name, "size": (0, 0)})
        return list(found.values())

    def start(self) -> None:
        """Begin to load the model; the thread ends with the process."""

        def work() -> None:
            with contextlib.suppress(KeyboardInterrupt):  # during the import of PyTorch
                while True:
                    self._work()

        threading.Thread(target=work, name="model", daemon=True).start()

    def choose(self, name: str) -> None:
        """Load another model of those that `models` lists, or the one that the page began with."""
        known = [each.name for each in list_models().models]
        if name == model_name(self._first):
            self._choose(self._first)
        elif name in known:
            self._choose(find_weights(Path(name)))
        else:
            raise UsageError(f"model '{name}' was not found", hint=did_you_mean(name, known))

    def ask(self, client: str, number: int, data: bytes, width: int) -> Answered:
        """Queue a sketch; all that this client asked for under lower numbers is stale now."""
        job = Job(client, number, data, width)
        with self._changed:
            newest = max(number, self._newest.pop(client, number))
            self._newest[client] = newest
            while len(self._newest) > MOST_CLIENTS:
                self._newest.popitem(last=False)
            self._waiting.append(job)
            for each in [each for each in self._waiting if self._is_stale(each)]:
                self._waiting.remove(each)
                each.answer.set_result(None)
            if self._running and self._opened and self._is_stale(self._running):
                self._opened.is_stopped.set()
            self._changed.notify()
        return job.answer

    def stop(self) -> None:
        """End a photo that is being generated."""
        if self._opened:
            self._opened.is_stopped.set()

    def _choose(self, path: Path) -> None:
        name = model_name(path)
        with self._changed:
            self._wanted = path
            self.state = State("loading", f"loading the model {name}", name)
            self._changed.notify()

    def _is_stale(self, job: Job) -> bool:
        return job.number < self._newest.get(job.client, job.number)

    def _work(self) -> None:
        """Load the model that is wanted, else answer who has waited longest."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._waiting)
            path, self._wanted = self._wanted, None
            job = None if path else self._waiting.pop(0)
            if job and self._opened:
                self._running = job
                self._opened.is_stopped.clear()
        if path:
            self._load(path)
        if job:
            self._answer(job)

    def _load(self, path: Path) -> None:
        name, self._opened = model_name(path), None  # frees its memory first
        try:
            opened = self._open(path)
        except Exception as error:  # noqa: BLE001 - the page says so, and another can be chosen
            message = f"the model {name} cannot be loaded: {_reason(error)}"
            state = State("failed", message, name)
            self._reporter(Note(message, is_warning=True))
        else:
            self._opened = opened
            state = State("ready", "", name, opened.size, opened.domains, opened.precision)
        with self._changed:
            if self._wanted is None:  # else another one was chosen meanwhile
                self.state = state

    def _answer(self, job: Job) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        if self._opened is None:
            error = UsageError("no model is loaded", hint="choose another model")
            job.answer.set_exception(error)
            return
        answer: Answer | None = None
        try:
            answer = self._opened.generate(job.data, job.width)
        except KeyboardInterrupt:
            pass  # it was overtaken
        except Exception as fault:  # noqa: BLE001 - one bad sketch never ends the thread
            job.answer.set_exception(fault)
            return
        finally:
            with self._changed:
                self._running = None
        job.answer.set_result(None if self._is_stale(job) else answer)


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

        started, preparer = time.perf_counter(), self._preparer
        if width and width < min(self.size):
            height, wide = (round(side * width / min(self.size)) for side in self.size)
            small = replace(preparer.models[0], size=(height, wide))
            preparer = Preparer([small], self._drawing)
        notes: list[str] = []
        sketch = images.decode(data, name="the sketch", notes=notes, check=check_sides)
        prepared = preparer.prepare(sketch, notes)
        photo = self._sampler.finish(prepared, self._sampler.draw([prepared])[0])
        png = images.encode(photo, ".png", comment=self._mark)
        spent = 1000 * (time.perf_counter() - started)
        return Answer(png, round(spent, 1), prepared.warnings)


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
