"""The work folder, where pairs are made in chunks so that an interrupted `preprocess` can resume.

recipe.json      identifies the work, so that a different command does not resume it
`00012.pictures` the pixels of a chunk's pairs, sketch and photo in turn
00012.npy        the audit records of these pairs
00012.json       the outcome of each job; written last, so a chunk that has this file is done
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
from sketchcli.engine.preprocessing.pair_builder import Job, MadePair, PairBuilder, PairOptions
from sketchcli.errors import DataError
from sketchcli.images import Pixels
from sketchcli.machine import ProcessRank

CHUNK = 32  # pairs; each process loses at most this many if it is killed
IDENTITY = "recipe.json"
GO_ON = "free up disk space and run the same command again to resume, or delete this work folder"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job; the hashes are those of the stored pixels."""

    error: str = ""
    sketch_hash: str = ""
    photo_hash: str = ""
    pair_hash: str = ""
    unaligned: dict[str, str] = field(default_factory=dict)

    def matches(self, made: "Made") -> bool:
        """Return whether the pixels are those that were written."""
        found = prepared.picture_hash(made.sketch), prepared.picture_hash(made.photo)
        return found == (self.sketch_hash, self.photo_hash)


@dataclass(frozen=True)
class Made:
    """A pair, memory-mapped from a finished chunk."""

    sketch: Pixels
    photo: Pixels
    features: "np.ndarray[tuple[()], np.dtype[np.void]]"


