"""The program itself, Python, and the libraries that it stands on."""

import platform
import sys
from collections.abc import Collection
from importlib import metadata
from pathlib import Path

import sketchcli
from sketchcli.engine.installation import probes
from sketchcli.engine.installation.asking import Answer, Facts
from sketchcli.engine.installation.findings import VERBS, Check, State
from sketchcli.errors import ExitCode

# Each distribution that the program requires, and the verbs that cannot run without it.
REQUIRED = {
    "typer": VERBS,
    "rich": VERBS,
    "torch": ("train", "generate", "eval"),
    "opencv-python": VERBS,
    "numpy": VERBS,
    "platformdirs": VERBS,
    "safetensors": ("train", "generate", "eval"),
    "matplotlib": ("train", "eval"),
    "requests": ("fetch-data",),
    "urllib3": ("fetch-data",),
    "filelock": VERBS,
}
OPTIONAL = {"tensorboard": "train --tensorboard", "onnx": "export", "onnxruntime": "export"}
CHECKED_ALONE = ("torch", "opencv-python")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
REINSTALL = "install sketch2img again, into an environment of its own: pipx install sketch2img"
DESKTOP_LIBRARIES = (
    "apt install libgl1 libglib2.0-0 libxcb1, or put opencv-python-headless in the place of "
    "opencv-python"
)
DEVICE = ExitCode.DEVICE
CPU_BUILD = "a build for CPUs alone"


def check_program() -> Check:
    """This program, and where it lies."""
    folder = Path(sketchcli.__file__).parent
    facts = {"version": sketchcli.__version__, "folder": str(folder)}
    return Check("sketch2img", State.OK, f"{sketchcli.__version__}, in {folder}", facts=facts)


def check_python() -> Check:
    """The interpreter, and the system that it runs on."""
    kind = "an environment of its own" if sys.prefix != sys.base_prefix else "the system's Python"
    facts = {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "prefix": sys.prefix,
    }
    summary = f"{facts['implementation']} {facts['version']} on {facts['platform']}, in {kind}"
    return Check("python", State.OK, summary, facts=facts)


def check_libraries(light: Answer, on_torch: Answer) -> Check:
    """The libraries without a check of their own: whether all are here and can be imported.

    Args:
        light: To `probes.ask_light_imports`.
        on_torch: To `probes.ask_imports_on_torch`.
    """
    versions = {name: version(name) for name in REQUIRED}
    errors: dict[str, str] = {name: "missing" for name, found in versions.items() if not found}
    for answer in (light, on_torch):
        errors |= answer.facts.get("errors", {})
        if answer.error:  # it took the process with it: which one it was is not known
            errors["one of them"] = answer.error
    errors = {name: text for name, text in errors.items() if name not in CHECKED_ALONE}
    extras = {name: version(name) for name in OPTIONAL}
    facts = {"versions": versions, "errors": errors, "extras": extras}
    if errors:
        stopped = {verb for name in errors for verb in REQUIRED.get(name, VERBS)}
        text = "; ".join(f"{name}: {error}" for name, error in errors.items())
        return Check("libraries", State.PROBLEM, text, REINSTALL, in_order(stopped), DEVICE, facts)
    told = ", ".join(f"{name} {versions[name]}" for name in versions if name not in CHECKED_ALONE)
    without = [f"{name} (for {use})" for name, use in OPTIONAL.items() if not extras[name]]
    told += f"; without {', '.join(without)}" if without else ""
    return Check("libraries", State.OK, told, facts=facts)


def check_opencv(answer: Answer) -> Check:
    """OpenCV and the system libraries that it opens.

    Args:
        answer: To `probes.ask_opencv`.
    """
    builds = [f"{name} {version(name)}" for name in OPENCV if version(name)]
    facts = answer.facts | {"builds": builds, "error": answer.error}
    if answer.error:
        text, hint = _broken_opencv(answer.error, builds)
        return Check("opencv", State.PROBLEM, text, hint, VERBS, DEVICE, facts)
    if not facts["reads_what_it_writes"]:
        text = f"{facts['version']} reads other pixels than it wrote"
        return Check("opencv", State.PROBLEM, text, REINSTALL, VERBS, DEVICE, facts)
    text = f"{facts['version']} ({', '.join(builds) or 'of unknown origin'}) reads what it writes"
    if len(builds) > 1:
        hint = "uninstall both, then install one: they share their files"
        return Check("opencv", State.NOTE, text, hint, facts=facts)
    return Check("opencv", State.OK, text, facts=facts)


def check_torch(answer: Answer) -> Check:
    """The build of torch, and why it can use a GPU or cannot.

    Args:
        answer: To `probes.ask_torch`.
    """
    driver = probes.nvidia_driver()
    facts = answer.facts | {"driver": driver, "error": answer.error}
    if answer.error:
        text = f"{version('torch') or 'not installed'}: cannot be imported: {answer.error}"
        return Check("torch", State.PROBLEM, text, REINSTALL, REQUIRED["torch"], DEVICE, facts)
    told = f"{facts['version']}, {_build(facts)}"
    if facts["has_cuda"]:
        gpus = ", ".join(
            f"{gpu['name']} ({gpu['gigabytes']:.0f} GB, capability {gpu['capability']})"
            for gpu in facts["gpus"]
        )
        return Check("torch", State.OK, f"{told}: {gpus}", facts=facts)
    if facts["has_mps"]:
        return Check("torch", State.OK, f"{told}; Apple's GPU with --device mps", facts=facts)
    reason, hint, state = _why_on_the_cpu(facts, driver)
    return Check("torch", state, f"{told}: {reason}", hint, facts=facts)


def in_order(verbs: Collection[str]) -> tuple[str, ...]:
    """Verbs in the order of the street."""
    return tuple(verb for verb in VERBS if verb in verbs)


def version(distribution: str) -> str:
    """The installed version; empty where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _build(facts: Facts) -> str:
    if facts["cuda"]:
        return f"a build for CUDA {facts['cuda']}"
    return f"a build for ROCm {facts['hip']}" if facts["hip"] else CPU_BUILD


def _why_on_the_cpu(facts: Facts, driver: str) -> tuple[str, str, State]:
    """Why no GPU is used, what can be done about it, and how grave that is."""
    if not facts["cuda"] and not facts["hip"]:
        if driver:
            hint = "for the GPU, install the CUDA build of torch that pytorch.org names"
            return f"it cannot use the GPU of this machine (driver {driver})", hint, State.NOTE
        return "computes on the CPU", "", State.OK
    if hidden := probes.hidden_gpus():
        hint = "unset CUDA_VISIBLE_DEVICES"
        return f"CUDA_VISIBLE_DEVICES={hidden} hides every GPU", hint, State.NOTE
    reason = f"no GPU can be used: {facts['why_no_cuda']}"
    if driver:
        return reason, "the driver is there; is it new enough for this build?", State.NOTE
    return reason, "a CPU build of torch is smaller by gigabytes and does the same here", State.NOTE


def _broken_opencv(error: str, builds: list[str]) -> tuple[str, str]:
    """What is wrong with OpenCV, and the cure."""
    if not builds:
        return f"not installed: {error}", REINSTALL
    is_system = ".so" in error
    return f"{', '.join(builds)}: {error}", DESKTOP_LIBRARIES if is_system else REINSTALL
