"""Probes that `doctor` runs in a process of its own, because an import may crash it.

They return plain data and, as far as they can, report a broken part instead of raising.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

GIGA = 1e9
TRIAL_SIZE = 128  # pixels; height and width of the trial sketch
LIGHT = ("matplotlib.figure", "jinja2", "requests", "urllib3", "rich", "platformdirs", "filelock")
STANDING_ON_TORCH = ("safetensors.torch",)
Facts = dict[str, Any]


def ask_light_imports() -> Facts:
    """Return which libraries that do not use torch cannot be imported, and why."""
    return {"errors": _failing(LIGHT)}


def ask_imports_on_torch() -> Facts:
    """Return which libraries that use torch cannot be imported, and why."""
    return {"errors": _failing(STANDING_ON_TORCH)}


def _failing(modules: tuple[str, ...]) -> dict[str, str]:
    errors = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a broken library raises anything
            errors[module.partition(".")[0]] = line_of(error)
    return errors


def ask_opencv() -> Facts:
    """Return OpenCV's version, and whether an image is unchanged when written and read back."""
    import numpy as np  # noqa: PLC0415

    from sketchcli import images  # noqa: PLC0415
    from sketchcli.images.opencv import cv2  # noqa: PLC0415 - it may be broken

    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with tempfile.TemporaryDirectory() as folder:
        images.write(Path(folder, "a.png"), pixels)
        is_same = bool((images.read_rgb(Path(folder, "a.png")) == pixels).all())
    return {
        "version": cv2.__version__,
        "reads_what_it_writes": is_same,
    }


def ask_torch() -> Facts:
    """Return which build of torch is installed, and which GPUs it can use."""
    import torch  # noqa: PLC0415

    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "has_cuda": torch.cuda.is_available(),
        "why_no_cuda": _why_no_cuda(),
        "has_mps": torch.backends.mps.is_available(),
        "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
    }


def ask_computing() -> Facts:
    """Return the device and precision that `train` would choose, and its speed in each."""
    import torch  # noqa: PLC0415

    from sketchcli import device as devices  # noqa: PLC0415

    chosen = devices.resolve()
    precisions = ["fp32", "bf16", *(["fp16"] if chosen.torch.type == "cuda" else [])]
    seconds = devices.probe_seconds(chosen.torch, precisions)
    return {
        "device": chosen.name,
        "precision": chosen.precision,
        "threads": chosen.threads,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gigaflops": {name: devices.PROBE_FLOPS / GIGA / each for name, each in seconds.items()},
    }


def ask_trial() -> Facts:
    """Generate one photo with the bundled model, on the CPU and on the device `train` would use.

    The newest run is not used: the grey photo of a model that has hardly been trained says nothing
    about the installation. A device whose photo differs from the CPU's is refused at loading.
    """
    import sketchcli  # noqa: PLC0415
    from sketchcli import device as devices  # noqa: PLC0415
    from sketchcli import weights  # noqa: PLC0415
    from sketchcli.assets.demo import draw_pair  # noqa: PLC0415

    model, sketch = weights.bundled(), draw_pair(0, size=TRIAL_SIZE)[0]
    photos, milliseconds = {}, {}
    for name in dict.fromkeys(["cpu", devices.resolve(precision="fp32").name]):
        draw = sketchcli.load_generator(model, device=name, paper="no", invert="no")
        draw(sketch)
        started = time.perf_counter()
        photos[name] = draw(sketch)
        milliseconds[name] = 1000 * (time.perf_counter() - started)
    return {
        "model": str(model),
        "milliseconds": milliseconds,
        "spread": min(float(photo.std()) for photo in photos.values()),  # 0: a uniform grey
    }


def _why_no_cuda() -> str:
    """Return CUDA's own reason if a build with CUDA or ROCm finds no GPU, else nothing."""
    import torch  # noqa: PLC0415

    if torch.version.cuda is None and torch.version.hip is None:
        return ""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return line_of(error)
    return "" if torch.cuda.is_available() else "no GPU is visible"


def _gpu(index: int) -> Facts:
    import torch  # noqa: PLC0415

    about = torch.cuda.get_device_properties(index)
    return {
        "name": about.name,
        "gigabytes": about.total_memory / 2**30,
        "capability": f"{about.major}.{about.minor}",
    }


def nvidia_driver() -> str:
    """Return the NVIDIA driver's version, or an empty string if no driver is visible."""
    if sys.platform != "linux":
        return ""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown" if Path("/dev/nvidiactl").exists() else ""
    numbers = [word for word in words if word[0].isdigit() and "." in word]
    return numbers[0] if numbers else "unknown"


def hidden_gpus() -> str:
    """Return the value of `CUDA_VISIBLE_DEVICES`, quoted, if it hides every GPU."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if value is None or value.strip() not in {"", "-1", "NoDevFiles"} else f"'{value}'"


# Questions are asked in a process of their own, which may crash or never answer.

PATIENCE = 300.0  # seconds per answer; a busy machine takes a minute to import torch
Question = Callable[[], Facts]


@dataclass(frozen=True)
class Answer:
    """Facts that a question found, or the error that prevented it."""

    facts: Facts = field(default_factory=dict)
    error: str = ""


def ask(*questions: Question, patience: float = PATIENCE) -> tuple[Answer, ...]:
    """Return the answers of functions that run in one new process, one after the other.

    Importing a library built for another processor kills the process, which must not be the one
    that reports it. Questions after a crash get the crash as their answer. They must be
    module-level functions that return plain data, each within `patience` seconds.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(questions, sender), daemon=True)
    process.start()
    sender.close()  # now only the child holds a sender, so its death closes the pipe
    answers: list[Answer] = []
    fault = f"no answer within {patience:.0f} seconds"
    try:
        while len(answers) < len(questions) and receiver.poll(patience):
            answers.append(receiver.recv())
    except EOFError:
        process.join()
        fault = f"it crashed ({_end(process.exitcode)})"
    finally:
        process.kill()
        process.join()
        receiver.close()
    return (*answers, *[Answer(error=fault)] * (len(questions) - len(answers)))


def line_of(error: BaseException) -> str:
    r"""Return an error on one line.

    >>> line_of(ImportError("libGL.so.1: cannot open\nmore"))
    'ImportError: libGL.so.1: cannot open'
    """
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"


def _answer(questions: Sequence[Question], sender: Connection) -> None:
    for question in questions:
        try:
            sender.send(Answer(question()))
        except Exception as error:  # noqa: BLE001 - any error is an answer
            sender.send(Answer(error=line_of(error)))


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