@dataclass(frozen=True)
class ChunkStore:
    """The work folder, and all jobs to do in it."""

    folder: Path
    recipe: PairOptions
    jobs: tuple[Job, ...]

    @property
    def chunks(self) -> range:
        """The numbers of all chunks."""
        return range(-(-len(self.jobs) // CHUNK))

    @property
    def assembled(self) -> Path:
        """The folder in which the dataset is assembled."""
        return self.folder / "set"

    @cached_property
    def identity(self) -> str:
        """A hash of the recipe and of every file's name, size and modification time."""
        digest = hashlib.sha256(repr((__version__, CHUNK, self.recipe)).encode())
        for job in self.jobs:
            digest.update(repr((job, [_state(path) for path in job.files])).encode())
        return digest.hexdigest()

    def prepare(self, reporter: Reporter) -> None:
        """Keep the finished chunks of an earlier call; clear the folder if its work was different.

        Chunks that a power cut has damaged are made again.
        """
        identity = self.identity
        if not self.belongs_to(identity):
            if self.folder.exists():
                message = "starting over: the command or its images have changed since"
                reporter(Note(f"{message} {self.folder} was left unfinished"))
                with files.writing(self.folder, hint="delete the folder yourself"):
                    shutil.rmtree(self.folder)  # a remaining chunk would pass for one of this work
            files.write_json(self.folder / IDENTITY, {"identity": identity})
        for number in filter(self.is_done, self.chunks):
            if not self._is_whole(number):
                self._file(number, "json").unlink()
        if done := sum(map(self.is_done, self.chunks)):
            reporter(Note(f"resuming: {done} of {len(self.chunks)} chunks are already done"))

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
        """Return whether the folder was prepared for the work with this identity."""
        try:
            about = json.loads((self.folder / IDENTITY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(about == {"identity": identity})

    def is_done(self, number: int) -> bool:
        """Return whether a chunk is finished."""
        return self._file(number, "json").is_file()

    def jobs_of(self, number: int) -> tuple[Job, ...]:
        """Return the jobs of a chunk."""
        return self.jobs[number * CHUNK : (number + 1) * CHUNK]

    def outcomes(self, numbers: Iterable[int]) -> Iterator[tuple[Job, Outcome, Made | None]]:
        """Yield every job of some chunks with its outcome and, unless it failed, its pair.

        Only one chunk is open at a time.
        """
        for number in numbers:
            outcomes = self._outcomes_of(number)
            made = self._made(number, count=sum(not outcome.error for outcome in outcomes))
            for job, outcome in zip(self.jobs_of(number), outcomes, strict=True):
                yield job, outcome, None if outcome.error else next(made)

    def remove(self) -> None:
        """Remove the folder."""
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
                f"{path} is damaged ({error})", hint="run the same command again to repair it"
            ) from error
        for pair, about in zip(pixels, features, strict=True):
            sketch, photo = pair[:area], pair[area:]
            yield Made(sketch.reshape(height, width), photo.reshape(height, width, 3), about)

    def _file(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:05d}.{suffix}"


def _state(path: Path) -> tuple[int, int] | None:
    """Return a file's size and modification time; None if it no longer exists."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def make_chunk(folder: Path, recipe: PairOptions, number: int, jobs: Sequence[Job]) -> None:
    """Make the pairs of one chunk and write its three files."""
    builder = _builder(recipe)
    outcomes: list[Outcome] = []
    features = []
    stem = folder / f"{number:05d}"
    with files.writing(folder, hint=GO_ON), stem.with_suffix(".pictures").open("wb") as pictures:
        for job in jobs:
            try:
                pair = builder.make(job)
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
    """Write the outcomes whole or not at all; unsynced, since `prepare` finds damaged chunks."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps([vars(outcome) for outcome in outcomes]), encoding="ascii")
    part.replace(path)


@cache
def _builder(recipe: PairOptions) -> PairBuilder:
    """Return the one pair builder of this process; its face detector is slow to load."""
    return PairBuilder(recipe)


def _outcome(pair: MadePair) -> Outcome:
    sketch, photo = prepared.picture_hash(pair.sketch), prepared.picture_hash(pair.photo)
    return Outcome("", sketch, photo, prepared.pair_hash(sketch, photo), pair.unaligned)


# This section makes the chunks on all cores, and on all ranks if `torchrun` started several.

PATIENCE = 600.0  # seconds to wait without progress by another rank
WINDOWS_LIMIT = 61  # processes; Windows refuses to wait for more
AHEAD = 2  # chunks submitted per worker, so that none waits for its next one
ALONE = ProcessRank()


def available_cores() -> int:
    """Return how many cores this process may use if the ranks of the machine share them."""
    return max(1, machine.usable_cores() // max(1, machine.number("LOCAL_WORLD_SIZE", 1)))


def most_workers(system: str = sys.platform) -> int:
    """Return how many worker processes an operating system can wait for."""
    return WINDOWS_LIMIT if system == "win32" else 2**16


def made_chunks(
    store: ChunkStore, *, workers: int, reporter: Reporter, place: ProcessRank = ALONE
) -> Generator[int, None, None]:
    """Make the missing chunks; yield each chunk's number once it and all before it are finished.

    The consumer works on finished chunks while the next ones are being made. If there are several
    ranks, `place` is the main process, and the others make their own chunks with `make_share`.
    With one worker, no other process is started.
    """
    if place.count > 1:
        make_share(store, workers=workers, place=place)
        await_chunks(store, reporter=reporter)
    missing = _missing(store, ALONE)
    ready, total = set(store.chunks) - set(missing), len(store.jobs)
    with contextlib.closing(_made(store, missing, workers)) as made:
        for number in store.chunks:
            while number not in ready:
                ready.add(next(made))
                reporter(Advanced("pairs", min(len(ready) * CHUNK, total), total))
            yield number
        next(made, None)  # the pool's workers then end by themselves


def make_share(store: ChunkStore, *, workers: int, place: ProcessRank) -> int:
    """Make the missing chunks among those of one process; return how many they were."""
    missing = _missing(store, place)
    for _ in _made(store, missing, workers):
        pass
    return len(missing)


def share_of(store: ChunkStore, place: ProcessRank) -> range:
    """Return the chunks that one of several processes has to make."""
    return store.chunks[place.rank :: place.count]


def _missing(store: ChunkStore, place: ProcessRank) -> list[int]:
    return [number for number in share_of(store, place) if not store.is_done(number)]


def await_chunks(store: ChunkStore, *, reporter: Reporter) -> None:
    """Wait until all ranks have made their chunks; fail after PATIENCE seconds without progress."""
    done, last = -1, time.monotonic()
    while done < len(store.chunks):
        found = sum(map(store.is_done, store.chunks))
        if found > done:
            done, last = found, time.monotonic()
            total = len(store.jobs)
            reporter(Advanced("pairs", min(done * CHUNK, total), total))
        elif time.monotonic() - last > PATIENCE:
            raise DataError(
                f"{store.folder}: {len(store.chunks) - done} chunks were never made",
                hint="check whether a process failed, and run the same command again to resume",
            )
        else:
            time.sleep(0.1)


def await_store(store: ChunkStore, is_finished: Callable[[str], bool]) -> None:
    """Wait until the main process has prepared the folder, or has finished without this rank.

    `is_finished` returns whether the dataset with an identity has been written. The wait ends with
    a DataError after PATIENCE seconds.
    """
    identity, start = store.identity, time.monotonic()
    while not store.belongs_to(identity) and not is_finished(identity):
        if time.monotonic() - start > PATIENCE:
            raise DataError(f"{store.folder}: the main process never prepared this folder")
        time.sleep(0.1)


def _made(store: ChunkStore, numbers: Sequence[int], workers: int) -> Generator[int, None, None]:
    workers = min(workers, len(numbers), most_workers())
    if workers <= 1:
        for number in numbers:
            make_chunk(store.folder, store.recipe, number, store.jobs_of(number))
            yield number
        return
    with _pool(workers) as pool:
        queue, running = iter(numbers), dict[Future[None], int]()
        for number in queue:
            jobs = store.jobs_of(number)
            future = pool.submit(make_chunk, store.folder, store.recipe, number, jobs)
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
    # The workers are spawned, because OpenCV's threads do not survive a fork.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin, (os.getpid(),)
    )
    try:
        yield pool
    except (KeyboardInterrupt, GeneratorExit):  # nobody consumes any more chunks
        for worker in multiprocessing.active_children():  # a later call makes their chunks again
            worker.kill()
        raise
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process died, perhaps because the memory ran out",
            hint="run the same command again to resume; use fewer --workers to save memory",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Let a worker use one thread, ignore the terminal's Ctrl-C and end when its parent does."""
    images.use_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
