"""Many sketches at a time: some are read and prepared, some drawn, some written, all at once.

Reading and writing run in threads: OpenCV and the disk work outside Python's lock. The networks run
in the caller's thread. No more than a few batches are in memory at any time.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sketchcli.engine.generating.drawing import Artist
from sketchcli.engine.generating.outputs import Job
from sketchcli.engine.generating.preparing import Prepared, Preparer
from sketchcli.engine.generating.reading import failure, read
from sketchcli.engine.generating.writing import Writer
from sketchcli.engine.results import GeneratedFile
from sketchcli.images import Pixels

READERS, WRITERS = 2, 2  # threads; a picture is read in a tenth of the time that it is drawn in
BATCHES_AHEAD = 3  # that are read before they are drawn, and drawn before they are written
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


class Pipeline:
    """Turns jobs into files.

    Args:
        preparer: Makes sketches ready.
        artist: Draws them.
        writer: Writes photos.
    """

    def __init__(self, preparer: Preparer, artist: Artist, writer: Writer) -> None:
        self.preparer, self.artist, self.writer = preparer, artist, writer
        self.limit = BATCHES_AHEAD * artist.batch
        self._writing: deque[Future[GeneratedFile]] = deque()

    def run(self, jobs: Iterable[Job]) -> Generator[GeneratedFile]:
        """Convert all, and tell of each file when it is written, or why it is not.

        Ctrl-C ends it: what is being written is finished, nothing else is begun.
        """
        writing = self._writing
        with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(READERS) as readers:
            try:
                for batch in self._batches(self._prepared(readers, jobs)):
                    writing.extend(self._drawn(batch, writers))
                    while writing and (writing[0].done() or len(writing) > self.limit):
                        yield self._landed()
                while writing:
                    yield self._landed()
            finally:
                for pool in (readers, writers):
                    pool.shutdown(wait=False, cancel_futures=True)

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

    def _drawn(
        self, batch: Sequence[Ready], writers: ThreadPoolExecutor
    ) -> Iterator[Future[GeneratedFile]]:
        """A batch through the networks, and on to the writers."""
        sketches = [one.sketch for one in batch if one.sketch is not None]
        if not sketches:
            yield from (writers.submit(failed, one) for one in batch)
            return
        started = time.perf_counter()
        try:
            photos = self.artist.draw(sketches, batch[0].job.variation)
        except Exception as error:  # noqa: BLE001 - out of memory, most likely
            if len(batch) > 1:  # one by one, so that the others are not lost
                for one in batch:
                    yield from self._drawn([one], writers)
                return
            reason = failure(batch[0].job.source, error)
            yield writers.submit(failed, Ready(batch[0].job, _since(started), error=reason))
            return
        share = _since(started) / len(batch)
        for one, sketch, parts in zip(batch, sketches, photos, strict=True):
            yield writers.submit(self._write, one, sketch, parts, one.milliseconds + share)

    def _write(
        self, one: Ready, sketch: Prepared, parts: Sequence[Pixels], spent: float
    ) -> GeneratedFile:
        started = time.perf_counter()
        try:
            self.writer.write(one.job, sketch, self.artist.finish(sketch, parts))
        except Exception as error:  # noqa: BLE001 - one bad file never stops a batch
            reason = failure(one.job.source, error)
            return failed(Ready(one.job, spent + _since(started), error=reason))
        return GeneratedFile(
            source=one.job.source,
            output=one.job.output,
            milliseconds=round(spent + _since(started), 1),
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
