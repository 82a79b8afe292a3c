"""The work folder, where pairs are made in chunks so that an interrupted `preprocess` can resume.

HASH.work        identifies the work by its name, so that a different command does not resume it
`00012.pictures` the pixels of a chunk's pairs, sketch and photo in turn
00012.npy        the audit records of these pairs
00012.json       the outcome of each job and the sums of the images' colour statistics; written
                 last, so a chunk that has this file is done
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli import __version__, files, images, interruption
from sketchcli.data import colour
from sketchcli.data.audit.records import FEATURES
from sketchcli.engine.events import Advanced, Note, Reporter
from sketchcli.engine.preprocessing.pair_builder import Job, MadePair, PairBuilder, PairOptions
from sketchcli.errors import DataError

CHUNK = 32  # pairs; each process loses at most this many if it is killed
GO_ON = "free up disk space and run the same command again to resume, or delete this work folder"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job; the hashes are those of the stored pixels."""

    error: str = ""
    sketch_hash: str = ""
    photo_hash: str = ""
    unaligned: dict[str, str] = field(default_factory=dict)
    channels: Sequence[int] = (1, 3)  # of sketch and photo


@dataclass(frozen=True)
class ChunkStore:
    """The work folder, and all jobs to do in it."""

    folder: Path
    options: PairOptions
    jobs: tuple[Job, ...]

    @property
    def chunks(self) -> range:
        """The numbers of all chunks."""
        return range(-(-len(self.jobs) // CHUNK))

    @property
    def assembled(self) -> Path:
        """The folder in which the dataset is assembled."""
        return self.folder / "set"

    def prepare(self, reporter: Reporter) -> None:
        """Keep the finished chunks of an earlier call; clear the folder if its work was different.

        Chunks that a power cut has damaged are made again.
        """
        mark = self.folder / f"{self._identity()}.work"
        if not mark.exists():
            if self.folder.exists():
                message = "starting over: the command or its images have changed since"
                reporter(Note(f"{message} {self.folder} was left unfinished"))
                with files.writing(self.folder, hint="delete the folder yourself"):
                    shutil.rmtree(self.folder)  # a remaining chunk would pass for one of this work
            files.write_text(mark, "")
        for number in filter(self.is_done, self.chunks):
            is_whole = False
            with contextlib.suppress(EOFError, OSError, ValueError, TypeError, LookupError):
                is_whole = all(
                    pair is None or pair.hashes == (outcome.sketch_hash, outcome.photo_hash)
                    for _, outcome, pair in self.read(number)
                )
            if not is_whole:
                self._file(number, "json").unlink()
        if done := sum(map(self.is_done, self.chunks)):
            reporter(Note(f"resuming: {done} of {len(self.chunks)} chunks are already done"))

    def is_done(self, number: int) -> bool:
        """Return whether a chunk is finished."""
        return self._file(number, "json").is_file()

    def jobs_of(self, number: int) -> tuple[Job, ...]:
        """Return the jobs of a chunk."""
        return self.jobs[number * CHUNK : (number + 1) * CHUNK]

    def read(self, number: int) -> list[tuple[Job, Outcome, MadePair | None]]:
        """Return every job of a finished chunk with its outcome and, unless it failed, its pair."""
        outcomes = [Outcome(**outcome) for outcome in self._about(number)["outcomes"]]
        pairs = iter(self._pairs(number, [o.channels for o in outcomes if not o.error]))
        return [
            (job, outcome, None if outcome.error else next(pairs))
            for job, outcome in zip(self.jobs_of(number), outcomes, strict=True)
        ]

    def colours(self, number: int) -> NDArray[np.float64]:
        """Return the sums of a finished chunk's colour statistics, (2, colour.LENGTH)."""
        return np.array(self._about(number)["colours"])

    def _about(self, number: int) -> dict[str, Any]:
        about: dict[str, Any] = json.loads(self._file(number, "json").read_text(encoding="utf-8"))
        return about

    def _identity(self) -> str:
        """Return a hash of the options and of every file's name, size and modification time."""
        digest = hashlib.sha256(repr((__version__, CHUNK, self.options)).encode())
        for job in self.jobs:
            digest.update(repr((job, [_state(path) for path in job.files])).encode())
        return digest.hexdigest()

    def _pairs(self, number: int, channels: Sequence[Sequence[int]]) -> list[MadePair]:
        """Map the pairs of a chunk, whose sketches and photos have these channels."""
        if not channels:
            return []
        height, width = self.options.size
        flat = [each for pair in channels for each in pair]
        shape = (height * width * sum(flat),)
        pixels = np.memmap(self._file(number, "pictures"), np.uint8, "r", shape=shape)
        features = np.load(self._file(number, "npy"), mmap_mode="r")
        parts = np.split(pixels, height * width * np.cumsum(flat[:-1]))
        pictures = (
            part.reshape((height, width) if each == 1 else (height, width, each))
            for part, each in zip(parts, flat, strict=True)
        )
        pairs = zip(pictures, pictures, strict=True)
        return [MadePair(*pair, about) for pair, about in zip(pairs, features, strict=True)]

    def _file(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:05d}.{suffix}"


def _state(path: Path) -> tuple[int, int] | None:
    """Return a file's size and modification time; None if it no longer exists."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def make_chunk(folder: Path, options: PairOptions, number: int, jobs: Sequence[Job]) -> None:
    """Make the pairs of one chunk and write its three files."""
    builder, outcomes, features = _builder(options), [], []
    colours = np.zeros((2, colour.LENGTH))
    stem = folder / f"{number:05d}"
    with files.writing(folder, hint=GO_ON), stem.with_suffix(".pictures").open("wb") as pictures:
        for job in jobs:
            try:
                pair = builder.make(job)
            except DataError as error:
                outcomes.append(Outcome(error.message))
                continue
            except MemoryError:
                names = " and ".join(map(str, job.files))
                outcomes.append(Outcome(f"{names}: this machine has too little memory"))
                continue
            both, channels = (pair.sketch, pair.photo), []
            for side, pixels in enumerate(both):
                pictures.write(np.ascontiguousarray(pixels).data)
                channels.append(1 if pixels.ndim == 2 else 3)
                if options.channels[side] is None:
                    colours[side] += colour.measure(pixels)
            features.append(pair.features)
            outcomes.append(Outcome("", *pair.hashes, pair.unaligned, channels))
        np.save(stem.with_suffix(".npy"), np.array(features, FEATURES))
        part = stem.with_suffix(".part")  # unsynced, since `prepare` finds damaged chunks
        about = {"outcomes": [vars(outcome) for outcome in outcomes], "colours": colours.tolist()}
        part.write_text(json.dumps(about), encoding="ascii")
        part.replace(stem.with_suffix(".json"))


_builder = cache(PairBuilder)  # one for each process, as its face detector is slow to load


# This section makes the chunks on all cores.

MOST_WORKERS = 61 if sys.platform == "win32" else 2**16  # processes that the system can wait for


def made_chunks(
    store: ChunkStore, *, workers: int, reporter: Reporter
) -> Generator[int, None, None]:
    """Make the missing chunks; yield each chunk's number once it and all before it are finished.

    The consumer works on finished chunks while the next ones are being made. With one worker, no
    other process is started.
    """
    ready = set(filter(store.is_done, store.chunks))
    missing = [number for number in store.chunks if number not in ready]
    done, total = len(ready), len(store.jobs)
    jobs = [store.jobs_of(number) for number in missing]
    arguments = repeat(store.folder), repeat(store.options), missing, jobs
    workers = min(workers, len(missing), MOST_WORKERS)
    with contextlib.ExitStack() as stack:
        with _shielded():
            make = stack.enter_context(_pool(workers)).map if workers > 1 else map
        with _shielded():  # again, as Python's resource tracker has ended the first shield
            made = iter(make(make_chunk, *arguments))
        for number in store.chunks:
            if number not in ready:
                next(made)
                done += 1
                reporter(Advanced("pairs", min(done * CHUNK, total), total))
            yield number
        next(made, None)  # the pool's workers then end by themselves


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
        interruption.check()  # the signal may have come to the workers, too
        raise DataError(
            "a worker process died, perhaps because the memory ran out",
            hint="run the same command again to resume; use fewer --workers to save memory",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _shielded() -> Iterator[None]:
    """Let processes that start in the block never get the terminal's signals; this one ends them.

    Nor do they warn about what a process that was killed has left: they remove it.
    """
    quiet = "ignore::UserWarning:multiprocessing.resource_tracker"
    if quiet not in sys.warnoptions:
        sys.warnoptions.append(quiet)
    if sys.platform == "win32":  # it has no signal masks
        yield
        return
    ours = set(interruption.SIGNALS) - {signal.SIGTERM}  # which ends the workers of a broken pool
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """Let a worker use one thread and end when its parent does."""
    images.use_one_thread()
    interruption.end_with(parent)
