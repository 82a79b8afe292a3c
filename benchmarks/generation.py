"""How close `generate` comes to the bare network, on the same machine, in one run.

    python benchmarks/generation.py --count 1000 --model RUN

Draws `--count` sketches and converts them in turn, `--rounds` times, by: `generate` on the folder
(reading, network, writing); the bare network on a tensor that is ready, in the same batches and
precision; a plain loop, one sketch at a time in fp32, reading and writing with OpenCV; and ONNX
Runtime on the same tensor, where it is installed. Prints medians in images a second, the ratio of
`generate` to the bare network, and the time of one picture against `import torch, cv2`.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from sketchcli import device as devices
from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.data.batches import sketches_to_tensor
from sketchcli.engine.generating.exporting import export
from sketchcli.engine.generating.generate import BATCH, generate, open_models
from sketchcli.engine.generating.loading import LoadedModel, load_model
from sketchcli.engine.generating.request import Existing, Naming, Request
from sketchcli.engine.runs import find_weights

DRAWN = 64  # different sketches; the others are copies
STARTS = 5  # of the program, for the time of one picture


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
        ways = contestants(weights, place, sketches, root)
        seconds: dict[str, list[float]] = {title: [] for title in ways}
        for _ in range(given.rounds):
            for title, work in ways.items():
                seconds[title].append(seconds_of(work))
        rates = {title: given.count / statistics.median(s) for title, s in seconds.items()}
        print(f"{given.count} sketches, {place.name}, {place.precision}, {place.threads} threads")
        for title, rate in rates.items():
            print(f"{title:16} {rate:8.1f} images/s")
        print(f"generate / bare  {rates['generate'] / rates['bare network']:8.2f}")
        one_picture(weights, root)


def draw(folder: Path, count: int, size: tuple[int, int]) -> np.ndarray:
    """Write sketches as PNG, of the model's size; return them as `(N, H, W)`."""
    few = [images.resize(draw_pair(i, size=128)[0], size) for i in range(min(DRAWN, count))]
    for index in range(count):
        images.write(folder / f"{index:06d}.png", few[index % len(few)])
    return np.stack([few[index % len(few)] for index in range(count)])


def contestants(
    weights: Path, place: devices.Device, sketches: np.ndarray, root: Path
) -> dict[str, Callable[[], object]]:
    """Every way to convert all sketches, by its name."""
    request = Request(
        (str(root / "in"),),
        str(root / "out"),
        models=(weights,),
        naming=Naming(existing=Existing.OVERWRITE),
    )
    (model,) = open_models((weights,), place)
    plain = load_model(weights, devices.resolve(place.name, precision="fp32"))
    batch = BATCH[place.torch.type]
    ready = sketches_to_tensor(sketches, place.torch)
    ways: dict[str, Callable[[], object]] = {
        "generate": lambda: generate(request, device=place),
        "bare network": lambda: bare(model, ready, batch),
        "plain loop": lambda: plain_loop(plain, root),
    }
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        ways["ONNX Runtime"] = onnx_runtime(weights, ready.cpu().numpy(), batch, root)
    return ways


@torch.inference_mode()
def bare(model: LoadedModel, ready: torch.Tensor, batch: int) -> None:
    """The network alone: no file is read or written, nothing is converted."""
    with model.device.autocast():
        for start in range(0, len(ready), batch):
            model.generator(ready[start : start + batch])
    if ready.device.type == "cuda":
        torch.cuda.synchronize()


@torch.inference_mode()
def plain_loop(model: LoadedModel, root: Path) -> None:
    """What a script without batches or threads does."""
    (root / "plain").mkdir(exist_ok=True)
    for path in sorted((root / "in").iterdir()):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        sketch = torch.from_numpy(grey).float()[None, None].to(model.device.torch) / 127.5 - 1
        photo = ((model.generator(sketch)[0] + 1) * 127.5).round().clamp(0, 255).byte()
        pixels = photo.permute(1, 2, 0).cpu().numpy()
        cv2.imwrite(str(root / "plain" / path.name), pixels[:, :, ::-1])


def onnx_runtime(weights: Path, ready: np.ndarray, batch: int, root: Path) -> Callable[[], object]:
    """The exported network on as many threads, in fp32."""
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
    """The shortest time of one picture, and of the imports alone."""
    sketch, photo = root / "in" / "000000.png", root / "one.png"
    ours = [sys.executable, "-m", "sketchcli", "generate", sketch, photo, "--overwrite"]
    imports = [sys.executable, "-c", "import torch, cv2"]
    both = {"one picture": [*ours, "--model", weights], "imports": imports}
    best = {
        title: min(
            seconds_of(lambda c=command: subprocess.run(c, check=True, capture_output=True))
            for _ in range(STARTS)
        )
        for title, command in both.items()
    }
    ratio = best["one picture"] / best["imports"]
    print(f"one picture      {best['one picture']:8.2f} s, {ratio:.2f} x import torch, cv2")


def seconds_of(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
