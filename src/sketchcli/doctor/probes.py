"""Probes that `doctor` runs in processes of their own, because an import may crash them.

They return plain data, or raise. An answer has the error, or an empty text, under `error`.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

TRIAL_SIZE = 128  # pixels; height and width of the trial sketch
MODULES = (
    "matplotlib.figure",
    "jinja2",
    "PIL",
    "safetensors",
    "requests",
    "urllib3",
    "rich",
    "platformdirs",
    "filelock",
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

    why_no_cuda = ""
    if (torch.version.cuda or torch.version.hip) and not torch.cuda.is_available():
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            why_no_cuda = "no GPU is visible"
        except (RuntimeError, AssertionError) as error:
            why_no_cuda = _line_of(error)
    gpus = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "has_cuda": torch.cuda.is_available(),
        "why_no_cuda": why_no_cuda,
        "has_mps": torch.backends.mps.is_available(),
        "gpus": [
            {
                "name": gpu.name,
                "gigabytes": gpu.total_memory / 2**30,
                "capability": f"{gpu.major}.{gpu.minor}",
            }
            for gpu in gpus
        ],
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
    weights.check(model)
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


def ask_device() -> Facts:
    """Return the device and precision that `train` would choose."""
    import torch  # noqa: PLC0415

    from sketchcli import device as devices  # noqa: PLC0415

    chosen = devices.resolve()
    return {
        "device": chosen.name,
        "precision": chosen.precision,
        "threads": chosen.threads,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def ask(*probes: Callable[[], Facts], patience: float = PATIENCE) -> list[Facts]:
    """Return what module-level functions answer in a new process, one after the other.

    Importing a library built for another processor kills the process, which must not be the one
    that reports it. Probes after a crash get the crash as their answer.
    """
    names = [(probe.__module__, probe.__name__) for probe in probes]
    command = [sys.executable, "-P", "-c", f"from {__name__} import answer; answer({names})"]
    output = b""
    try:
        ended = subprocess.run(  # noqa: S603 - this Python and our own functions
            command,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            timeout=patience,
            check=False,
        )
        code, output = ended.returncode, ended.stdout
        fault = f"it crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
    except subprocess.TimeoutExpired as error:
        fault, output = f"no answer within {patience:.0f} seconds", error.stdout or b""
    answers: list[Facts] = [
        json.loads(line[1:]) for line in output.split(b"\n") if line[:1] == MARK
    ]
    return answers + [{"error": fault}] * (len(probes) - len(answers))


def answer(names: list[tuple[str, str]]) -> None:
    """Write the answer of each function, given by its module and name, as a marked line of JSON."""
    for module, name in names:
        try:
            facts = getattr(importlib.import_module(module), name)() | {"error": ""}
        except Exception as error:  # noqa: BLE001 - any error is an answer
            facts = {"error": _line_of(error)}
        sys.stdout.buffer.write(b"\n" + MARK + json.dumps(facts).encode() + b"\n")
        sys.stdout.buffer.flush()


def _line_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]
