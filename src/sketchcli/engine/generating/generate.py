"""`generate`: a request, carried out."""

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

# Many sketches at a time: some are read and prepared, some drawn, some written, all at once.
#
# Everything runs in threads: OpenCV, the networks and the disk work outside Python's lock. On a CPU
# several batches are drawn at the same time, each by threads of its own, which wait for nobody: one
# batch on all cores would wait at every layer for the core that has just read or written a picture.
# No more than a few batches are in memory at any time.

READERS, WRITERS = 2, 2  # threads; a picture is read in a tenth of the time that it is drawn in
BATCHES_AHEAD = 3  # a stream, that are read before they are drawn, and drawn before written
HELD_BATCHES = 4  # of sketches that wait for others of their shape


@dataclass(frozen=True)
class Ready:
    """A sketch on its way: prepared, or failed."""

    job: Job
    milliseconds: float
    sketch: Prepared | None = field(default=None, repr=False)
    error: str = ""

    @property
    def group(self) -> tuple[object, ...]:
        """What sketches of one batch have in common."""
        return () if self.sketch is None else (self.job.variation, self.sketch.shapes)


@dataclass(frozen=True)
class Drawn:
    """A sketch whose photo is drawn, in parts; there are none of one that has failed."""

    ready: Ready
    parts: Sequence[Pixels] = field(default=(), repr=False)


# Pictures from files or standard input, and failures in words.


@dataclass
class Streams:
    """What `-` stands for; may be used by several threads at once.

    Args:
        read: By default standard input, which may be closed as long as nobody asks for it.
        write: By default standard output.
    """

    read: BinaryIO | None = None
    write: BinaryIO | None = None
    _picture: Pixels | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def picture(self) -> Pixels:
        """The picture of standard input: read once, however many photos are drawn of it.

        Raises:
            DataError: It is none.
        """
        with self._lock:
            if self._picture is None:
                stream = sys.stdin.buffer if self.read is None else self.read
                self._picture = images.read_stream(stream, name="standard input")
            return self._picture

    def put(self, photo: bytes) -> None:
        """Write an encoded photo to standard output."""
        stream = sys.stdout.buffer if self.write is None else self.write
        stream.write(photo)
        stream.flush()


# Photos into files, whole or not at all, and never outside their folder.


