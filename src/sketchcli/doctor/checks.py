"""The checks of `sketch2img doctor`: everything that the five main commands need."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import sketchcli
from sketchcli import machine, paths
from sketchcli.doctor import probes
from sketchcli.doctor.probes import Facts, ask
from sketchcli.engine.events import SILENT, Advanced, Reporter
from sketchcli.engine.fetching.inventory import list_assets
from sketchcli.engine.results import Check, Installation, State
from sketchcli.errors import ExitCode, SketchError

STEPS = 12
VERBS = ("fetch-data", "preprocess", "train", "generate", "eval")
COMPUTING = ("train", "generate", "eval")
WRITING = ("fetch-data", "preprocess", "train", "eval")
STOPPED_WITHOUT = {  # any other library stops them all
    **dict.fromkeys(("requests", "urllib3"), ("fetch-data",)),
    "matplotlib": ("train", "eval"),
    "jinja2": ("preprocess", "train", "eval"),
    "safetensors": COMPUTING,
}
CHECKED_ALONE = ("torch", "opencv-python")
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
REINSTALL = "reinstall sketch2img in an environment of its own; run: pipx install sketch2img"
DESKTOP_LIBRARIES = (
    "run: apt install libgl1 libglib2.0-0 libxcb1, or replace opencv-python with "
    "opencv-python-headless"
)
MEMORY = Path("/proc/meminfo")
GIGA = 1e9
LITTLE_BYTES = 2 * GIGA  # a run with its checkpoints, samples and report takes about 300 MB
NO_BYTES = 0.1 * GIGA  # two training states of the default networks do not fit
LEAST_SPREAD = 5.0  # smallest standard deviation of a photo's levels; a uniform grey has 0


def examine(reporter: Reporter = SILENT) -> Installation:
    """Check the installation; whatever may crash runs in a process of its own."""
    checks = []
    for check in _look():
        checks.append(check)
        reporter(Advanced("checks", len(checks), STEPS))
    return installation(checks)


def installation(checks: Iterable[Check]) -> Installation:
    """Return the checks together with the commands that can still run."""
    found = tuple(checks)
    stopped = {verb for check in found for verb in check.stops}
    return Installation(found, {verb: verb not in stopped for verb in VERBS})


def _look() -> Iterator[Check]:
    program = {"version": sketchcli.__version__, "folder": str(Path(sketchcli.__file__).parent)}
    yield _fine("sketch2img", f"{program['version']}, in {program['folder']}", program)
    yield check_python()
    opencv, imports = ask(probes.ask_opencv, probes.ask_imports)
    torch, device, trial = ask(probes.ask_torch, probes.ask_device, probes.ask_trial)
    needed = [check_torch(torch), check_opencv(opencv)]
    # Libraries are not reported again if only OpenCV crashed the process that imports them.
    needed.append(check_libraries({} if opencv["error"] and imports["error"] else imports))
    needed.append(_skipped("device") if torch["error"] else check_device(device))
    yield from needed
    yield check_threads(device.get("threads", machine.usable_cores()))
    yield check_memory()
    yield check_folders()
    yield check_disk()
    yield check_assets()
    is_stopped = any("generate" in check.stops for check in needed)
    yield _skipped("trial") if is_stopped else check_trial(trial)


def _skipped(name: str) -> Check:
    return Check(name, State.NOTE, "skipped because of a problem above")


def _broken(name: str, text: str, hint: str, stops: tuple[str, ...], facts: Facts) -> Check:
    return Check(name, State.PROBLEM, text, hint, stops, ExitCode.DEVICE, facts)


def _fine(name: str, text: str, facts: Facts, hint: str = "") -> Check:
    """Return a check without a problem; a hint makes it a note."""
    return Check(name, State.NOTE if hint else State.OK, text, hint, facts=facts)


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
    return _fine("python", summary, facts)


def check_libraries(imports: Facts) -> Check:
    """Check the other libraries that are required, by the answer to `ask_imports`."""
    try:
        declared = metadata.requires("sketch2img") or []
    except metadata.PackageNotFoundError:  # run from its source, without an installation
        declared = []
    names = {re.split(r"[^\w.-]", text)[0]: "extra" in text for text in declared}
    installed = {name: version(name) for name in names if name not in CHECKED_ALONE}
    versions = {name: number for name, number in installed.items() if not names[name]}
    extras = {name: number for name, number in installed.items() if names[name]}
    errors = {name: "missing" for name, found in versions.items() if not found}
    errors |= imports.get("errors", {})
    if imports.get("error"):  # the import crashed the process, so the library is not known
        errors["one of them"] = imports["error"]
    facts = {"versions": versions, "errors": errors, "extras": extras}
    if errors:
        stopped = {verb for name in errors for verb in STOPPED_WITHOUT.get(name, VERBS)}
        text = "; ".join(f"{name}: {error}" for name, error in errors.items())
        in_order = tuple(verb for verb in VERBS if verb in stopped)
        return _broken("libraries", text, REINSTALL, in_order, facts)
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    without = ", ".join(name for name, number in extras.items() if not number)
    return _fine("libraries", f"{told}; without {without}" if without else told, facts)


def check_opencv(facts: Facts) -> Check:
    """Check OpenCV and the system libraries that it opens, by the answer to `ask_opencv`."""
    builds = [f"{name} {version(name)}" for name in OPENCV if version(name)]
    facts = facts | {"builds": builds}
    if error := facts["error"]:
        text = f"{', '.join(builds) or 'not installed'}: {error}"
        is_system = builds and ".so" in error
        return _broken("opencv", text, DESKTOP_LIBRARIES if is_system else REINSTALL, VERBS, facts)
    text = f"{facts['version']} ({', '.join(builds) or 'of unknown origin'})"
    hint = "uninstall all of them, then install one: their files overwrite each other"
    return _fine("opencv", text, facts, hint if len(builds) > 1 else "")


def check_torch(facts: Facts) -> Check:
    """Check torch and whether its build can use a GPU, by the answer to `ask_torch`."""
    facts = facts | {"driver": nvidia_driver()}
    if error := facts["error"]:
        text = f"{version('torch') or 'not installed'}: the import failed ({error})"
        return _broken("torch", text, REINSTALL, COMPUTING, facts)
    build = f"for CUDA {facts['cuda']}" if facts["cuda"] else f"for ROCm {facts['hip']}"
    has_gpu_build = bool(facts["cuda"] or facts["hip"])
    told = f"{facts['version']}, a {f'build {build}' if has_gpu_build else 'CPU-only build'}"
    if facts["has_cuda"]:
        gpus = ", ".join(
            f"{gpu['name']} ({gpu['gigabytes']:.0f} GB, capability {gpu['capability']})"
            for gpu in facts["gpus"]
        )
        return _fine("torch", f"{told}: {gpus}", facts)
    if facts["has_mps"]:
        return _fine("torch", f"{told}; --device mps uses Apple's GPU", facts)
    reason, hint = _why_on_the_cpu(facts, has_gpu_build=has_gpu_build)
    return _fine("torch", f"{told}: {reason}", facts, hint)


def _why_on_the_cpu(facts: Facts, *, has_gpu_build: bool) -> tuple[str, str]:
    """Return the reason and the hint, which is empty if there is no GPU to use."""
    driver, hidden = facts["driver"], os.environ.get("CUDA_VISIBLE_DEVICES")
    if not has_gpu_build and not driver:
        return "computes on the CPU", ""
    if not has_gpu_build:
        hint = "to use the GPU, install the CUDA build of torch that pytorch.org recommends"
        return f"it cannot use the GPU of this machine (driver {driver})", hint
    if hidden is not None and hidden.strip() in {"", "-1", "NoDevFiles"}:
        return f"CUDA_VISIBLE_DEVICES='{hidden}' hides every GPU", "unset CUDA_VISIBLE_DEVICES"
    reason = f"no GPU can be used ({facts['why_no_cuda']})"
    if driver:
        return reason, "check that the driver is new enough for this build of torch"
    return reason, "without a GPU, install torch's CPU build: it is gigabytes smaller"


def nvidia_driver() -> str:
    """Return the NVIDIA driver's version, or an empty string if no driver is visible."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown" if Path("/dev/nvidiactl").exists() else ""
    return next((word for word in words if word[0].isdigit() and "." in word), "unknown")


