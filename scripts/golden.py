"""What `record_golden.py` and `tests/test_golden.py` share: workspace, replay and comparison.

`tests/golden/` holds recordings of an earlier version of sketch2img. This module knows the files
in that folder and the public command line, and nothing of the package's internals, so that it
still works after internal modules have been renamed.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
PRESETS = ("modern", "paper", "pix2pix")
DATASET = "drawn"

# Runs a command line and returns its exit code and its standard output.
Call = Callable[[list[str]], tuple[int, str]]

# Sentences for people. The comparison only looks at whether they are present.
WORDING = frozenset(
    {"message", "hint", "error", "warnings", "title", "protocol", "summary", "steps", "notice"}
    | {"left_out", "repeated", "unaligned"}
)
# Measurements of the machine and of the time. The comparison only looks at their type.
VARYING = frozenset(
    {"version", "seconds", "seconds_a_step", "seconds_left", "milliseconds", "images_per_second"}
    | {"free_megabytes", "memory_megabytes", "memory_mb"}
)
EXACT = 1e-6  # relative tolerance for floats on the machine of the recording
LOOSE = 0.05  # relative, and absolute, tolerance for floats on other machines
PIXEL_TOLERANCE = 1  # of 255
# L2 norm of the difference from the recorded weights, relative to the L2 norm of the change that
# the resumed training made to the recorded weights. Without AVX-512 or AVX2 it was measured as
# 0.036 for `paper` and 1e-5 for the others: `paper` has biases before batch norms, whose gradient
# is rounding noise, which Adam turns into whole steps.
WEIGHTS_TOLERANCE = {"modern": 0.01, "paper": 0.1, "pix2pix": 0.01}

EVIL_PICKLE = b"cbuiltins\nprint\n(S'this must not be printed'\ntR."
TEXT_FILES = {
    "notes.txt": "no image\n",
    "odd/text.png": "<html>not found</html>",
    "odd/empty.png": "",
    "narrow.toml": "[model.generator_options]\nwidth = 2\nblocks = 1\n\n"
    "[model.discriminator_options]\nwidth = 3\n",
    "unknown.toml": "epoch = 3\n",
    "broken.toml": "epochs = = 3\n",
    "settings.json": '{"epochs": 3, "loss": {"perceptual_weight": 0}}',
    "list.txt": "sketches/grey.png\nsketches/palette.png\n",
    "missing-list.txt": "sketches/grey.png\nsketches/missing.png\n",
    "pairs.csv": "sketch,photo,split\n"
    + "".join(
        f"drawn/sketches/{i:05d}.png,drawn/photos/{i:05d}.png,{'test' if i > 5 else 'train'}\n"
        for i in range(8)
    ),
    "missing.csv": "sketch,photo\ndrawn/sketches/00000.png,drawn/photos/00000.png\nno.png,no.png\n",
    "columns.csv": "left,right\na.png,b.png\n",
    "split.csv": "sketch,photo,split\ndrawn/sketches/00000.png,drawn/photos/00000.png,best\n",
    "damaged.safetensors": "no tensors",
}


def machine() -> dict[str, str]:
    """Return what decides whether two trainings can be equal byte for byte."""
    found = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = (part.strip() for part in line.partition(":"))
            if name in {"vendor_id", "cpu family", "model", "model name"}:
                found.setdefault(name, value)
    return found


def is_recording_machine() -> bool:
    """Return whether this machine computes as the machine of the recording did."""
    recorded = json.loads((GOLDEN / "machine.json").read_text(encoding="utf-8"))
    return bool(recorded == machine())


@contextlib.contextmanager
def workspace(root: Path, *, is_empty: bool = False) -> Iterator[Path]:
    """Work in a folder with copies of the recorded files, and with settings of its own.

    Args:
        root: A folder that does not exist yet. It becomes the current folder.
        is_empty: Whether to leave out the recorded files.
    """
    root.mkdir(parents=True)
    root = root.resolve()
    if not is_empty:
        fill(root)
    environment, folder, threads = dict(os.environ), Path.cwd(), torch.get_num_threads()
    hidden = {name: sys.modules.get(name) for name in ("onnx", "onnxruntime")}
    for name in [name for name in os.environ if name.startswith("SKETCH2IMG_")]:
        del os.environ[name]
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    os.environ.update(SKETCH2IMG_HOME=str(root / "home"), OMP_NUM_THREADS="1")
    os.chdir(root)
    torch.set_num_threads(1)
    modules: dict[str, Any] = dict.fromkeys(hidden)
    sys.modules.update(modules)  # as if these packages were not installed
    try:
        yield root
    finally:
        for name, module in hidden.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        torch.set_num_threads(threads)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)


def set_time(path: Path, moment: int) -> None:
    """Give a file, or a folder and all files in it, a modification time in seconds."""
    for each in (path, *path.rglob("*")):
        os.utime(each, (1_700_000_000 + moment,) * 2)


def fill(root: Path) -> None:
    """Copy the recorded files to a workspace and write the small ones that are not stored."""
    shutil.copytree(GOLDEN / "dataset", root / "home" / "prepared" / DATASET)
    runs = root / "home" / "runs"
    for index, name in enumerate(PRESETS):
        shutil.copytree(GOLDEN / "halfway" / name, runs / f"half-{name}")
        shutil.copytree(GOLDEN / "finished" / name, runs / name)
        # A checkout gives files any times. The times of the weights order the list of models, those
        # of the results say that the first preset is the newest run, and so the default model.
        set_time(runs / f"half-{name}", 1000 * index)
        set_time(runs / name, 1000 * index + 500)
        set_time(runs / name / "result.json", -1000 * index)
    shutil.copytree(GOLDEN / "sketches", root / "sketches")
    shutil.copy(GOLDEN / "other.pth", root)
    write_pairs(root / "drawn")
    for name, text in TEXT_FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "evil.pth").write_bytes(EVIL_PICKLE)
    (root / "odd" / "truncated.png").write_bytes(
        (root / "sketches" / "grey.png").read_bytes()[:400]
    )
    shutil.copy(root / "sketches" / "grey.png", root / "odd" / "good.png")
    (root / "empty").mkdir()


def write_pairs(folder: Path) -> None:
    """Write the pairs of the recorded dataset as images, each kind in its own folder."""
    about = json.loads((GOLDEN / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    for kind in ("sketches", "photos"):
        (folder / kind).mkdir(parents=True)
    for split in ("train", "val", "test"):
        names = [pair["id"] for pair in about["pairs"] if pair["split"] == split]
        for kind in ("sketches", "photos"):
            images = np.load(GOLDEN / "dataset" / f"{split}-{kind}.npy")
            for name, pixels in zip(names, images, strict=True):
                Image.fromarray(pixels).save(folder / kind / f"{name}.png")


# -- commands


def sessions() -> dict[str, list[str]]:
    """Return the command lines of `commands.txt`, by the name of their session."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (GOLDEN / "commands.txt").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[([\w-]+)\]", line):
            name = match[1]
            found[name] = []
        elif line and not line.startswith("#"):
            found[name].append(line)
    return found


