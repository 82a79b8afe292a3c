"""The checks of `sketch2img doctor`: everything that the five main commands need."""

import os
import platform
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import sketchcli
from sketchcli import machine, paths, weights
from sketchcli.doctor import probes
from sketchcli.doctor.probes import Answer, Facts, ask
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.fetching.inventory import list_assets
from sketchcli.engine.results import AssetListing, Check, Installation, State
from sketchcli.engine.runs import finished_runs
from sketchcli.errors import CheckpointError, ExitCode, SketchError

STEPS = 13


def examine(reporter: Reporter = SILENT) -> Installation:
    """Check the installation; whatever may crash runs in a process of its own."""
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
    # Libraries that fail only because torch or OpenCV is broken are not reported again.
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
    """Return whether checks that depend on this one can be skipped."""
    return check.state is State.PROBLEM


def _not_tried(name: str) -> Check:
    return Check(name, State.NOTE, "skipped because of a problem above")


VERBS = ("fetch-data", "preprocess", "train", "generate", "eval")


def installation(checks: Iterable[Check]) -> Installation:
    """Return the checks together with the commands that can still run."""
    found = tuple(checks)
    stopped = {verb for check in found for verb in check.stops}
    return Installation(found, {verb: verb not in stopped for verb in VERBS})


# Required distributions, each with the commands that cannot run without it.
REQUIRED = {
    "typer": VERBS,
    "rich": VERBS,
    "torch": ("train", "generate", "eval"),
    "opencv-python": VERBS,
    "numpy": VERBS,
    "platformdirs": VERBS,
    "safetensors": ("train", "generate", "eval"),
    "matplotlib": ("train", "eval"),
    "jinja2": ("preprocess", "train", "eval"),
    "requests": ("fetch-data",),
    "urllib3": ("fetch-data",),
    "filelock": VERBS,
}
OPTIONAL = {"tensorboard": "train --tensorboard", "onnx": "export", "onnxruntime": "export"}
CHECKED_ALONE = ("torch", "opencv-python")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
REINSTALL = "reinstall sketch2img in an environment of its own; run: pipx install sketch2img"
DESKTOP_LIBRARIES = (
    "run: apt install libgl1 libglib2.0-0 libxcb1, or replace opencv-python with "
    "opencv-python-headless"
)
DEVICE = ExitCode.DEVICE
CPU_BUILD = "a CPU-only build"


def check_program() -> Check:
    """Report the version of sketch2img and its folder."""
    folder = Path(sketchcli.__file__).parent
    facts = {"version": sketchcli.__version__, "folder": str(folder)}
    return Check("sketch2img", State.OK, f"{sketchcli.__version__}, in {folder}", facts=facts)


def check_python() -> Check:
    """Report the Python interpreter, its environment and the operating system."""
    kind = "a virtual environment" if sys.prefix != sys.base_prefix else "the system's Python"
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
    """Check the other libraries, by the answers to the two questions about imports."""
    versions = {name: version(name) for name in REQUIRED}
    errors: dict[str, str] = {name: "missing" for name, found in versions.items() if not found}
    for answer in (light, on_torch):
        errors |= answer.facts.get("errors", {})
        if answer.error:  # the import crashed the process, so the library is not known
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
    """Check OpenCV and the system libraries that it opens, by the answer to `ask_opencv`."""
    builds = [f"{name} {version(name)}" for name in OPENCV if version(name)]
    facts = answer.facts | {"builds": builds, "error": answer.error}
    if answer.error:
        text, hint = _broken_opencv(answer.error, builds)
        return Check("opencv", State.PROBLEM, text, hint, VERBS, DEVICE, facts)
    if not facts["reads_what_it_writes"]:
        text = f"{facts['version']} does not read back the pixels that it wrote"
        return Check("opencv", State.PROBLEM, text, REINSTALL, VERBS, DEVICE, facts)
    text = f"{facts['version']} ({', '.join(builds) or 'of unknown origin'}) reads what it writes"
    if len(builds) > 1:
        hint = "uninstall all of them, then install one: their files overwrite each other"
        return Check("opencv", State.NOTE, text, hint, facts=facts)
    return Check("opencv", State.OK, text, facts=facts)