class Writer:
    """Writes photos where their jobs say; used by several threads at once.

    Args:
        naming: Format, quality, and what becomes of photos that are there.
        folder: That no photo may leave; None for a single file.
        streams: What `-` stands for.
        on_written: Told of each photo, with its sketch.
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
        """Write one photo.

        Raises:
            DataError: The disk refuses it, a link leads elsewhere, or another file has taken its
                name since the work began.
        """
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
                hint="remove the link, or write there",
            )
        if self.naming.existing is not Existing.OVERWRITE and output.exists():
            raise DataError(
                f"{output}: has appeared meanwhile", hint="add --overwrite to replace it"
            )


class JobRunner:
    """Turns jobs into files.

    Args:
        preparer: Makes sketches ready.
        artist: Draws them.
        writer: Writes photos.
    """

    def __init__(self, preparer: Preparer, artist: Sampler, writer: Writer) -> None:
        self.preparer, self.artist, self.writer = preparer, artist, writer
        self.limit = BATCHES_AHEAD * artist.streams * artist.batch
        self._drawing: deque[Future[list[Drawn]]] = deque()
        self._writing: deque[Future[GeneratedFile]] = deque()

    def run(self, jobs: Iterable[Job]) -> Generator[GeneratedFile]:
        """Convert all, and tell of each file when it is written, or why it is not.

        Ctrl-C ends it: what is being written is finished, nothing else is begun.
        """
        artist = self.artist
        with (
            ThreadPoolExecutor(WRITERS) as writers,
            ThreadPoolExecutor(
                artist.streams, initializer=torch.set_num_threads, initargs=(artist.threads,)
            ) as drawers,
            ThreadPoolExecutor(READERS) as readers,
        ):
            try:
                for batch in self._batches(self._prepared(readers, jobs)):
                    self._drawing.append(drawers.submit(self._drawn, batch))
                    yield from self._written(writers, drawing=artist.streams, writing=self.limit)
                yield from self._written(writers, drawing=0, writing=0)
            finally:
                for pool in (readers, drawers, writers):
                    pool.shutdown(wait=False, cancel_futures=True)

    def _written(
        self, writers: ThreadPoolExecutor, *, drawing: int, writing: int
    ) -> Iterator[GeneratedFile]:
        """Hand on what is drawn and tell what is written, until so few are under way."""
        while self._drawing and (self._drawing[0].done() or len(self._drawing) > drawing):
            for one in self._drawing[0].result():
                self._writing.append(writers.submit(self._write, one))
            self._drawing.popleft()
            while self._writing and (self._writing[0].done() or len(self._writing) > writing):
                yield self._landed()
        while len(self._writing) > writing:
            yield self._landed()

    def _landed(self) -> GeneratedFile:
        file = self._writing[0].result()  # interrupted while it waits, it is not lost
        self._writing.popleft()
        return file

    def late(self) -> Iterator[GeneratedFile]:
        """After an end before the end: what was written all the same, and not told yet."""
        while self._writing:
            file = self._writing.popleft()
            if not file.cancelled():
                yield file.result()

    def _prepared(self, readers: ThreadPoolExecutor, jobs: Iterable[Job]) -> Iterator[Ready]:
        """Every job, read, in order, a few of them ahead of time."""
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
            sketch = self.preparer.prepare(read(job.source, self.writer.streams))
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            return Ready(job, _since(started), error=failure(job.source, error))
        return Ready(job, _since(started), sketch)

    def _batches(self, ready: Iterable[Ready]) -> Iterator[list[Ready]]:
        """Sketches of one shape together; where too many shapes wait, the largest group goes."""
        groups: dict[tuple[object, ...], list[Ready]] = {}
        for one in ready:
            group = groups.setdefault(one.group, [])
            group.append(one)
            if one.sketch is None or sum(map(_frames, group)) >= self.artist.gathered:
                yield groups.pop(one.group)
            elif sum(map(len, groups.values())) > HELD_BATCHES * self.artist.batch:
                yield groups.pop(max(groups, key=lambda key: len(groups[key])))
        yield from groups.values()

    def _drawn(self, batch: Sequence[Ready]) -> list[Drawn]:
        """A batch through the networks."""
        sketches = [one.sketch for one in batch if one.sketch is not None]
        if not sketches:
            return [Drawn(one) for one in batch]
        started = time.perf_counter()
        try:
            photos = self.artist.draw(sketches, batch[0].job.variation)
        except Exception as error:  # noqa: BLE001 - out of memory, most likely
            if len(batch) > 1:  # one by one, so that the others are not lost
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
            self.writer.write(one.job, sketch, self.artist.finish(sketch, drawn.parts))
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
    """What is told of a file that gave no photo."""
    spent = round(one.milliseconds, 1)
    return GeneratedFile(one.job.source, None, spent, status="failed", error=one.error)


def _frames(one: Ready) -> int:
    return len(one.sketch.frames[0]) if one.sketch else 0


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


def read(source: Path, streams: Streams) -> Pixels:
    """The picture of a file, or of standard input: RGB `(H, W, 3)`, or grey `(H, W)`.

    Raises:
        DataError: It cannot be read, or is no picture.
    """
    if str(source) == STREAM:
        return streams.picture()
    return images.read(source)


def failure(source: Path, error: Exception) -> str:
    """Why a file gave no photo, and what helps, in one line."""
    if isinstance(error, SketchError):
        reason = error.message if str(source) in error.message else f"{source}: {error.message}"
        return f"{reason} ({error.hint})" if error.hint else reason
    if is_out_of_memory(error):
        return f"{source}: too large for this machine's memory"
    reason = str(error).partition("\n")[0]
    return f"{source}: {type(error).__name__}: {reason}"


# One contact sheet for many sketches: each beside its photo.

CELL = 128  # pixels a side
PAIRS_A_ROW = 4
MOST_PAIRS = 256  # the first ones; a sheet of more shows nobody anything


class Grid:
    """Collects small pictures of the first sketches and photos.

    Args:
        path: The sheet's file.
        jobs: In the order of the sheet.
    """

    def __init__(self, path: Path, jobs: Sequence[Job]) -> None:
        self.path = path
        self._places = {job.output: place for place, job in enumerate(jobs[:MOST_PAIRS])}
        self._cells: dict[int, tuple[Pixels, Pixels]] = {}
        self._lock = threading.Lock()

    def add(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Keep a small copy of a sketch and its photo."""
        place = self._places.get(job.output)
        if place is not None:
            pair = _cell(sketch.shown), _cell(photo)
            with self._lock:
                self._cells[place] = pair

    def write(self) -> Path | None:
        """Write the sheet, and say where; None where there is no photo to show.

        Raises:
            DataError: It cannot be written.
        """
        if not self._cells:
            return None
        flat = [cell for place in sorted(self._cells) for cell in self._cells[place]]
        row = 2 * PAIRS_A_ROW
        rows = [flat[i : i + row] for i in range(0, len(flat), row)]
        images.write(self.path, images.sheet(rows))
        return self.path


