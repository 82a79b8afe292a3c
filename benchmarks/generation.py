"""Compare the speed of `generate` with that of the bare network, on the same machine, in one run.

    python benchmarks/generation.py --count 1000 --rounds 3 --model RUN

`--count` sketches are converted in turn, `--rounds` times, by: `generate` on their folder (reading,
network, writing); the bare network on a tensor in memory, in the same batches and precision; a
plain loop, one sketch at a time in fp32, with OpenCV; and ONNX Runtime, if it is installed, on the
same tensor. The last two are slow and convert a quarter of the sketches. The script prints medians,
the ratio of `generate` to the bare network, and the elapsed and CPU times of one photo and of
`import torch, cv2`. With the bundled model, it takes two and a half minutes on two cores.
"""

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from sketchcli import device as devices
from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.device import to_tensor
from sketchcli.engine.generating.generate import BATCH, generate
from sketchcli.engine.generating.inputs import Existing, Naming, Request
from sketchcli.engine.generating.onnx import export
from sketchcli.engine.generating.prepare import LoadedModel, load_model
from sketchcli.engine.runs import find_weights
from sketchcli.models.building import fold_batch_norms

DRAWN = 64  # different sketches; the others are copies
STARTS = 9  # starts of the program, for the time of one photo
SLOWER = 4  # the slow ways convert one of so many sketches


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    weights = find_weights(given.model)
    place = devices.resolve("auto", precision=given.precision)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sketches = draw(root / "in", given.count, load_model(weights, place).size)
        ways = candidates(weights, place, sketches, root)
        seconds: dict[str, list[float]] = {way.title: [] for way in ways}
        for _ in range(given.rounds):
            for way in ways:
                seconds[way.title].append(seconds_of(way.work))
        rates = {way.title: [way.count / s for s in seconds[way.title]] for way in ways}
        show(rates, f"{given.count} sketches, {place.describe()}")
        one_picture(weights, root)


def show(rates: dict[str, list[float]], heading: str) -> None:
    """Print the speeds as a table, and the ratio of `generate` to the network, round by round."""
    print(f"{heading}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| way | images per second, median | lowest | highest |\n|---|---|---|---|")
    for title, each in rates.items():
        print(f"| {title} | {statistics.median(each):.1f} | {min(each):.1f} | {max(each):.1f} |")
    shares = [a / b for a, b in zip(rates["generate"], rates["bare network"], strict=True)]
    print(f"\n`generate` / bare network: {statistics.median(shares):.2f} ", end="")
    print(f"({', '.join(f'{share:.2f}' for share in shares)})")


def draw(folder: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    """Write sketches of the model's size as PNG; return them as `(N, H, W)`."""
    few = [images.resize(draw_pair(i, size=128)[0], size) for i in range(min(DRAWN, count))]
    for index in range(count):
        images.write(folder / f"{index:06d}.png", few[index % len(few)])
    return np.stack([few[index % len(few)] for index in range(count)])


@dataclass(frozen=True)
class Way:
    """One way to convert `count` sketches."""

    title: str
    count: int
    work: Callable[[], object]


def candidates(weights: Path, place: devices.Device, sketches: np.ndarray, root: Path) -> list[Way]:
    """Return every way to convert the sketches."""
    request = Request(
        (str(root / "in"),),
        str(root / "out"),
        models=(weights,),
        naming=Naming(existing=Existing.OVERWRITE),
    )
    model = load_model(weights, place)
    fold_batch_norms(model.generator)  # as `generate` does
    plain = load_model(weights, devices.resolve(place.name, precision="fp32"))
    batch, count = BATCH[place.torch.type], len(sketches)
    few = max(1, count // SLOWER)
    ready = to_tensor(sketches, place.torch)
    ways = [
        Way("generate", count, lambda: generate(request, device=place)),
        Way("bare network", count, lambda: bare(model, ready, batch)),
        Way("plain loop", few, lambda: plain_loop(plain, root, few)),
    ]
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        work = onnx_runtime(weights, ready[:few].cpu().numpy(), batch, root)
        ways.append(Way("ONNX Runtime", few, work))
    return ways


@torch.inference_mode()
def bare(model: LoadedModel, ready: torch.Tensor, batch: int) -> None:
    """Run the network alone: no file is read or written, nothing is converted."""
    with model.device.autocast():
        for start in range(0, len(ready), batch):
            model.generator(ready[start : start + batch])
    if ready.device.type == "cuda":
        torch.cuda.synchronize()


@torch.inference_mode()
def plain_loop(model: LoadedModel, root: Path, count: int) -> None:
    """Convert sketches as a script without batches or threads does."""
    (root / "plain").mkdir(exist_ok=True)
    for path in sorted((root / "in").iterdir())[:count]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        sketch = torch.from_numpy(grey).float()[None, None].to(model.device.torch) / 127.5 - 1
        photo = ((model.generator(sketch)[0] + 1) * 127.5).round().clamp(0, 255).byte()
        pixels = photo.permute(1, 2, 0).cpu().numpy()
        cv2.imwrite(str(root / "plain" / path.name), pixels[:, :, ::-1])


def onnx_runtime(weights: Path, ready: np.ndarray, batch: int, root: Path) -> Callable[[], object]:
    """Return a function that runs the exported network on as many threads, in fp32."""
    runtime = importlib.import_module("onnxruntime")
    export(weights, root / "model.onnx", device=devices.resolve("cpu", precision="fp32"))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers = ["CPUExecutionProvider"]
    session = runtime.InferenceSession(str(root / "model.onnx"), options, providers=providers)

    def work() -> None:
        for start in range(0, len(ready), batch):
            session.run(None, {"sketch": ready[start : start + batch]})

    return work


def one_picture(weights: Path, root: Path) -> None:
    """Print the times of one photo and of the imports alone, in turn.

    The first start of each compiles what an installation has already compiled; it is not counted.
    """
    sketch, photo = root / "in" / "000000.png", root / "one.png"
    ours = [sys.executable, "-m", "sketchcli", "generate", sketch, photo, "--overwrite"]
    imports = [sys.executable, "-c", "import torch, cv2"]
    commands = {"one photo": [*ours, "--model", weights], "import torch, cv2": imports}
    spent: dict[str, list[tuple[float, float]]] = {title: [] for title in commands}
    for _ in range(STARTS + 1):
        for title, command in commands.items():
            spent[title].append(start(command))
    print("\n| start to end, seconds | elapsed, least | elapsed, median | CPU time, least |")
    print("|---|---|---|---|")
    figures = {title: summary(times[1:]) for title, times in spent.items()}
    figures["ratio"] = tuple(a / b for a, b in zip(*figures.values(), strict=True))
    for title, values in figures.items():
        print(f"| {title} | {' | '.join(f'{value:.2f}' for value in values)} |")


def summary(times: list[tuple[float, float]]) -> tuple[float, ...]:
    """Return the least and the median elapsed time, and the least CPU time."""
    clock, processor = zip(*times, strict=True)
    return min(clock), statistics.median(clock), min(processor)


def start(command: Sequence[str | Path]) -> tuple[float, float]:
    """Run a program and return its elapsed and its CPU time, in seconds."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = processor_seconds()
    clock = seconds_of(
        lambda: subprocess.run(command, check=True, capture_output=True, env=environment)
    )
    return clock, processor_seconds() - before


def processor_seconds() -> float:
    """Return the CPU time of all programs that were started, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a function takes, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
