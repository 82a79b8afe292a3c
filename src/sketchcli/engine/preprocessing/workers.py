"""Make the chunks of a workshop on all cores, and on all ranks where `torchrun` started several."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from sketchcli import images, machine
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.preprocessing.workshop import CHUNK, Workshop, make_chunk
from sketchcli.errors import DataError
from sketchcli.machine import Place

PATIENCE = 600.0  # seconds without news from another rank
WINDOWS_LIMIT = 61  # processes; a wait for more is refused there
AHEAD = 2  # chunks handed to each worker before the first comes back
ALONE = Place()


def available_cores() -> int:
    """Cores that this process may use, shared with the other ranks of the machine."""
    return max(1, machine.usable_cores() // max(1, machine.number("LOCAL_WORLD_SIZE", 1)))


def most_workers(system: str = sys.platform) -> int:
    """How many processes a system lets one wait for."""
    return WINDOWS_LIMIT if system == "win32" else 2**16


def made_chunks(
    workshop: Workshop, *, workers: int, reporter: Reporter, place: Place = ALONE
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


def make_share(workshop: Workshop, *, workers: int, place: Place) -> int:
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


def share_of(workshop: Workshop, place: Place) -> range:
    """The chunks that fall to one of several processes."""
    return workshop.chunks[place.rank :: place.count]


def _missing(workshop: Workshop, place: Place) -> list[int]:
    return [number for number in share_of(workshop, place) if not workshop.is_done(number)]


def await_chunks(workshop: Workshop, *, reporter: Reporter) -> None:
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


def await_workshop(workshop: Workshop, is_finished: Callable[[str], bool]) -> None:
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


def _made(workshop: Workshop, numbers: Sequence[int], workers: int) -> Generator[int, None, None]:
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
