"""Print how much memory `generate` takes for folders of more and more sketches.

    python benchmarks/memory.py --counts 100 1000 10000

The script saves an untrained 32 px model, which is fast, and a few sketches, to which every folder
has as many hard links as requested. It converts each folder in a process of its own and prints its
peak resident memory, which only Linux reports. It takes three minutes on two cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.assets.demo import draw_pair
from sketchcli.config import ModelConfig, TrainConfig
from sketchcli.models.building import build_generator

SIZE, DRAWN = 32, 16  # side of the images, pixels; number of different sketches
SMALL = {"width": 4, "blocks": 1}
PEAK = r"""
import re, sys
from pathlib import Path
from sketchcli.cli.main import main

code = main(sys.argv[1:])
print(code, re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


def main() -> None:
    """Print one line per folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("options", nargs="*", help="more options of `generate`: -- --jsonl")
    given = parser.parse_args()
    print("| sketches | peak of memory, MB | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        weights = save_model(root / "small.safetensors")
        for count in given.counts:
            sketches = fill(root / f"in-{count}", count)
            started = time.perf_counter()
            peak = peak_of(sketches, root / f"out-{count}", weights, given.options)
            print(f"| {count:,} | {peak / 1024:.0f} | {time.perf_counter() - started:.1f} |")


def save_model(path: Path) -> Path:
    """Save a small generator with random weights."""
    model = ModelConfig(generator="resunet", generator_options=SMALL)
    about = {
        "config": settings.to_dict(TrainConfig(model=model)),
        "size": (SIZE, SIZE),
        "fit": "stretch",
        "dataset": {"name": "nothing", "fingerprint": "0" * 64, "licence": "MIT"},
    }
    checkpoint.save(path, build_generator(model).state_dict(), about)
    return path


def fill(folder: Path, count: int) -> Path:
    """Fill a folder with `count` sketches: a few, under many names."""
    for index in range(min(DRAWN, count)):
        images.write(folder / f"{index:06d}.png", draw_pair(index, size=64)[0])
    for index in range(DRAWN, count):
        os.link(folder / f"{index % DRAWN:06d}.png", folder / f"{index:06d}.png")
    return folder


def peak_of(sketches: Path, photos: Path, weights: Path, options: list[str]) -> int:
    """Return the program's peak resident memory in kilobytes; exit if it fails."""
    command = ["generate", sketches, photos, "--model", weights, "--precision", "fp32", *options]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, command)],
        capture_output=True,
        text=True,
        check=True,
    )
    code, kilobytes = map(int, done.stdout.split()[-2:])
    if code or len(list(photos.iterdir())) != len(list(sketches.iterdir())):
        sys.exit(done.stderr)
    return kilobytes


if __name__ == "__main__":
    main()
