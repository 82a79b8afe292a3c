"""Compare `preprocess` with a bare loop of decoding and resizing, on the same machine.

    python benchmarks/preprocess.py PHOTOS --count 5000 --scale 1

The bare loop only decodes both images of every pair with OpenCV and reduces them, in as many
processes as `preprocess` uses. It decodes sketches either in colour, as a plain `cv2.imread` does,
or in grey, as they are stored. All three take turns, three times. The medians and ratios of elapsed
time and of CPU time are printed; CPU time is more reliable if other programs are running. Pairs are
the folder's photos, enlarged by `--scale`, and their grey copies as sketches.
"""

import argparse
import functools
import multiprocessing
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from sketchcli.machine import usable_cores

SIZE = (128, 128)
ROUNDS = 3
BARE = {
    "bare loop, in colour": cv2.IMREAD_COLOR,
    "bare loop, sketches in grey": cv2.IMREAD_GRAYSCALE,
}


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--scale", type=int, default=1)
    given = parser.parse_args()
    source, count, scale = given.photos, given.count, given.scale
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        pairs = draw_pairs(source, root, count, scale)
        works: dict[str, Callable[[], None]] = {"preprocess": lambda: preprocess(root)}
        for kind, mode in BARE.items():
            works[kind] = functools.partial(bare_loop, pairs, cores, mode)
        rounds = [{kind: cost_of(work) for kind, work in works.items()} for _ in range(ROUNDS)]
    print(f"{count} pairs of {source.name}, enlarged by {scale}, {cores} processes")
    ours = median_cost([costs["preprocess"] for costs in rounds])
    for kind in works:
        clock, processor = median_cost([costs[kind] for costs in rounds])
        speed = f"{clock:6.1f} s ({count / clock:5.0f} pairs/s), CPU time {processor:6.1f} s"
        ratios = f"ratio {clock / ours[0]:.2f}, by CPU time {processor / ours[1]:.2f}"
        print(f"{kind:28s} {speed}   {ratios}")


def draw_pairs(source: Path, root: Path, count: int, scale: int) -> list[tuple[str, str]]:
    """Write copies of the photos and their grey versions, each marked so that all are different."""
    photos = sorted(source.glob("*.jpg"))
    for kind in ("sketches", "photos"):
        (root / kind).mkdir()
    pairs = []
    for index in range(count):
        pixels = cv2.imread(str(photos[index % len(photos)]))
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale)
        mark = np.random.default_rng(index).integers(0, 256, (8, 8, 3), np.uint8)
        pixels[:64, :64] = cv2.resize(mark, (64, 64), interpolation=cv2.INTER_NEAREST)
        sketch, photo = (str(root / kind / f"{index:06d}.jpg") for kind in ("sketches", "photos"))
        cv2.imwrite(photo, pixels)
        cv2.imwrite(sketch, cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
        pairs.append((sketch, photo))
    return pairs


def bare_loop(pairs: list[tuple[str, str]], processes: int, sketch_mode: int) -> None:
    """Decode and reduce every image."""
    work = functools.partial(decode_and_resize, sketch_mode)
    pool = multiprocessing.get_context("spawn").Pool(processes, cv2.setNumThreads, (1,))
    with pool:
        for _ in pool.imap(work, pairs, chunksize=32):
            pass
        pool.close()
        pool.join()  # otherwise its CPU time is not counted


def decode_and_resize(sketch_mode: int, pair: tuple[str, str]) -> None:
    """Do the work that no program can avoid."""
    for file, mode in zip(pair, (sketch_mode, cv2.IMREAD_COLOR), strict=True):
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), mode)
        cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_AREA)


def preprocess(root: Path) -> None:
    """Run the whole command in a process of its own."""
    shutil.rmtree(root / "out", ignore_errors=True)
    command = [Path(sys.executable).parent / "sketch2img", "preprocess", root]
    size = f"{SIZE[1]}x{SIZE[0]}"
    subprocess.run(
        [*command, "--size", size, "--out", root / "out"], check=True, capture_output=True
    )


def cost_of(work: Callable[[], None]) -> tuple[float, float]:
    """Return the elapsed and the CPU time, in seconds, of a function and its processes."""
    start, used = time.perf_counter(), processor_seconds()
    work()
    return time.perf_counter() - start, processor_seconds() - used


def processor_seconds() -> float:
    """Return the CPU time of this process and those that have ended, in seconds."""
    about = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in about)


def median_cost(costs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median elapsed time and the median CPU time."""
    clock, processor = zip(*costs, strict=True)
    return statistics.median(clock), statistics.median(processor)


if __name__ == "__main__":
    main()
