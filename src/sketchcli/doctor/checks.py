"""`sketch2img doctor`: look at everything that the five verbs need."""

import os
import platform
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

import sketchcli
from sketchcli import machine, paths, weights
from sketchcli.doctor import probes
from sketchcli.doctor.probes import Answer, Facts, ask
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.fetching.inventory import list_assets
from sketchcli.engine.results import AssetListing
from sketchcli.engine.runs import finished_runs
from sketchcli.errors import CheckpointError, ExitCode, SketchError

STEPS = 13


class State(StrEnum):
    """How grave it is."""

    OK = "ok"
    NOTE = "note"  # worth knowing; everything runs
    PROBLEM = "problem"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: Of the thing, in a word.
        state: How grave it is.
        summary: What was found, in a sentence.
        hint: What to type or change, where something can be.
        stops: The verbs that cannot run so.
        exit_code: That `doctor` ends with, where this is the first problem.
        facts: The same for programs.
    """

    name: str
    state: State
    summary: str
    hint: str = ""
    stops: tuple[str, ...] = ()
    exit_code: int = ExitCode.OK
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Installation:
    """All that was looked at, in the order of `sketch2img doctor`, and which verbs can run."""

    checks: tuple[Check, ...]
    can_run: dict[str, bool]

    @property
    def problems(self) -> tuple[Check, ...]:
        """What is broken."""
        return tuple(check for check in self.checks if check.state is State.PROBLEM)

    @property
    def exit_code(self) -> ExitCode:
        """0 if all five verbs can run, else the first problem's."""
        return ExitCode(self.problems[0].exit_code) if self.problems else ExitCode.OK


def examine(reporter: Reporter = SILENT) -> Installation:
    """Look at the installation, each thing that may crash in a process of its own.

    Args:
        reporter: Told of each step.
    """
    checks = []
    for check in _look():
        checks.append(check)
        reporter(Advanced("checks", len(checks), STEPS))
    return installation(checks)


def _look() -> Iterator[Check]:
    yield check_program()
    yield check_python()
    opencv, light = ask(probes.ask_opencv, probes.ask_light_imports)
    torch, on_torch, computed, drawn = ask(
        probes.ask_torch, probes.ask_imports_on_torch, probes.ask_computing, probes.ask_trial
    )
    build = check_torch(torch)
    yield build
    pictures = check_opencv(opencv)
    yield pictures
    # What a broken torch or OpenCV takes with it is not told again.
    yield check_libraries(
        Answer() if is_broken(pictures) else light, Answer() if is_broken(build) else on_torch
    )
    can_compute = not (is_broken(build) or on_torch.error)
    device = check_device(computed) if can_compute else _not_tried("device")
    yield device
    yield check_threads(device.facts)
    yield check_memory()
    yield check_folders()
    yield check_disk()
    yield check_assets()
    model = check_bundled()
    yield model
    can_generate = can_compute and not any(map(is_broken, (pictures, device)))
    is_tried = can_generate and model.state is State.OK
    yield check_trial(drawn) if is_tried else _not_tried("trial")


def is_broken(check: Check) -> bool:
    """Whether something that stands on it need not be looked at."""
    return check.state is State.PROBLEM


def _not_tried(name: str) -> Check:
    return Check(name, State.NOTE, "not tried: see above")


VERBS = ("fetch-data", "preprocess", "train", "generate", "eval")


def installation(checks: Iterable[Check]) -> Installation:
    """The checks, and which verbs they leave."""
    found = tuple(checks)
    stopped = {verb for check in found for verb in check.stops}
    return Installation(found, {verb: verb not in stopped for verb in VERBS})


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


COMPUTING = ("train", "generate", "eval")
LEAST_SPREAD = 5.0  # standard deviation of a photo's levels; one grey has 0


def check_device(answer: Answer) -> Check:
    """The device and precision that `train` would choose, with the speed of each.

    Args:
        answer: To `probes.ask_computing`.
    """
    if answer.error:
        hint = "--device cpu may still work; report it with this block"
        return Check("device", State.PROBLEM, answer.error, hint, COMPUTING, ExitCode.DEVICE)
    facts = answer.facts
    speeds, chosen = facts["gigaflops"], facts["precision"]
    others = [f"{speed:,.0f} in {name}" for name, speed in speeds.items() if name != chosen]
    name = _processor() if facts["device"] == "cpu" else facts["device"]
    text = f"{name}: {chosen}, {speeds[chosen]:,.0f} GFLOP/s in a convolution ({', '.join(others)})"
    return Check("device", State.OK, text, facts=facts | {"processor": _processor()})


def check_threads(facts: Facts) -> Check:
    """How many threads compute on how many cores, and whether others want them too.

    Args:
        facts: Those of the device's check, for the threads that torch takes.
    """
    usable, cores, quota = machine.usable_cores(), os.cpu_count() or 1, machine.cpu_quota()
    threads, others = facts.get("threads", usable), machine.busy_elsewhere()
    told = f"{_count(threads, 'thread')} on {usable} of {_count(cores, 'core')}"
    busy = min(others, cores)  # more may wait for them
    told += f", {busy:.1f} busy with other programs" if others >= machine.A_CORE else ""
    setting = os.environ.get(machine.THREADS_VARIABLE)
    told += f"; {machine.THREADS_VARIABLE}={setting}" if setting else ""
    warning = machine.crowding(threads, usable=usable, cores=cores, others=others)
    return Check(
        "threads",
        State.NOTE if warning else State.OK,
        told,
        warning,
        facts={
            "threads": threads,
            "usable_cores": usable,
            "cores": cores,
            "quota": None if quota == float("inf") else quota,
            "busy_elsewhere": others,
            machine.THREADS_VARIABLE: setting,
        },
    )