def _cell(picture: Pixels) -> Pixels:
    return images.to_rgb(images.fit(picture, (CELL, CELL), Fit.PAD))


BATCH = {"cpu": 4, "mps": 16, "cuda": 32}  # frames that go through a network together


def generate(
    request: Request,
    *,
    device: Device,
    reporter: Reporter = SILENT,
    plan: Plan | None = None,
    streams: Streams | None = None,
) -> GenerateResult:
    """Turn sketches into photos.

    Args:
        request: Sketches, outputs, models, and how to draw.
        device: Where to compute, and with which numbers.
        reporter: Told of every file.
        plan: What `planning.plan` makes of the request, where that is done already.
        streams: What `-` stands for; by default standard input and output.

    Raises:
        DataError: Nothing to read, or nowhere to write. A file that gives no photo does not
            raise: the result says why.
        CheckpointError: Weights cannot be used.
        UsageError: The request contradicts itself, or asks what the model cannot do.
    """
    plan = plan or make_plan(request)
    for note in plan.notes:
        reporter(Note(note))
    studio = Pipeline.open(request, device, reporter)
    jobs = [job for job in plan.jobs if not job.is_done]
    grid = Grid(of_share(request.grid, request.share), jobs) if request.grid else None
    writer = Writer(request.naming, plan.folder, streams, grid.add if grid else None)
    done = Tally(plan.jobs, reporter)
    try:
        studio.convert(jobs, writer, done.add)
    finally:  # after Ctrl-C too: what was written is listed
        manifest = write_manifest(request, done.files)
    return GenerateResult(request.models, done.files, manifest, grid.write() if grid else None)


@dataclass(frozen=True)
class Pipeline:
    """Models that are loaded, and what it takes to draw with them."""

    preparer: Preparer
    artist: Sampler

    @classmethod
    def open(cls, request: Request, device: Device, reporter: Reporter = SILENT) -> "Pipeline":
        """Load the models of a request.

        Raises:
            CheckpointError: Weights cannot be used.
            DataError: The network that finds faces is not here.
        """
        models = open_models(request.models, device, is_raw=request.is_raw)
        if models[0].align is Align.FACE and not request.drawing.is_aligned:
            reporter(Note("this model was trained on aligned faces; others: --align face"))
        return cls.of(models, request.drawing)

    @classmethod
    def of(cls, models: Sequence[LoadedModel], drawing: Drawing) -> "Pipeline":
        """A studio of models that are loaded already.

        Raises:
            DataError: Faces are to be aligned, and the network that finds them is not here.
        """
        detector = None
        if drawing.is_aligned:
            from sketchcli.engine.lookup import find_detector  # noqa: PLC0415 - knows all sets

            detector = find_detector(Align.FACE)
        batch = BATCH[models[0].device.torch.type]
        return cls(Preparer(models, drawing, detector), Sampler(models, drawing, batch))

    def convert(
        self, jobs: Iterable[Job], writer: Writer, tell: Callable[[GeneratedFile], None]
    ) -> None:
        """Turn jobs into files, and tell of each; of what is written before a Ctrl-C too."""
        pipeline = JobRunner(self.preparer, self.artist, writer)
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
    """Models for drawing, with what only training needs folded away.

    Raises:
        CheckpointError: There are none, or one cannot be used.
    """
    if not paths:
        raise CheckpointError("no model is named", hint="name one with --model")
    models = [load_model(path, device, is_raw=is_raw) for path in paths]
    for model in models:
        fold_batch_norms(model.generator)
    return tuple(models)
