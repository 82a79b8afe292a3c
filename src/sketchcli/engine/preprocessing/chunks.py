"""The folder where pairs are made, chunk by chunk, so that a killed `preprocess` can go on.

recipe.json      what is being made: another command does not take up this one's work
00012.pictures   the pixels of a chunk's pairs, sketch and photo in turn
00012.npy        what the audit needs to know of them
00012.json       what became of each job; written last: a chunk that has it is done
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from sketchcli import __version__, files, images, machine
from sketchcli.data import prepared
from sketchcli.data.audit.records import FEATURES
from sketchcli.engine.events import Advanced, Note, Reporter
from sketchcli.engine.preprocessing.pair_builder import Job, MadePair, PairMaker, PairOptions
from sketchcli.errors import DataError
from sketchcli.images import Pixels
from sketchcli.machine import ProcessRank

CHUNK = 32  # pairs; the most that a kill can cost each process
IDENTITY = "recipe.json"
GO_ON = "make room: the same command then goes on; or delete this folder, which is for going on"


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    error: str = ""
    sketch_hash: str = ""  # of the pixels as stored
    photo_hash: str = ""
    pair_hash: str = ""
    unaligned: dict[str, str] = field(default_factory=dict)

    def matches(self, made: "Made") -> bool:
        """Whether the pixels are those that were written."""
        found = prepared.picture_hash(made.sketch), prepared.picture_hash(made.photo)
        return found == (self.sketch_hash, self.photo_hash)


@dataclass(frozen=True)
class Made:
    """A made pair, mapped from a chunk."""

    sketch: Pixels
    photo: Pixels
    features: "np.ndarray[tuple[()], np.dtype[np.void]]"


@dataclass(frozen=True)
class ChunkStore:
    """The folder, and all that is to be made in it."""

    folder: Path
    recipe: PairOptions
    jobs: tuple[Job, ...]

    @property
    def chunks(self) -> range:
        """Numbers of all chunks."""
        return range(-(-len(self.jobs) // CHUNK))

    @property
    def assembled(self) -> Path:
        """Where the set is put together."""
        return self.folder / "set"

    @cached_property
    def identity(self) -> str:
        """A hash of the recipe and of every file's name, size and time."""
        digest = hashlib.sha256(repr((__version__, CHUNK, self.recipe)).encode())
        for job in self.jobs:
            digest.update(repr((job, [_state(path) for path in job.files])).encode())
        return digest.hexdigest()

    def prepare(self, reporter: Reporter) -> None:
        """Take up the work that an earlier call left, or clear it away if it was other work.

        A chunk that a power cut damaged is made again.

        Raises:
            DataError: The folder cannot be written.
        """
        identity = self.identity
        if not self.belongs_to(identity):
            if self.folder.exists():
                message = "begun anew: the command or its pictures have changed since"
                reporter(Note(f"{message} {self.folder} was left unfinished"))
                with files.writing(self.folder, hint="delete it yourself"):
                    shutil.rmtree(self.folder)  # a chunk that stays would be taken for this work's
            files.write_json(self.folder / IDENTITY, {"identity": identity})
        for number in filter(self.is_done, self.chunks):
            if not self._is_whole(number):
                self._file(number, "json").unlink()
        if done := sum(map(self.is_done, self.chunks)):
            reporter(Note(f"going on: {done} of {len(self.chunks)} chunks are made"))

    def _is_whole(self, number: int) -> bool:
        try:
            outcomes = self._outcomes_of(number)
            made = self._made(number, count=sum(not outcome.error for outcome in outcomes))
            return all(
                outcome.error or outcome.matches(next(made)) for outcome in outcomes
            ) and len(outcomes) == len(self.jobs_of(number))
        except (DataError, OSError, ValueError, TypeError, StopIteration):
            return False

    def belongs_to(self, identity: str) -> bool:
        """Whether the folder is prepared for this work."""
        try:
            about = json.loads((self.folder / IDENTITY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(about == {"identity": identity})

    def is_done(self, number: int) -> bool:
        """Whether a chunk is made."""
        return self._file(number, "json").is_file()

    def jobs_of(self, number: int) -> tuple[Job, ...]:
        """The jobs of a chunk."""
        return self.jobs[number * CHUNK : (number + 1) * CHUNK]

    def outcomes(self, numbers: Iterable[int]) -> Iterator[tuple[Job, Outcome, Made | None]]:
        """Every job of some chunks, with what became of it; only one chunk is open at a time.

        Raises:
            DataError: A chunk is damaged.
        """
        for number in numbers:
            outcomes = self._outcomes_of(number)
            made = self._made(number, count=sum(not outcome.error for outcome in outcomes))
            for job, outcome in zip(self.jobs_of(number), outcomes, strict=True):
                yield job, outcome, None if outcome.error else next(made)

    def remove(self) -> None:
        """Clear the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _outcomes_of(self, number: int) -> list[Outcome]:
        found = json.loads(self._file(number, "json").read_text(encoding="utf-8"))
        return [Outcome(**outcome) for outcome in found]

    def _made(self, number: int, *, count: int) -> Iterator[Made]:
        if not count:
            return
        height, width = self.recipe.size
        area = height * width
        path = self._file(number, "pictures")
        try:
            pixels = np.memmap(path, np.uint8, "r", shape=(count, 4 * area))
            features = np.load(self._file(number, "npy"), mmap_mode="r")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: damaged ({error})", hint="the same command mends it"
            ) from error
        for pair, about in zip(pixels, features, strict=True):
            sketch, photo = pair[:area], pair[area:]
            yield Made(sketch.reshape(height, width), photo.reshape(height, width, 3), about)

    def _file(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:05d}.{suffix}"


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none any more."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def make_chunk(folder: Path, recipe: PairOptions, number: int, jobs: Sequence[Job]) -> None:
    """Make the pairs of one chunk and write them down.

    Raises:
        DataError: The folder cannot be written.
    """
    maker = _maker(recipe)
    outcomes: list[Outcome] = []
    features = []
    stem = folder / f"{number:05d}"
    with files.writing(folder, hint=GO_ON), stem.with_suffix(".pictures").open("wb") as pictures:
        for job in jobs:
            try:
                pair = maker.make(job)
            except DataError as error:
                outcomes.append(Outcome(error.message))
                continue
            pictures.write(np.ascontiguousarray(pair.sketch).data)
            pictures.write(np.ascontiguousarray(pair.photo).data)
            features.append(pair.features)
            outcomes.append(_outcome(pair))
        np.save(stem.with_suffix(".npy"), np.array(features, FEATURES))
        _write_down(stem.with_suffix(".json"), outcomes)


def _write_down(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Whole or not at all; unsynced, for what a power cut spoils is found by `prepare`."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps([vars(outcome) for outcome in outcomes]), encoding="ascii")
    part.replace(path)


@cache
def _maker(recipe: PairOptions) -> PairMaker:
    """One for each process: a face detector is slow to load."""
    return PairMaker(recipe)


def _outcome(pair: MadePair) -> Outcome:
    sketch, photo = prepared.picture_hash(pair.sketch), prepared.picture_hash(pair.photo)
    return Outcome("", sketch, photo, prepared.pair_hash(sketch, photo), pair.unaligned)


# Make the chunks of a workshop on all cores, and on all ranks where `torchrun` started several.

PATIENCE = 600.0  # seconds without news from another rank
WINDOWS_LIMIT = 61  # processes; a wait for more is refused there
AHEAD = 2  # chunks handed to each worker before the first comes back
ALONE = ProcessRank()


def available_cores() -> int:
    """Cores that this process may use, shared with the other ranks of the machine."""
    return max(1, machine.usable_cores() // max(1, machine.number("LOCAL_WORLD_SIZE", 1)))


def most_workers(system: str = sys.platform) -> int:
    """How many processes a system lets one wait for."""
    return WINDOWS_LIMIT if system == "win32" else 2**16


def made_chunks(
    workshop: ChunkStore, *, workers: int, reporter: Reporter, place: ProcessRank = ALONE
) -> Generator[int, None, None]:
    """Make the chunks that are not made yet; each one's number when it and all before it are made.

    Whoever takes the numbers works on those while the next are being made. Of several ranks, the
    others make their share.

    Args:
        workshop: What is to be made.
        workers: Processes; with one, no other process is started.
        reporter: Told how many pairs of all are made.
        place: The first process of several, or the only one.

    Raises:
        DataError: The disk cannot be written, a worker died, or a rank did not make its share.
    """
    if place.count > 1:
        make_share(workshop, workers=workers, place=place)
        await_chunks(workshop, reporter=reporter)
    missing = _missing(workshop, ALONE)
    ready, total = set(workshop.chunks) - set(missing), len(workshop.jobs)
    with contextlib.closing(_made(workshop, missing, workers)) as made:
        for number in workshop.chunks:
            while number not in ready:
                ready.add(next(made))
                reporter(Advanced("pairs", min(len(ready) * CHUNK, total), total))
            yield number
        next(made, None)  # its workers end by themselves


def make_share(workshop: ChunkStore, *, workers: int, place: ProcessRank) -> int:
    """Make the chunks that are not made yet and fall to one of several processes.

    Returns:
        How many they were.

    Raises:
        DataError: The disk cannot be written, or a worker died.
    """
    missing = _missing(workshop, place)
    for _ in _made(workshop, missing, workers):
        pass
    return len(missing)


def share_of(workshop: ChunkStore, place: ProcessRank) -> range:
    """The chunks that fall to one of several processes."""
    return workshop.chunks[place.rank :: place.count]


def _missing(workshop: ChunkStore, place: ProcessRank) -> list[int]:
    return [number for number in share_of(workshop, place) if not workshop.is_done(number)]


def await_chunks(workshop: ChunkStore, *, reporter: Reporter) -> None:
    """Wait until all ranks have made their chunks.

    Raises:
        DataError: None came for a long time.
    """
    done, last = -1, time.monotonic()
    while done < len(workshop.chunks):
        found = sum(map(workshop.is_done, workshop.chunks))
        if found > done:
            done, last = found, time.monotonic()
            total = len(workshop.jobs)
            reporter(Advanced("pairs", min(done * CHUNK, total), total))
        elif time.monotonic() - last > PATIENCE:
            raise DataError(
                f"{workshop.folder}: {len(workshop.chunks) - done} chunks never came",
                hint="did a rank fail? the same command goes on from here",
            )
        else:
            time.sleep(0.1)


def await_workshop(workshop: ChunkStore, is_finished: Callable[[str], bool]) -> None:
    """Wait until the first rank has made the folder ready, or has finished without this rank.

    Args:
        workshop: What is to be made.
        is_finished: Whether the set of a workshop's identity is there.

    Raises:
        DataError: Neither came.
    """
    identity, start = workshop.identity, time.monotonic()
    while not workshop.belongs_to(identity) and not is_finished(identity):
        if time.monotonic() - start > PATIENCE:
            raise DataError(f"{workshop.folder}: the first rank never began it")
        time.sleep(0.1)


def _made(workshop: ChunkStore, numbers: Sequence[int], workers: int) -> Generator[int, None, None]:
    """Make chunks; the number of each when it is done."""
    workers = min(workers, len(numbers), most_workers())
    if workers <= 1:
        for number in numbers:
            make_chunk(workshop.folder, workshop.recipe, number, workshop.jobs_of(number))
            yield number
        return
    with _pool(workers) as pool:
        queue, running = iter(numbers), dict[Future[None], int]()
        for number in queue:
            jobs = workshop.jobs_of(number)
            future = pool.submit(make_chunk, workshop.folder, workshop.recipe, number, jobs)
            running[future] = number
            if len(running) >= AHEAD * workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)


def _finished(running: dict[Future[None], int]) -> Iterator[int]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        number = running.pop(future)
        future.result()
        yield number


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: OpenCV's threads do not survive a fork.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin, (os.getpid(),)
    )
    try:
        yield pool
    except (KeyboardInterrupt, GeneratorExit):  # nobody waits for more
        for worker in multiprocessing.active_children():  # their chunks are made again
            worker.kill()
        raise
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process died, perhaps for want of memory",
            hint="the same command goes on; with fewer --workers it needs less memory",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Prepare a worker: one thread, deaf to the terminal's Ctrl-C, never an orphan."""
    images.use_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