def check_torch(answer: Answer) -> Check:
    """Check torch and whether its build can use a GPU, by the answer to `ask_torch`."""
    driver = probes.nvidia_driver()
    facts = answer.facts | {"driver": driver, "error": answer.error}
    if answer.error:
        text = f"{version('torch') or 'not installed'}: the import failed ({answer.error})"
        return Check("torch", State.PROBLEM, text, REINSTALL, REQUIRED["torch"], DEVICE, facts)
    told = f"{facts['version']}, {_build(facts)}"
    if facts["has_cuda"]:
        gpus = ", ".join(
            f"{gpu['name']} ({gpu['gigabytes']:.0f} GB, capability {gpu['capability']})"
            for gpu in facts["gpus"]
        )
        return Check("torch", State.OK, f"{told}: {gpus}", facts=facts)
    if facts["has_mps"]:
        return Check("torch", State.OK, f"{told}; --device mps uses Apple's GPU", facts=facts)
    reason, hint, state = _why_on_the_cpu(facts, driver)
    return Check("torch", state, f"{told}: {reason}", hint, facts=facts)


def in_order(verbs: Collection[str]) -> tuple[str, ...]:
    """Return commands in the order in which they are used."""
    return tuple(verb for verb in VERBS if verb in verbs)


def version(distribution: str) -> str:
    """Return the installed version, or an empty string if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _build(facts: Facts) -> str:
    if facts["cuda"]:
        return f"a build for CUDA {facts['cuda']}"
    return f"a build for ROCm {facts['hip']}" if facts["hip"] else CPU_BUILD


def _why_on_the_cpu(facts: Facts, driver: str) -> tuple[str, str, State]:
    """Return the reason, the hint and the severity."""
    if not facts["cuda"] and not facts["hip"]:
        if driver:
            hint = "to use the GPU, install the CUDA build of torch that pytorch.org recommends"
            return f"it cannot use the GPU of this machine (driver {driver})", hint, State.NOTE
        return "computes on the CPU", "", State.OK
    if hidden := probes.hidden_gpus():
        hint = "unset CUDA_VISIBLE_DEVICES"
        return f"CUDA_VISIBLE_DEVICES={hidden} hides every GPU", hint, State.NOTE
    reason = f"no GPU can be used ({facts['why_no_cuda']})"
    if driver:
        return reason, "check that the driver is new enough for this build of torch", State.NOTE
    return reason, "without a GPU, install torch's CPU build: it is gigabytes smaller", State.NOTE


def _broken_opencv(error: str, builds: list[str]) -> tuple[str, str]:
    if not builds:
        return f"not installed: {error}", REINSTALL
    is_system = ".so" in error
    return f"{', '.join(builds)}: {error}", DESKTOP_LIBRARIES if is_system else REINSTALL


COMPUTING = ("train", "generate", "eval")
LEAST_SPREAD = 5.0  # smallest standard deviation of a photo's levels; a uniform grey has 0


def check_device(answer: Answer) -> Check:
    """Check the device that `train` would choose, by the answer to `ask_computing`."""
    if answer.error:
        hint = "try --device cpu, and include this output if you report the problem"
        return Check("device", State.PROBLEM, answer.error, hint, COMPUTING, ExitCode.DEVICE)
    facts = answer.facts
    speeds, chosen = facts["gigaflops"], facts["precision"]
    others = [f"{speed:,.0f} in {name}" for name, speed in speeds.items() if name != chosen]
    name = _processor() if facts["device"] == "cpu" else facts["device"]
    text = f"{name}: {chosen}, {speeds[chosen]:,.0f} GFLOP/s in a convolution ({', '.join(others)})"
    return Check("device", State.OK, text, facts=facts | {"processor": _processor()})


def check_threads(facts: Facts) -> Check:
    """Check that torch's threads, by the facts of the device check, have enough free cores."""
    usable, cores, quota = machine.usable_cores(), os.cpu_count() or 1, machine.cpu_quota()
    threads, others = facts.get("threads", usable), machine.busy_elsewhere()
    told = f"{_count(threads, 'thread')} on {usable} of {_count(cores, 'core')}"
    busy = min(others, cores)  # the load also counts processes that wait for a core
    told += f"; other programs use {busy:.1f} cores" if others >= machine.A_CORE else ""
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
    """Check the photo generated from one sketch, by the answer to `ask_trial`."""
    if answer.error:
        hint = "check the lines above for the cause, or include this output in a problem report"
        return Check("trial", State.PROBLEM, answer.error, hint, ("generate",), ExitCode.DEVICE)
    facts = answer.facts
    times = ", ".join(f"{each:,.0f} ms on {name}" for name, each in facts["milliseconds"].items())
    text = f"generated a {probes.TRIAL_SIZE}x{probes.TRIAL_SIZE} photo from a sketch: {times}"
    if facts["spread"] < LEAST_SPREAD:
        fault, hint = "the photo is a uniform grey", "use --device cpu, and report the problem"
        return Check("trial", State.PROBLEM, fault, hint, ("generate",), ExitCode.DEVICE, facts)
    return Check("trial", State.OK, text, facts=facts)