def check_trial(answer: Answer) -> Check:
    """One drawn sketch; loading its model compares a GPU with the CPU.

    Args:
        answer: To `probes.ask_trial`.
    """
    if answer.error:
        hint = "what stands above may say why; else report it with this block"
        return Check("trial", State.PROBLEM, answer.error, hint, ("generate",), ExitCode.DEVICE)
    facts = answer.facts
    times = ", ".join(f"{each:,.0f} ms on {name}" for name, each in facts["milliseconds"].items())
    text = f"a sketch became a photo of {probes.TRIAL_SIZE}x{probes.TRIAL_SIZE}: {times}"
    if facts["spread"] < LEAST_SPREAD:
        fault, hint = "the photo is one grey", "use --device cpu, and report it with this block"
        return Check("trial", State.PROBLEM, fault, hint, ("generate",), ExitCode.DEVICE, facts)
    return Check("trial", State.OK, text, facts=facts)


def check_memory() -> Check:
    """The machine's memory, where it can be read."""
    found = _memory()
    if not found:
        return Check("memory", State.OK, "not known on this system")
    text = f"{found['free']:.1f} of {found['total']:.1f} GB free"
    return Check("memory", State.OK, text, facts={f"{key}_gb": each for key, each in found.items()})


def _memory() -> dict[str, float]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
        return {
            "total": kilobytes["MemTotal"] * 1024 / 1e9,
            "free": kilobytes["MemAvailable"] * 1024 / 1e9,
        }
    except (OSError, LookupError, ValueError):  # no Linux
        return {}


def _processor() -> str:
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


MEGA, GIGA = 1e6, 1e9
LITTLE_BYTES = 2 * GIGA  # a training run with its states, samples and report takes some 300 MB
NO_BYTES = 100 * MEGA  # two states of the default networks do not fit
WRITING_VERBS = ("fetch-data", "preprocess", "train", "eval")


def check_folders() -> Check:
    """The home and what is in its rooms; whether it can be written to."""
    home, is_set = paths.home(), paths.HOME_VARIABLE in os.environ
    facts: dict[str, Any] = {"home": str(home), "is_set": is_set}
    whose = f"{paths.HOME_VARIABLE}={home}" if is_set else str(home)
    if not os.access(existing(home), os.W_OK | os.X_OK) or not existing(home).is_dir():
        hint = f"set {paths.HOME_VARIABLE} to a folder that can be written to"
        text = f"{whose}: cannot be written to"
        return Check("folders", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    counts = {
        "fetched set": _folders_in(paths.raw_home()),
        "prepared set": _folders_in(paths.prepared_home()),
        "run": _folders_in(paths.runs_home()),
        "finished run": len(finished_runs()),
        "evaluation": _folders_in(paths.evaluations_home()),
    }
    facts |= {f"{name}s".replace(" ", "_"): count for name, count in counts.items()}
    told = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n)
    return Check("folders", State.OK, f"{whose}: {told or 'nothing yet'}", facts=facts)


def check_disk() -> Check:
    """Room for what is to be written."""
    folder = existing(paths.home())
    free = shutil.disk_usage(folder).free
    text, facts = f"{free / GIGA:,.1f} GB free", {"free_gb": free / GIGA}
    if free < NO_BYTES:
        hint = f"make room, or set {paths.HOME_VARIABLE} to a folder on another disk"
        return Check("disk", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    if free < LITTLE_BYTES:
        return Check(
            "disk", State.NOTE, text, "a run takes some 300 MB, data sets more", facts=facts
        )
    return Check("disk", State.OK, text, facts=facts)


def check_assets() -> Check:
    """Which of the known sets and networks are here."""
    try:
        listed = [each for each in list_assets() if each.kind != "local"]
    except (SketchError, OSError) as error:
        return Check("assets", State.NOTE, str(error), getattr(error, "hint", ""))
    here, begun = _named(listed, "ready"), _named(listed, "partial")
    networks = [each.name for each in listed if each.kind == "network"]
    absent = [name for name in networks if name not in here]
    facts = {"ready": here, "partial": begun, "absent_networks": absent}
    told = [f"here: {', '.join(here)}" if here else "none here"]
    told += [f"begun: {', '.join(begun)}"] if begun else []
    told += [f"networks not here: {', '.join(absent)}"] if absent else []
    return Check("assets", State.OK, "; ".join(told), facts=facts)


def check_bundled() -> Check:
    """The model that comes with the program, compared with the hash that it was shipped with."""
    try:
        digest = weights.recorded_hash()
        weights.check(weights.bundled())
    except (CheckpointError, OSError, LookupError) as error:
        is_needed = not finished_runs()
        stops = ("generate",) if is_needed else ()
        text = error.message if isinstance(error, CheckpointError) else f"its hash: {error}"
        hint = "install sketch2img again, or train a model: sketch2img train"
        state = State.PROBLEM if is_needed else State.NOTE
        return Check("model", state, text, hint, stops, ExitCode.CHECKPOINT)
    size = weights.FILE.stat().st_size
    facts = {"file": str(weights.FILE), "sha256": digest, "bytes": size}
    text = f"bundled, {size / MEGA:.1f} MB, SHA-256 {digest[:12]}... as recorded"
    return Check("model", State.OK, text, facts=facts)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    # Not `Path.exists`, which raises where a folder above may not be looked into.
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110


def _folders_in(room: Path) -> int:
    if not room.is_dir():
        return 0
    return sum(1 for path in room.iterdir() if path.is_dir() and not path.name.startswith("."))


def _named(listed: Sequence[AssetListing], state: str) -> list[str]:
    return [each.name for each in listed if each.state == state]