def version(distribution: str) -> str:
    """Return the installed version, or an empty string if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def check_device(facts: Facts) -> Check:
    """Check the device that `train` would choose, by the answer to `ask_device`."""
    if facts["error"]:
        hint = "try --device cpu, and include this output if you report the problem"
        return _broken("device", facts["error"], hint, COMPUTING, {})
    kind = f" ({facts['cpu_capability']})" if facts["device"] == "cpu" else ""
    return _fine("device", f"{facts['device']}{kind}, in {facts['precision']}", facts)


def check_threads(threads: int) -> Check:
    """Check that the cores that this process may use are enough for torch's threads, and free."""
    usable, cores, quota = machine.usable_cores(), os.cpu_count() or 1, machine.cpu_quota()
    others, setting = machine.busy_elsewhere(), os.environ.get(machine.THREADS_VARIABLE)
    told = f"{threads} thread{'s'[: threads > 1]} on {usable} of {cores} core{'s'[: cores > 1]}"
    told += f"; {machine.THREADS_VARIABLE}={setting}" if setting else ""
    facts = {
        "threads": threads,
        "usable_cores": usable,
        "cores": cores,
        "quota": None if quota == float("inf") else quota,
        "busy_elsewhere": others,
        machine.THREADS_VARIABLE: setting,
    }
    warning = machine.crowding(threads, usable=usable, cores=cores, others=others)
    return _fine("threads", told, facts, warning)


