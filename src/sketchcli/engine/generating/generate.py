"""`generate`: carry out a request, with several sketches at a time."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from sketchcli import images
from sketchcli.config import Align, Fit
from sketchcli.device import Device, is_out_of_memory
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.generating.inputs import STREAM, Drawing, Existing, Naming, Request
from sketchcli.engine.generating.plan import Job, Plan, Tally, make_plan, write_manifest
from sketchcli.engine.generating.prepare import Prepared, Preparer, load_model
from sketchcli.engine.generating.sample import Sampler
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import CheckpointError, DataError, SketchError
from sketchcli.images import Pixels
from sketchcli.limits import memory_limit
from sketchcli.models.building import fold_batch_norms


def generate(
    request: Request, *, device: Device, reporter: Reporter = SILENT, plan: Plan | None = None
) -> GenerateResult:
    """Turn sketches into photos.

    A sketch that fails raises no error: the result and the reporter say why.
    """
    plan = plan or make_plan(request)
    for note in plan.notes:
        reporter(Note(note))
    preparer, sampler = open_models(request.models, request.drawing, device, reporter)
    jobs = [job for job in plan.jobs if not job.is_done]
    grid = Grid(request.shard.name(request.grid), jobs) if request.grid else None
    writer = Writer(request.naming, plan.folder and plan.folder.resolve(), grid, mark=request.mark)
    domains = preparer.models[0].domains
    done = Tally(plan.jobs, domains.input, reporter)
    try:
        Pipeline(preparer, sampler, writer).convert(jobs, done.add)
    finally:  # the manifest lists what was written, also after Ctrl-C
        manifest = write_manifest(request, done.files)
    sheet = grid.write(request.mark) if grid else None
    return GenerateResult(request.models, done.files, manifest, sheet, domains)


def open_models(
    paths: Sequence[Path], drawing: Drawing, device: Device, reporter: Reporter = SILENT
) -> tuple[Preparer, Sampler]:
    """Load models, and return what prepares sketches for them and what generates photos."""
    if not paths:
        raise CheckpointError("no model was given", hint="choose a model with --model")
    models = [load_model(path, device) for path in paths]
    for model in models:
        fold_batch_norms(model.generator)
    detector = None
    if drawing.is_aligned:
        from sketchcli.engine.lookup import find_detector  # noqa: PLC0415 - loads all datasets

        detector = find_detector(Align.FACE)
    elif models[0].align is Align.FACE:
        reporter(Note("this model was trained on aligned faces; to align yours, add --align face"))
    sampler = Sampler(models, drawing, BATCH[device.torch.type])
    return Preparer(models, drawing, detector), sampler


@dataclass(frozen=True)
class Item:
    """A job on its way to a file."""

    job: Job
    milliseconds: float
    sketch: Prepared = field(repr=False)
    photos: Sequence[Pixels] = field(default=(), repr=False)  # of its frames, one per model


def _failed(job: Job, milliseconds: float, error: Exception) -> GeneratedFile:
    """Return the outcome of a job that failed: the reason in one line, and the hint."""
    source = str(job.source)
    if isinstance(error, SketchError):
        reason = error.message if source in error.message else f"{source}: {error.message}"
        reason += f" ({error.hint})" if error.hint else ""
    elif is_out_of_memory(error):
        reason = f"{source} is too large for this machine's memory"
    elif isinstance(error, OSError):
        reason = f"{error.filename or source}: {error.strerror}"
    else:
        first, _, _ = str(error).partition("\n")
        reason = f"{source}: {type(error).__name__}: {first}"
    return GeneratedFile(job.source, None, round(milliseconds, 1), status="failed", error=reason)


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)


@dataclass(frozen=True)
class Writer:
    """Writes photos whole or not at all, and never outside their folder.

    Several threads may use it at once.
    """

    naming: Naming
    folder: Path | None  # without links; no photo may leave it; None for a single file
    grid: "Grid | None" = None
    ours: Collection[Path] = ()  # photos that may be replaced in any case
    mark: str = ""  # the text that says in a PNG or JPEG that it is generated

    def skips(self, job: Job) -> bool:
        """Return whether existing photos are kept, and another process has written this one."""
        is_kept = self.naming.existing is Existing.SKIP and job.output not in self.ours
        return is_kept and str(job.output) != STREAM and job.output.exists()

    def write(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Write one photo, unless a link leads elsewhere or the file appeared in the meantime."""
        output, folder, quality = job.output, self.folder, self.naming.quality
        if str(output) == STREAM:
            suffix = f".{self.naming.format or 'png'}"
            sys.stdout.buffer.write(
                images.encode(photo, suffix, quality=quality, comment=self.mark)
            )
            sys.stdout.buffer.flush()
        elif folder is not None and not output.parent.resolve().is_relative_to(folder):
            raise DataError(
                f"{output}: a link leads out of {folder}",
                hint="remove the link, or choose the folder that it leads to as the output",
            )
        else:
            is_new = self.naming.existing is not Existing.OVERWRITE and output not in self.ours
            images.write(output, photo, quality=quality, is_new=is_new, comment=self.mark)
        if self.grid is not None:
            self.grid.add(job, sketch, photo)


