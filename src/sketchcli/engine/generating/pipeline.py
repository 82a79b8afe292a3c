"""Many sketches at a time: some are read and prepared, some drawn, some written, all at once.

Everything runs in threads: OpenCV, the networks and the disk work outside Python's lock. On a CPU
several batches are drawn at the same time, each by threads of its own, which wait for nobody: one
batch on all cores would wait at every layer for the core that has just read or written a picture.
No more than a few batches are in memory at any time.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import torch

from sketchcli.engine.generating.drawing import Artist
from sketchcli.engine.generating.outputs import Job
from sketchcli.engine.generating.preparing import Prepared, Preparer
from sketchcli.engine.generating.reading import failure, read
from sketchcli.engine.generating.writing import Writer
from sketchcli.engine.results import GeneratedFile
from sketchcli.images import Pixels

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


class Pipeline:
    """Turns jobs into files.

    Args:
        preparer: Makes sketches ready.
        artist: Draws them.
        writer: Writes photos.
    """

    def __init__(self, preparer: Preparer, artist: Artist, writer: Writer) -> None:
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
