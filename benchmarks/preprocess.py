"""How close `preprocess` comes to a bare loop of decode and resize, on the same machine.

    python benchmarks/preprocess.py PHOTOS --count 5000 --scale 1

The bare loop decodes both pictures of every pair with OpenCV and reduces them, in as many
processes as `preprocess` uses, and does nothing else: no pairing, no audit, no file written. It
runs in two kinds: sketches decoded in colour, as a plain `cv2.imread` does, and in grey, as they
are stored. All three take turns, three times; the medians and their ratios are printed, by the
clock and by processor time, which says more where other programs run beside. Pairs are made of
the folder's photographs, enlarged by `--scale`; a photograph in grey stands for its sketch.
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

from sketchcli.engine.preprocessing.chunks import available_cores

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
    cores = available_cores()
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
        speed = f"{clock:6.1f} s ({count / clock:5.0f} pairs/s), processors {processor:6.1f} s"
        ratios = f"ratio {clock / ours[0]:.2f}, by processor time {processor / ours[1]:.2f}"
        print(f"{kind:28s} {speed}   {ratios}")


def draw_pairs(source: Path, root: Path, count: int, scale: int) -> list[tuple[str, str]]:
    """Copies of the photos and their grey versions, each marked, so that no two are the same."""
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
    """Decode and reduce every picture, nothing else."""
    work = functools.partial(decode_and_resize, sketch_mode)
    pool = multiprocessing.get_context("spawn").Pool(processes, cv2.setNumThreads, (1,))
    with pool:
        for _ in pool.imap(work, pairs, chunksize=32):
            pass
        pool.close()
        pool.join()  # or else its processor time is not counted


def decode_and_resize(sketch_mode: int, pair: tuple[str, str]) -> None:
    """What no program can do without."""
    for file, mode in zip(pair, (sketch_mode, cv2.IMREAD_COLOR), strict=True):
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), mode)
        cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_AREA)


def preprocess(root: Path) -> None:
    """The whole command, in a process of its own."""
    shutil.rmtree(root / "out", ignore_errors=True)
    command = [Path(sys.executable).parent / "sketch2img", "preprocess", root]
    size = f"{SIZE[1]}x{SIZE[0]}"
    subprocess.run(
        [*command, "--size", size, "--out", root / "out"], check=True, capture_output=True
    )


def cost_of(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds that something takes: by the clock, and of processor time in all its processes."""
    start, used = time.perf_counter(), processor_seconds()
    work()
    return time.perf_counter() - start, processor_seconds() - used


def processor_seconds() -> float:
    """What this process and those that it has waited for have used."""
    about = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in about)


def median_cost(costs: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians by the clock and of processor time."""
    clock, processor = zip(*costs, strict=True)
    return statistics.median(clock), statistics.median(processor)


if __name__ == "__main__":
    main()
