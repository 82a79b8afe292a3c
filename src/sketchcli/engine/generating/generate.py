"""`generate`: carry out a request, with several sketches at a time."""

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import torch

from sketchcli import images
from sketchcli.config import Align, Fit
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating.inputs import STREAM, Drawing, Existing, Naming, Request
from sketchcli.engine.generating.plan import Job, Plan, Tally, make_plan, of_share, write_manifest
from sketchcli.engine.generating.prepare import LoadedModel, Prepared, Preparer, load_model
from sketchcli.engine.generating.sample import Sampler
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import CheckpointError, DataError, SketchError
from sketchcli.images import Pixels
from sketchcli.models.building import fold_batch_norms

# Reading, generating and writing run at the same time, in threads: OpenCV, the networks and the
# disk release Python's lock. On a CPU several batches are generated at once, each on threads of its
# own: one batch on all cores would wait at every layer for the cores that read and write images.
# Only a few batches are in memory at any time.

READERS, WRITERS = 2, 2  # threads; reading an image takes a tenth of the time of generating one
BATCHES_AHEAD = 3  # batches per stream that may wait to be generated, and to be written
HELD_BATCHES = 4  # batches of sketches that wait for others of their shape


@dataclass(frozen=True)
class Ready:
    """A sketch that was prepared, or that failed."""

    job: Job
    milliseconds: float
    sketch: Prepared | None = field(default=None, repr=False)
    error: str = ""

    @property
    def group(self) -> tuple[object, ...]:
        """The key that the sketches of one batch share."""
        return () if self.sketch is None else (self.job.variation, self.sketch.shapes)


@dataclass(frozen=True)
class Drawn:
    """A sketch and the generated photos of its frames; there are none if the sketch failed."""

    ready: Ready
    parts: Sequence[Pixels] = field(default=(), repr=False)


# Images come from files or standard input; a failed file gets its reason in words.


@dataclass
class Streams:
    """The streams behind `-`; several threads may use them at once."""

    read: BinaryIO | None = None  # default: standard input, which may be closed until it is read
    write: BinaryIO | None = None  # default: standard output
    notes: list[str] = field(default_factory=list, init=False)  # about the image that was read
    _picture: Pixels | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def picture(self) -> Pixels:
        """Return the image on standard input, which is read once for all its photos."""
        with self._lock:
            if self._picture is None:
                stream = sys.stdin.buffer if self.read is None else self.read
                self._picture = images.read_stream(stream, name="standard input", notes=self.notes)
            return self._picture

    def put(self, photo: bytes) -> None:
        """Write an encoded photo to the output stream."""
        stream = sys.stdout.buffer if self.write is None else self.write
        stream.write(photo)
        stream.flush()


# Photos are written whole or not at all, and never outside their folder.


