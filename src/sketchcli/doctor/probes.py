"""Probes that `doctor` runs in processes of their own.

A library that was built for another processor kills the process that imports it. Probes return
plain data, or raise. An answer has the error, or an empty text, under `error`.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from sketchcli import interruption

# A broken NumPy shows in these; the reporter itself cannot start without the other libraries.
MODULES = (
    *("matplotlib.figure", "safetensors", "PIL.Image", "jinja2", "requests", "urllib3"),
    *("starlette.requests", "uvicorn.protocols.http.h11_impl"),
)
PATIENCE = 300.0  # seconds per answer; a busy machine takes a minute to import torch
MARK = b"\x1e"  # starts the lines that are answers; a library may print lines of its own
Facts = dict[str, Any]


def ask_imports() -> Facts:
    """Return which libraries, other than torch and OpenCV, cannot be imported, and why."""
    errors = {}
    for module in MODULES:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a broken library raises anything
            errors[module.partition(".")[0]] = _line_of(error)
    return {"errors": errors}


def ask_opencv() -> Facts:
    """Return OpenCV's version; `sketchcli.images` would also import Pillow, and blame OpenCV."""
    return {"version": importlib.import_module("cv2").__version__}


def ask_torch() -> Facts:
    """Return which build of torch is installed, and which GPUs it can use."""
    import torch  # noqa: PLC0415

    cuda, hip = torch.version.cuda, torch.version.hip
    gpus, why_no_gpu = [], "no GPU is visible"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            size = f"{gpu.total_memory / 2**30:.0f} GB, capability {gpu.major}.{gpu.minor}"
            gpus.append(f"{gpu.name} ({size})")
    except (RuntimeError, AssertionError) as error:
        why_no_gpu = _line_of(error)
    return {
        "version": torch.__version__,
        "build": f"CUDA {cuda}" if cuda else f"ROCm {hip}" if hip else "CPU-only",
        "gpus": gpus,
        "why_no_gpu": why_no_gpu,
        "has_mps": torch.backends.mps.is_available(),
    }


def ask_device() -> Facts:
    """Return the device and precision that `train` would choose."""
    from sketchcli import device  # noqa: PLC0415

    chosen = device.resolve()
    return {"device": chosen.name, "precision": chosen.precision, "threads": chosen.threads}


def ask_trial() -> Facts:
    """Generate one photo with the bundled model, on the CPU and on the device `train` would use.

    The newest run may have hardly been trained. Loading refuses a device that differs from the CPU.
    """
    import sketchcli  # noqa: PLC0415
    from sketchcli import device, weights  # noqa: PLC0415
    from sketchcli.assets.demo import draw_pair  # noqa: PLC0415

    model, sketch = weights.bundled(), draw_pair(0, size=128)[0]
    weights.check(model)
    spread = {}  # standard deviation of the photo's levels; a uniform grey has 0
    for name in ("cpu", device.resolve(precision="fp32").name):
        draw = sketchcli.load_generator(model, device=name, paper="no", invert="no")
        spread[name] = float(draw(sketch).std())
    return {"spread": spread}


def ask(*probes: Callable[[], Facts], patience: float = PATIENCE) -> list[Facts]:
    """Return what module-level functions answer in a new process, one after the other.

    Probes after a crash get the crash as their answer.
    """
    names = [(probe.__module__, probe.__name__) for probe in probes]
    call = f"from {__name__} import answer; answer({names}, parent={os.getpid()})"
    command = [sys.executable, "-P", "-c", call]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "agg"}
    try:
        ended = subprocess.run(  # noqa: S603 - this Python and our own functions
            command, env=environment, capture_output=True, timeout=patience, check=False
        )
        code, output = ended.returncode, ended.stdout
        fault = f"it crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
    except subprocess.TimeoutExpired as error:
        fault, output = f"no answer within {patience:.0f} seconds", error.stdout or b""
    answers = [json.loads(line[1:]) for line in output.split(b"\n") if line[:1] == MARK]
    return answers + [{"error": fault}] * (len(probes) - len(answers))


def answer(names: list[tuple[str, str]], *, parent: int) -> None:
    """Write the answer of each function, given by its module and name, as a marked line of JSON."""
    interruption.end_with(parent)
    for module, name in names:
        try:
            facts = getattr(importlib.import_module(module), name)() | {"error": ""}
        except Exception as error:  # noqa: BLE001 - any error is an answer
            facts = {"error": _line_of(error)}
        sys.stdout.buffer.write(b"\n" + MARK + json.dumps(facts).encode() + b"\n")
        sys.stdout.buffer.flush()


def _line_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]