# Reading, generating and writing run at the same time, in threads: OpenCV, the networks and the
# disk release Python's lock. On a CPU several batches are generated at once, each on threads of its
# own: one batch on all cores would wait at every layer for the cores that read and write images.
# Only a few batches are in memory at any time.

READERS, WRITERS = 2, 2  # threads; reading an image takes a tenth of the time of generating one
BATCHES_AHEAD = 3  # batches per stream that may wait to be generated, and to be written
STAGES = 3  # where sketches and photos wait: to be grouped, to be generated, to be written
HELD_BATCHES = 4  # batches of sketches that wait for others of their shape
In = TypeVar("In")
Out = TypeVar("Out")
BATCH = {"cpu": 4, "mps": 16, "cuda": 32}  # frames per batch


class Pipeline:
    """Turns jobs into files."""

    def __init__(self, preparer: Preparer, sampler: Sampler, writer: Writer) -> None:
        self.preparer, self.sampler, self.writer = preparer, sampler, writer
        self._input: tuple[Pixels, list[str]] | None = None
        self._memory = memory_limit()  # that all sketches and photos on their way may take
        self._largest = 0  # bytes of the largest so far
        self._lock = threading.Lock()

    def convert(self, jobs: Iterable[Job], tell: Callable[[GeneratedFile], None]) -> None:
        """Turn jobs into files, and report each once it is written or has failed.

        After Ctrl-C, only the files that are being written are finished.
        """
        streams, threads = self.sampler.streams, self.sampler.threads
        writing: deque[Future[GeneratedFile]] = deque()
        readers = ThreadPoolExecutor(READERS)
        try:
            with (
                ThreadPoolExecutor(WRITERS) as writers,
                ThreadPoolExecutor(
                    streams, initializer=torch.set_num_threads, initargs=(threads,)
                ) as drawers,
            ):
                try:
                    prepared = _ahead(readers, self._prepare, jobs, self._limit, is_prompt=False)
                    batches = _ahead(drawers, self._drawn, self._batches(prepared), lambda: streams)
                    drawn = (item for batch in batches for item in batch)
                    for file in _ahead(writers, self._write, drawn, self._limit, writing):
                        tell(file)
                except BaseException:
                    self.sampler.is_stopped.set()
                    raise
                finally:
                    for pool in (readers, drawers, writers):
                        pool.shutdown(wait=False, cancel_futures=True)
        finally:
            for late in writing:  # only after an interruption
                if not late.cancelled():
                    tell(late.result())

    def _limit(self) -> int:
        """Return how many sketches may wait at each stage: fewer if they are large."""
        if not self._largest:
            return READERS
        most = BATCHES_AHEAD * self.sampler.streams * self.sampler.batch
        return max(1, min(most, int(min(2**31, self._memory / (STAGES * self._largest)))))

    def _prepare(self, job: Job) -> Item | GeneratedFile:
        started = time.perf_counter()
        if self.writer.skips(job):
            return GeneratedFile(job.source, job.output, 0.0, status="skipped")
        try:
            sketch = self.preparer.prepare(*self._read(job.source))
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            return _failed(job, _since(started), error)
        if self.preparer.blank in sketch.warnings:
            fault = f"{job.source} is blank: nothing is drawn on it"
            blank = DataError(fault, hint="export the page or layer with the drawing")
            return _failed(job, _since(started), blank)
        self._largest = max(self._largest, sketch.memory)
        return Item(job, _since(started), sketch)

    def _read(self, source: Path) -> tuple[Pixels, list[str]]:
        """Read a file, with notes on it; standard input is read once for all photos of it."""
        notes: list[str] = []
        if str(source) != STREAM:
            return images.read(source, notes=notes, check=self.preparer.check_shape), notes
        with self._lock:
            if self._input is None:
                stream, name, check = sys.stdin.buffer, "standard input", self.preparer.check_shape
                pixels = images.read_stream(stream, name=name, notes=notes, check=check)
                self._input = pixels, notes
            return self._input

    def _batches(
        self, items: Iterable[Item | GeneratedFile]
    ) -> Iterator[list[Item] | GeneratedFile]:
        """Group sketches by shape; if too many sketches wait, yield the largest group."""
        groups: dict[object, list[Item]] = {}
        for item in items:
            if isinstance(item, GeneratedFile):
                yield item
                continue
            key = (item.job.variation, item.sketch.shapes)
            group = groups.setdefault(key, [])
            group.append(item)
            if sum(len(each.sketch.frames[0]) for each in group) >= self.sampler.gathered:
                yield groups.pop(key)
            elif sum(map(len, groups.values())) > min(
                HELD_BATCHES * self.sampler.batch, self._limit()
            ):
                yield groups.pop(max(groups, key=lambda key: len(groups[key])))
        yield from groups.values()

    def _drawn(self, batch: list[Item] | GeneratedFile) -> Sequence[Item | GeneratedFile]:
        """Run a batch through the networks; a failure is passed on."""
        if isinstance(batch, GeneratedFile):
            return [batch]
        started = time.perf_counter()
        try:
            photos = self.sampler.draw([item.sketch for item in batch], batch[0].job.variation)
        except Exception as error:  # noqa: BLE001 - out of memory, most likely
            if len(batch) > 1:  # retry one by one, so that the other sketches are not lost
                return [drawn for item in batch for drawn in self._drawn([item])]
            return [_failed(batch[0].job, _since(started), error)]
        spent = _since(started) / len(batch)
        return [
            replace(item, milliseconds=item.milliseconds + spent, photos=parts)
            for item, parts in zip(batch, photos, strict=True)
        ]

    def _write(self, item: Item | GeneratedFile) -> GeneratedFile:
        if isinstance(item, GeneratedFile):
            return item
        job, started = item.job, time.perf_counter()
        if self.writer.skips(job):
            return GeneratedFile(job.source, job.output, item.milliseconds, status="skipped")
        try:
            photo = self.sampler.finish(item.sketch, item.photos)
            self.writer.write(job, item.sketch, photo)
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            if self.writer.skips(job):  # another process was quicker
                return GeneratedFile(job.source, job.output, item.milliseconds, status="skipped")
            return _failed(job, item.milliseconds + _since(started), error)
        spent = round(item.milliseconds + _since(started), 1)
        return GeneratedFile(job.source, job.output, spent, "made", item.sketch.warnings)