def check_memory() -> Check:
    """Report the machine's memory, if it can be read."""
    found = _memory()
    if not found:
        return Check("memory", State.OK, "cannot be read on this system")
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
    except (OSError, LookupError, ValueError):  # this is not Linux
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
LITTLE_BYTES = 2 * GIGA  # a run with its checkpoints, samples and report takes about 300 MB
NO_BYTES = 100 * MEGA  # two training states of the default networks do not fit
WRITING_VERBS = ("fetch-data", "preprocess", "train", "eval")


def check_folders() -> Check:
    """Check that the data folder is writable, and count what it contains."""
    home, is_set = paths.home(), paths.HOME_VARIABLE in os.environ
    facts: dict[str, Any] = {"home": str(home), "is_set": is_set}
    whose = f"{paths.HOME_VARIABLE}={home}" if is_set else str(home)
    if not os.access(existing(home), os.W_OK | os.X_OK) or not existing(home).is_dir():
        hint = f"set {paths.HOME_VARIABLE} to a folder with write permission"
        text = f"{whose} is not a writable folder"
        return Check("folders", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    counts = {
        "fetched set": _folders_in(paths.raw_home()),
        "prepared set": _folders_in(paths.prepared_home()),
        "run": _folders_in(paths.runs_home()),
        "finished run": len(finished_runs()),
        "evaluation": _folders_in(paths.evaluations_home()),
    }
    facts |= {f"{name}s".replace(" ", "_"): count for name, count in counts.items()}
    shown = {name.replace("set", "dataset"): n for name, n in counts.items() if n}
    told = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in shown.items())
    return Check("folders", State.OK, f"{whose}: {told or 'nothing yet'}", facts=facts)


def check_disk() -> Check:
    """Check the free disk space of the data folder."""
    folder = existing(paths.home())
    free = shutil.disk_usage(folder).free
    text, facts = f"{free / GIGA:,.1f} GB free", {"free_gb": free / GIGA}
    if free < NO_BYTES:
        hint = f"free disk space, or set {paths.HOME_VARIABLE} to a folder on another disk"
        return Check("disk", State.PROBLEM, text, hint, WRITING_VERBS, ExitCode.DATA, facts)
    if free < LITTLE_BYTES:
        return Check(
            "disk", State.NOTE, text, "keep 300 MB free per run, more per dataset", facts=facts
        )
    return Check("disk", State.OK, text, facts=facts)


def check_assets() -> Check:
    """Report which datasets and networks have been downloaded."""
    try:
        listed = [each for each in list_assets() if each.kind != "local"]
    except (SketchError, OSError) as error:
        return Check("assets", State.NOTE, str(error), getattr(error, "hint", ""))
    here, begun = _named(listed, "ready"), _named(listed, "partial")
    networks = [each.name for each in listed if each.kind == "network"]
    absent = [name for name in networks if name not in here]
    facts = {"ready": here, "partial": begun, "absent_networks": absent}
    told = [f"ready: {', '.join(here)}" if here else "none ready"]
    told += [f"incomplete: {', '.join(begun)}"] if begun else []
    told += [f"networks not downloaded: {', '.join(absent)}"] if absent else []
    return Check("assets", State.OK, "; ".join(told), facts=facts)


def check_bundled() -> Check:
    """Check the bundled model against the hash that it was shipped with."""
    try:
        digest = weights.recorded_hash()
        weights.check(weights.bundled())
    except (CheckpointError, OSError, LookupError) as error:
        is_needed = not finished_runs()
        stops = ("generate",) if is_needed else ()
        text = error.message if isinstance(error, CheckpointError) else f"no readable hash: {error}"
        hint = "reinstall sketch2img, or train a model; run: sketch2img train"
        state = State.PROBLEM if is_needed else State.NOTE
        return Check("model", state, text, hint, stops, ExitCode.CHECKPOINT)
    size = weights.FILE.stat().st_size
    facts = {"file": str(weights.FILE), "sha256": digest, "bytes": size}
    text = f"bundled, {size / MEGA:.1f} MB, SHA-256 {digest[:12]}... matches"
    return Check("model", State.OK, text, facts=facts)


def existing(folder: Path) -> Path:
    """Return the folder if it exists, else the nearest existing parent."""
    # `Path.exists` would raise if a folder above may not be read.
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110


def _folders_in(room: Path) -> int:
    if not room.is_dir():
        return 0
    return sum(1 for path in room.iterdir() if path.is_dir() and not path.name.startswith("."))


def _named(listed: Sequence[AssetListing], state: str) -> list[str]:
    return [each.name for each in listed if each.state == state]