class Writer:
    """Writes photos to the outputs of their jobs; several threads may use it at once.

    Args:
        naming: Format, quality, and what to do with existing photos.
        folder: The folder that no photo may leave; None for a single file.
        streams: The streams behind `-`.
        on_written: Called with each written photo and its sketch.
    """

    def __init__(
        self,
        naming: Naming,
        folder: Path | None,
        streams: Streams | None = None,
        on_written: Callable[[Job, Prepared, Pixels], None] | None = None,
    ) -> None:
        self.naming, self.streams, self.on_written = naming, streams or Streams(), on_written
        self.folder = folder and folder.resolve()

    def write(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Write one photo, unless a link leads elsewhere or the file appeared in the meantime."""
        if str(job.output) == STREAM:
            suffix = f".{self.naming.format or 'png'}"
            self.streams.put(images.encode(photo, suffix, quality=self.naming.quality))
        else:
            self._check_place(job.output)
            images.write(job.output, photo, quality=self.naming.quality)
        if self.on_written is not None:
            self.on_written(job, sketch, photo)

    def _check_place(self, output: Path) -> None:
        if self.folder is not None and not output.parent.resolve().is_relative_to(self.folder):
            raise DataError(
                f"{output}: a link leads out of {self.folder}",
                hint="remove the link, or choose the folder that it leads to as the output",
            )
        if self.naming.existing is not Existing.OVERWRITE and output.exists():
            raise DataError(
                f"{output} was created in the meantime", hint="add --overwrite to replace it"
            )


class JobRunner:
    """Turns jobs into files."""

    def __init__(self, preparer: Preparer, sampler: Sampler, writer: Writer) -> None:
        self.preparer, self.sampler, self.writer = preparer, sampler, writer
        self.limit = BATCHES_AHEAD * sampler.streams * sampler.batch
        self._drawing: deque[Future[list[Drawn]]] = deque()
        self._writing: deque[Future[GeneratedFile]] = deque()

    def run(self, jobs: Iterable[Job]) -> Generator[GeneratedFile]:
        """Convert all jobs, and yield each file once it is written or has failed.

        After Ctrl-C, the files that are being written are finished and no others are started.
        """
        sampler = self.sampler
        with (
            ThreadPoolExecutor(WRITERS) as writers,
            ThreadPoolExecutor(
                sampler.streams, initializer=torch.set_num_threads, initargs=(sampler.threads,)
            ) as drawers,
            ThreadPoolExecutor(READERS) as readers,
        ):
            try:
                for batch in self._batches(self._prepared(readers, jobs)):
                    self._drawing.append(drawers.submit(self._drawn, batch))
                    yield from self._written(writers, drawing=sampler.streams, writing=self.limit)
                yield from self._written(writers, drawing=0, writing=0)
            finally:
                for pool in (readers, drawers, writers):
                    pool.shutdown(wait=False, cancel_futures=True)

    def _written(
        self, writers: ThreadPoolExecutor, *, drawing: int, writing: int
    ) -> Iterator[GeneratedFile]:
        """Submit generated photos and yield written files until no more than so many wait."""
        while self._drawing and (self._drawing[0].done() or len(self._drawing) > drawing):
            for one in self._drawing[0].result():
                self._writing.append(writers.submit(self._write, one))
            self._drawing.popleft()
            while self._writing and (self._writing[0].done() or len(self._writing) > writing):
                yield self._landed()
        while len(self._writing) > writing:
            yield self._landed()

    def _landed(self) -> GeneratedFile:
        file = self._writing[0].result()  # still in the queue if Ctrl-C interrupts the wait
        self._writing.popleft()
        return file

    def late(self) -> Iterator[GeneratedFile]:
        """Yield the files that were still written after an interruption."""
        while self._writing:
            file = self._writing.popleft()
            if not file.cancelled():
                yield file.result()

    def _prepared(self, readers: ThreadPoolExecutor, jobs: Iterable[Job]) -> Iterator[Ready]:
        """Yield every job in order, prepared a few jobs ahead of time."""
        reading: deque[Future[Ready]] = deque()
        for job in jobs:
            reading.append(readers.submit(self._prepare, job))
            if len(reading) > self.limit:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _prepare(self, job: Job) -> Ready:
        started = time.perf_counter()
        try:
            picture, notes = read(job.source, self.writer.streams)
            sketch = self.preparer.prepare(picture, notes)
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            return Ready(job, _since(started), error=failure(job.source, error))
        return Ready(job, _since(started), sketch)

    def _batches(self, ready: Iterable[Ready]) -> Iterator[list[Ready]]:
        """Group sketches by shape; if too many sketches wait, yield the largest group."""
        groups: dict[tuple[object, ...], list[Ready]] = {}
        for one in ready:
            group = groups.setdefault(one.group, [])
            group.append(one)
            if one.sketch is None or sum(map(_frames, group)) >= self.sampler.gathered:
                yield groups.pop(one.group)
            elif sum(map(len, groups.values())) > HELD_BATCHES * self.sampler.batch:
                yield groups.pop(max(groups, key=lambda key: len(groups[key])))
        yield from groups.values()

    def _drawn(self, batch: Sequence[Ready]) -> list[Drawn]:
        """Run a batch through the networks."""
        sketches = [one.sketch for one in batch if one.sketch is not None]
        if not sketches:
            return [Drawn(one) for one in batch]
        started = time.perf_counter()
        try:
            photos = self.sampler.draw(sketches, batch[0].job.variation)
        except Exception as error:  # noqa: BLE001 - out of memory, most likely
            if len(batch) > 1:  # retry one by one, so that the other sketches are not lost
                return [drawn for one in batch for drawn in self._drawn([one])]
            reason = failure(batch[0].job.source, error)
            return [Drawn(Ready(batch[0].job, _since(started), error=reason))]
        share = _since(started) / len(batch)
        return [
            Drawn(replace(one, milliseconds=one.milliseconds + share), parts)
            for one, parts in zip(batch, photos, strict=True)
        ]

    def _write(self, drawn: Drawn) -> GeneratedFile:
        one, sketch = drawn.ready, drawn.ready.sketch
        if sketch is None:
            return failed(one)
        started = time.perf_counter()
        try:
            self.writer.write(one.job, sketch, self.sampler.finish(sketch, drawn.parts))
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            spent = one.milliseconds + _since(started)
            return failed(Ready(one.job, spent, error=failure(one.job.source, error)))
        return GeneratedFile(
            source=one.job.source,
            output=one.job.output,
            milliseconds=round(one.milliseconds + _since(started), 1),
            status="made",
            warnings=sketch.warnings,
        )


def failed(one: Ready) -> GeneratedFile:
    """Return the outcome of a sketch that failed."""
    spent = round(one.milliseconds, 1)
    return GeneratedFile(one.job.source, None, spent, status="failed", error=one.error)


def _frames(one: Ready) -> int:
    return len(one.sketch.frames[0]) if one.sketch else 0


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def read(source: Path, streams: Streams) -> tuple[Pixels, list[str]]:
    """Read a file, or standard input for `-`, as RGB `(H, W, 3)` or grey `(H, W)`, with notes."""
    notes: list[str] = []
    if str(source) == STREAM:
        return streams.picture(), streams.notes
    return images.read(source, notes=notes), notes


def failure(source: Path, error: Exception) -> str:
    """Return in one line why a sketch failed, and the hint."""
    if isinstance(error, SketchError):
        reason = error.message if str(source) in error.message else f"{source}: {error.message}"
        return f"{reason} ({error.hint})" if error.hint else reason
    if is_out_of_memory(error):
        return f"{source} is too large for this machine's memory"
    reason = str(error).partition("\n")[0]
    return f"{source}: {type(error).__name__}: {reason}"


# One contact sheet shows the first sketches, each next to its photo.

CELL = 128  # side of an image on the sheet, pixels
PAIRS_A_ROW = 4
MOST_PAIRS = 256  # limit for the pairs on a sheet, which would be unreadable with more


class Grid:
    """Collects thumbnails of the first sketches and photos, in the order of the jobs."""

    def __init__(self, path: Path, jobs: Sequence[Job]) -> None:
        self.path = path
        self._places = {job.output: place for place, job in enumerate(jobs[:MOST_PAIRS])}
        self._cells: dict[int, tuple[Pixels, Pixels]] = {}
        self._lock = threading.Lock()

    def add(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Keep thumbnails of a sketch and its photo."""
        place = self._places.get(job.output)
        if place is not None:
            pair = _cell(sketch.shown), _cell(photo)
            with self._lock:
                self._cells[place] = pair

    def write(self) -> Path | None:
        """Write the sheet and return its path, or None if there are no photos to show."""
        if not self._cells:
            return None
        flat = [cell for place in sorted(self._cells) for cell in self._cells[place]]
        row = 2 * PAIRS_A_ROW
        rows = [flat[i : i + row] for i in range(0, len(flat), row)]
        images.write(self.path, images.sheet(rows))
        return self.path


def _cell(picture: Pixels) -> Pixels:
    return images.to_rgb(images.fit(picture, (CELL, CELL), Fit.PAD))


BATCH = {"cpu": 4, "mps": 16, "cuda": 32}  # frames per batch


def generate(
    request: Request,
    *,
    device: Device,
    reporter: Reporter = SILENT,
    plan: Plan | None = None,
    streams: Streams | None = None,
) -> GenerateResult:
    """Turn sketches into photos.

    A sketch that fails raises no error: the result and the reporter say why. `plan` is the value of
    `make_plan(request)`, if it is known already. `streams` are the streams behind `-`.
    """
    plan = plan or make_plan(request)
    for note in plan.notes:
        reporter(Note(note))
    pipeline = Pipeline.open(request, device, reporter)
    jobs = [job for job in plan.jobs if not job.is_done]
    grid = Grid(of_share(request.grid, request.share), jobs) if request.grid else None
    writer = Writer(request.naming, plan.folder, streams, grid.add if grid else None)
    done = Tally(plan.jobs, reporter)
    try:
        pipeline.convert(jobs, writer, done.add)
    finally:  # the manifest lists what was written, also after Ctrl-C
        manifest = write_manifest(request, done.files)
    return GenerateResult(request.models, done.files, manifest, grid.write() if grid else None)


@dataclass(frozen=True)
class Pipeline:
    """Loaded models, and what it takes to generate photos with them."""

    preparer: Preparer
    sampler: Sampler

    @classmethod
    def open(cls, request: Request, device: Device, reporter: Reporter = SILENT) -> "Pipeline":
        """Load the models of a request."""
        models = open_models(request.models, device, is_raw=request.is_raw)
        if models[0].align is Align.FACE and not request.drawing.is_aligned:
            reporter(
                Note("this model was trained on aligned faces; to align yours, add --align face")
            )
        return cls.of(models, request.drawing)

    @classmethod
    def of(cls, models: Sequence[LoadedModel], drawing: Drawing) -> "Pipeline":
        """Wrap models that are loaded already."""
        detector = None
        if drawing.is_aligned:
            from sketchcli.engine.lookup import find_detector  # noqa: PLC0415 - loads all datasets

            detector = find_detector(Align.FACE)
        batch = BATCH[models[0].device.torch.type]
        return cls(Preparer(models, drawing, detector), Sampler(models, drawing, batch))

    def convert(
        self, jobs: Iterable[Job], writer: Writer, tell: Callable[[GeneratedFile], None]
    ) -> None:
        """Turn jobs into files, and report each, also those that are written after Ctrl-C."""
        pipeline = JobRunner(self.preparer, self.sampler, writer)
        try:
            with contextlib.closing(pipeline.run(jobs)) as files:
                for file in files:
                    tell(file)
        finally:
            for file in pipeline.late():
                tell(file)


def open_models(
    paths: Sequence[Path], device: Device, *, is_raw: bool = False
) -> tuple[LoadedModel, ...]:
    """Load models for generating, with their batch norms folded into the convolutions."""
    if not paths:
        raise CheckpointError("no model was given", hint="choose a model with --model")
    models = [load_model(path, device, is_raw=is_raw) for path in paths]
    for model in models:
        fold_batch_norms(model.generator)
    return tuple(models)