def replay(line: str, root: Path, call: Call) -> dict[str, Any]:
    """Run a line of `commands.txt` and return its normalised outcome.

    Args:
        line: The command without the program's name. `--json` is added to it, unless the line
            starts with `plain: `. It may end with ` < FILE`.
        root: The workspace.
        call: Runs the command.
    """
    text, _, source = line.removeprefix("plain: ").partition(" < ")
    is_plain = line.startswith("plain: ")
    arguments = [*shlex.split(text), *([] if is_plain else ["--json"])]
    before = set(listing(root))
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(_bytes_of(root, source)))
    try:
        code, output = call(arguments)
    finally:
        sys.stdin = stdin
    after = set(listing(root))
    outcome: dict[str, Any] = {
        "command": line,
        "code": code,
        "added": sorted(after - before),
        "removed": sorted(before - after),
    }
    if is_plain:
        outcome["prints"] = bool(output.strip())
    elif "--jsonl" in arguments:
        outcome["lines"] = [normalise(json.loads(each), root) for each in output.splitlines()]
    else:
        outcome["envelope"] = normalise(json.loads(output), root)
    return outcome


def _bytes_of(root: Path, source: str) -> bytes:
    return (root / source).read_bytes() if source else b""


def listing(root: Path) -> Iterator[str]:
    """Yield the paths of all files of a workspace, relative to it; hidden files are internal."""
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".") and "/." not in name:
            yield name