def check_memory() -> Check:
    """Report the machine's memory, if it can be read."""
    try:
        kilobytes = dict(re.findall(r"(?m)^(\w+): +(\d+) kB$", MEMORY.read_text("ascii")))
        total, free = (int(kilobytes[name]) * 1024 / GIGA for name in ("MemTotal", "MemAvailable"))
    except (OSError, LookupError, ValueError):  # this is not Linux, or a Linux without these lines
        return _fine("memory", "cannot be read on this system", {})
    facts = {"total_gb": total, "free_gb": free}
    return _fine("memory", f"{free:.1f} of {total:.1f} GB free", facts)


def check_folders() -> Check:
    """Check that the data folder is writable."""
    home, is_set = paths.home(), paths.HOME_VARIABLE in os.environ
    facts = {"home": str(home), "is_set": is_set}
    text = f"{paths.HOME_VARIABLE}={home}" if is_set else str(home)
    if os.access(existing(home), os.W_OK | os.X_OK) and existing(home).is_dir():
        return _fine("folders", text, facts)
    hint = f"set {paths.HOME_VARIABLE} to a folder with write permission"
    text += " is not a writable folder"
    return Check("folders", State.PROBLEM, text, hint, WRITING, ExitCode.DATA, facts)


def check_disk() -> Check:
    """Check the free disk space of the data folder."""
    free = shutil.disk_usage(existing(paths.home())).free
    text, facts = f"{free / GIGA:,.1f} GB free", {"free_gb": free / GIGA}
    if free < NO_BYTES:
        hint = f"free disk space, or set {paths.HOME_VARIABLE} to a folder on another disk"
        return Check("disk", State.PROBLEM, text, hint, WRITING, ExitCode.DATA, facts)
    hint = "keep 300 MB free per run, more per dataset" if free < LITTLE_BYTES else ""
    return _fine("disk", text, facts, hint)


def check_assets() -> Check:
    """Report which datasets and networks have been downloaded."""
    try:
        listed = [each for each in list_assets() if each.kind != "local"]
    except (SketchError, OSError) as error:
        return Check("assets", State.NOTE, str(error), getattr(error, "hint", ""))
    here = [each.name for each in listed if each.state == "ready"]
    begun = [each.name for each in listed if each.state == "partial"]
    absent = [each.name for each in listed if each.kind == "network" and each.name not in here]
    told = f"ready: {', '.join(here)}" if here else "none ready"
    told += f"; incomplete: {', '.join(begun)}" if begun else ""
    told += f"; networks not downloaded: {', '.join(absent)}" if absent else ""
    return _fine("assets", told, {"ready": here, "partial": begun, "absent_networks": absent})


def check_trial(facts: Facts) -> Check:
    """Check the photo generated from one sketch, by the answer to `ask_trial`."""
    if facts["error"]:
        hint = "reinstall sketch2img, or include this output if you report the problem"
        return _broken("trial", facts["error"], hint, ("generate",), {})
    times = ", ".join(f"{each:,.0f} ms on {name}" for name, each in facts["milliseconds"].items())
    if facts["spread"] < LEAST_SPREAD:
        fault, hint = "the photo is a uniform grey", "use --device cpu, and report the problem"
        return _broken("trial", fault, hint, ("generate",), facts)
    size = probes.TRIAL_SIZE
    return _fine("trial", f"generated a {size}x{size} photo from a sketch: {times}", facts)


def existing(folder: Path) -> Path:
    """Return the folder if it exists, else the nearest existing parent."""
    # `Path.exists` would raise if a folder above may not be read.
    return next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110