def _ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[In], Out],
    items: Iterable[In],
    limit: Callable[[], int],
    waiting: deque[Future[Out]] | None = None,
    *,
    is_prompt: bool = True,
) -> Iterator[Out]:
    """Yield the results of some work on each item in order, of which at most `limit()` may wait.

    Prompt results are yielded as soon as they are there, others once that many items wait.
    """
    waiting = deque() if waiting is None else waiting

    def first() -> Out:
        result = waiting[0].result()  # still in the queue if Ctrl-C interrupts the wait
        waiting.popleft()
        return result

    for item in items:
        waiting.append(pool.submit(work, item))
        while waiting and (len(waiting) > limit() or (is_prompt and waiting[0].done())):
            yield first()
    while waiting:
        yield first()


# One contact sheet shows the first sketches, each next to its photo.

CELL = 128  # side of an image on the sheet, pixels
PAIRS_A_ROW = 4
MOST_PAIRS = 256  # limit for the pairs on a sheet, which would be unreadable with more


class Grid:
    """Collects thumbnails of the first sketches and photos, in the order of the jobs."""

    def __init__(self, path: Path, jobs: Sequence[Job]) -> None:
        self.path = path
        self._cells: dict[Path, list[Pixels]] = {job.output: [] for job in jobs[:MOST_PAIRS]}

    def add(self, job: Job, sketch: Prepared, photo: Pixels) -> None:
        """Keep thumbnails of a sketch and its photo."""
        if job.output in self._cells:
            pair = (sketch.shown, photo)
            self._cells[job.output] = [images.fit(each, (CELL, CELL), Fit.PAD) for each in pair]

    def write(self, mark: str) -> Path | None:
        """Write the sheet and return its path, or None if there are no photos to show."""
        flat = [cell for pair in self._cells.values() for cell in pair]
        if not flat:
            return None
        row = 2 * PAIRS_A_ROW
        sheet = images.sheet([flat[i : i + row] for i in range(0, len(flat), row)])
        images.write(self.path, sheet, comment=mark)
        return self.path