def normalise(value: Any, root: Path, key: str = "") -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value without wording, times, versions, and facts about this machine."""
    if key in VARYING and value is not None:
        return f"<{type(value).__name__}>"
    if isinstance(value, dict):
        return _normalised_items(value, root, key)
    if isinstance(value, list):
        return [normalise(item, root, key) for item in value]
    return _normalised_text(value, root, key) if isinstance(value, str) else value


def _normalised_items(values: dict[str, Any], root: Path, key: str) -> dict[str, Any]:
    if key in WORDING:  # such as the reasons for which files were left out
        return dict.fromkeys(values, "<text>")
    if key == "facts":  # of `doctor`: the values describe this machine
        return dict.fromkeys(values, "<any>")
    if "facts" in values:
        values = values | {"state": "<any>"}
    return {name: normalise(item, root, name) for name, item in values.items()}


def _normalised_text(value: str, root: Path, key: str) -> Any:  # noqa: ANN401 - any TOML
    if key in WORDING:
        return "<text>" if value or key == "hint" else ""
    if key == "settings":
        return tomllib.loads(value)
    if value.endswith("bundled.safetensors"):
        return "<BUNDLED>"
    return value.replace(str(root), "<TMP>")


def differences(expected: Any, found: Any, tolerance: float, where: str = "") -> list[str]:  # noqa: ANN401
    """Return a line for each place in which a JSON value differs from the recorded one.

    Args:
        expected: The recorded value.
        found: The value now.
        tolerance: The relative tolerance for floats. It is the absolute one too.
        where: The path of the values, for the messages.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = [f"{where}: key '{key}' is missing" for key in expected.keys() - found.keys()]
        lines += [f"{where}: key '{key}' is new" for key in found.keys() - expected.keys()]
        for key in expected.keys() & found.keys():
            lines += differences(expected[key], found[key], tolerance, f"{where}/{key}")
        return sorted(lines)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [
            line
            for index, (old, new) in pairs
            for line in differences(old, new, tolerance, f"{where}/{index}")
        ]
    if isinstance(expected, float) and isinstance(found, float):
        is_same = math.isclose(expected, found, rel_tol=tolerance, abs_tol=tolerance)
    else:
        is_same = type(expected) is type(found) and expected == found
    return [] if is_same else [f"{where}: {expected!r} was recorded, {found!r} was found"]


def float_tolerance() -> float:
    """Return the tolerance for floats on this machine."""
    return EXACT if is_recording_machine() else LOOSE


# -- tensors, logs and images


def digest(path: Path) -> str:
    """Return the SHA-256 of the names, types, shapes and bytes of all tensors in a file."""
    found = hashlib.sha256()
    for name, values in sorted(load_file(path).items()):
        found.update(f"{name} {values.dtype} {values.shape}\n".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def metadata(path: Path, root: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return what the header of a safetensors file says, normalised."""
    with safetensors.safe_open(path, framework="np") as file:
        found = {k: normalise(json.loads(v), root) for k, v in file.metadata().items()}
    for about in found.values():
        about.pop("checksum", None)  # older versions wrote none
    return found


def relative_error(recorded: Path, found: Path, start: Path) -> float:
    """Return how far weights are from the recorded ones, relative to what training changed.

    Learned weights and running statistics are compared apart, since the latter change more.

    Args:
        recorded: The recorded weights at the end of the training.
        found: The weights at the end of the training now.
        start: The recorded weights at the moment from which the training was resumed.
    """
    errors = []
    for is_statistic in (False, True):
        old, new, first = (_vector(path, is_statistic) for path in (recorded, found, start))
        if len(old):
            errors.append(float(np.linalg.norm(new - old) / np.linalg.norm(old - first)))
    return max(errors)


def _vector(path: Path, is_statistic: bool) -> NDArray[np.float64]:
    """Return all learned weights, or all running statistics of batch norms, as one vector."""
    tensors = load_file(path)
    chosen = [
        tensors[name].ravel().astype(np.float64)
        for name in sorted(tensors)
        if tensors[name].dtype.kind == "f" and ("running_" in name) == is_statistic
    ]
    return np.concatenate(chosen) if chosen else np.zeros(0)


def read_log(path: Path, root: Path) -> list[Any]:
    """Return the lines of a log, normalised."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [normalise(json.loads(line), root) for line in lines]


def pixels(path: Path) -> NDArray[np.int16]:
    """Return the pixels of an image as RGB, in a type whose differences do not overflow."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


def photos() -> dict[str, str]:
    """Return the `generate` commands whose photos are recorded, by the name of their folder."""
    found: dict[str, str] = json.loads((GOLDEN / "photos.json").read_text(encoding="utf-8"))
    return found
