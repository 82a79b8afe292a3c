"""How close `preprocess` comes to a bare loop of decode and resize, on the same machine.

    python benchmarks/preprocess.py PHOTOS --count 5000 --scale 1

The bare loop decodes both pictures of every pair with OpenCV and reduces them, in as many
processes as `preprocess` uses, and does nothing else: no pairing, no audit, no file written. Both
run three times in turn; the medians and their ratio are printed. Pairs are made of the folder's
photographs, enlarged by `--scale`; a photograph in grey stands for its sketch.
"""

import argparse
import multiprocessing
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

SIZE = (128, 128)
ROUNDS = 3


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--scale", type=int, default=1)
    given = parser.parse_args()
    source, count, scale = given.photos, given.count, given.scale
    cores = multiprocessing.cpu_count()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        pairs = draw_pairs(source, root, count, scale)
        bare, ours = [], []
        for _ in range(ROUNDS):
            bare.append(seconds_of(lambda: bare_loop(pairs, cores)))
            shutil.rmtree(root / "out", ignore_errors=True)
            ours.append(seconds_of(lambda: preprocess(root)))
    loop, whole = statistics.median(bare), statistics.median(ours)
    print(f"{count} pairs of {source.name}, enlarged by {scale}, {cores} processes")
    print(f"bare loop   {loop:.1f} s ({count / loop:.0f} pairs/s)  {[f'{s:.1f}' for s in bare]}")
    print(f"preprocess  {whole:.1f} s ({count / whole:.0f} pairs/s)  {[f'{s:.1f}' for s in ours]}")
    print(f"ratio       {loop / whole:.2f}")


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


def bare_loop(pairs: list[tuple[str, str]], processes: int) -> None:
    """Decode and reduce every picture, nothing else."""
    with multiprocessing.get_context("spawn").Pool(processes, cv2.setNumThreads, (1,)) as pool:
        for _ in pool.imap(decode_and_resize, pairs, chunksize=32):
            pass


def decode_and_resize(pair: tuple[str, str]) -> None:
    """What no program can do without."""
    for file in pair:
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
        cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_AREA)


def preprocess(root: Path) -> None:
    """The whole command, in a process of its own."""
    command = [Path(sys.executable).parent / "sketch2img", "preprocess", root]
    size = f"{SIZE[1]}x{SIZE[0]}"
    subprocess.run(
        [*command, "--size", size, "--out", root / "out"], check=True, capture_output=True
    )


def seconds_of(work: Callable[[], None]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
