"""The checks of `sketch2img doctor`: everything that the five main commands need."""

import contextlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
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

STEPS = 10
VERBS = ("fetch-data", "preprocess", "train", "generate", "eval")
COMPUTING = ("train", "generate", "eval")
WRITING = ("fetch-data", "preprocess", "train", "eval")
ALONE = ("torch", "opencv-python")  # libraries with a check of their own
STOPPED_WITHOUT = {  # any other library stops them all
    "requests": ("fetch-data",),
    "urllib3": ("fetch-data",),
    "matplotlib": ("train", "eval"),
    "jinja2": ("preprocess", "train", "eval"),
    "safetensors": COMPUTING,
    **dict.fromkeys(("starlette", "uvicorn"), ()),  # `draw` alone needs them
}
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
REINSTALL = "reinstall sketch2img in an environment of its own; run: pipx install sketch2img"
DESKTOP = "run: apt install libgl1 libglib2.0-0 libxcb1, or install opencv-python-headless instead"
REPORT = "include this output if you report the problem"
SKIPPED = "skipped because of a problem above"
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
    told, folder = sketchcli.__version__, str(Path(sketchcli.__file__).parent)
    yield _check("sketch2img", f"{told}, in {folder}", {"version": told, "folder": folder})
    told, system = platform.python_version(), platform.platform()
    facts = {"version": told, "platform": system, "prefix": sys.prefix}
    yield _check("python", f"{told} on {system}, in {sys.prefix}", facts)
    [opencv], [imports] = ask(probes.ask_opencv), ask(probes.ask_imports)
    torch, device, trial = ask(probes.ask_torch, probes.ask_device, probes.ask_trial)
    needed = [check_torch(torch), check_opencv(opencv), check_libraries(imports)]
    needed.append(Check("device", State.NOTE, SKIPPED) if torch["error"] else check_device(device))
    yield from needed
    yield check_memory()
    yield check_folders()
    yield check_assets()
    is_stopped = any("generate" in check.stops for check in needed)
    yield Check("trial", State.NOTE, SKIPPED) if is_stopped else check_trial(trial)


def _check(name: str, text: str, facts: Facts, hint: str = "", stops: Sequence[str] = ()) -> Check:
    """Return a check: a problem if it stops commands, else a note if it has a hint."""
    if not stops:
        return Check(name, State.NOTE if hint else State.OK, text, hint, facts=facts)
    code = ExitCode.DATA if name == "folders" else ExitCode.DEVICE
    return Check(name, State.PROBLEM, text, hint, tuple(stops), code, facts)


def check_libraries(imports: Facts) -> Check:
    """Check the other libraries that are declared, by the answer to `ask_imports`."""
    found = metadata.distributions(name="sketch2img")  # none if it is run from its source
    declared = [text for distribution in found for text in distribution.requires or ()]
    is_extra = {re.split(r"[^\w.-]", text)[0]: "extra" in text for text in declared}
    versions = {name: version(name) for name in is_extra if name not in ALONE}
    missing = [name for name, number in versions.items() if not number]
    errors = {name: "missing" for name in missing if not is_extra[name]}
    errors |= imports.get("errors", {})
    if imports["error"]:  # the import crashed the process, so the library is not known
        errors["one of them"] = imports["error"]
    facts = {"versions": versions, "errors": errors}
    if errors:
        stopped = {verb for name in errors for verb in STOPPED_WITHOUT.get(name, VERBS)}
        in_order = [verb for verb in VERBS if verb in stopped]
        text = "; ".join(f"{name}: {error}" for name, error in errors.items())
        return _check("libraries", text, facts, REINSTALL, in_order)
    told = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    told += f"; without {', '.join(missing)}" if missing else ""
    return _check("libraries", told, facts)


def check_opencv(facts: Facts) -> Check:
    """Check OpenCV and the system libraries that it opens, by the answer to `ask_opencv`."""
    builds = [f"{name} {version(name)}" for name in OPENCV if version(name)]
    told, facts = ", ".join(builds), facts | {"builds": builds}
    if error := facts["error"]:
        hint = DESKTOP if builds and ".so" in error else REINSTALL
        return _check("opencv", f"{told or 'not installed'}: {error}", facts, hint, VERBS)
    hint = "uninstall all of them, then install one: their files overwrite each other"
    told = f"{facts['version']} ({told or 'of unknown origin'})"
    return _check("opencv", told, facts, hint if len(builds) > 1 else "")


def check_torch(facts: Facts) -> Check:
    """Check torch and why it uses a GPU or not, by the answer to `ask_torch`."""
    driver, hidden = nvidia_driver(), os.environ.get("CUDA_VISIBLE_DEVICES")
    facts, hint = facts | {"driver": driver}, ""
    if error := facts["error"]:
        text = f"{version('torch') or 'not installed'}: the import failed ({error})"
        return _check("torch", text, facts, REINSTALL, COMPUTING)
    if facts["gpus"]:
        told = ", ".join(facts["gpus"])
    elif facts["has_mps"]:
        told = "--device mps uses Apple's GPU"
    elif facts["build"] == "CPU-only" and not driver:
        told = "computes on the CPU"
    elif facts["build"] == "CPU-only":
        told = f"it cannot use the GPU of this machine (driver {driver})"
        hint = "to use the GPU, install the CUDA build of torch that pytorch.org recommends"
    elif hidden is not None and hidden.strip() in {"", "-1", "NoDevFiles"}:
        told = f"CUDA_VISIBLE_DEVICES='{hidden}' hides every GPU"
        hint = "unset CUDA_VISIBLE_DEVICES"
    else:
        told = f"no GPU can be used ({facts['why_no_gpu']})"
        hint = "without a GPU, install torch's CPU build: it is gigabytes smaller"
        hint = "check that the driver is new enough for this build of torch" if driver else hint
    return _check("torch", f"{facts['version']}, a {facts['build']} build: {told}", facts, hint)


def nvidia_driver() -> str:
    """Return the NVIDIA driver's version, or an empty string if no driver is visible."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown" if Path("/dev/nvidiactl").exists() else ""
    return next((word for word in words if word[0].isdigit() and "." in word), "unknown")


def version(distribution: str) -> str:
    """Return the installed version, or an empty string if it is not installed."""
    return next((found.version for found in metadata.distributions(name=distribution)), "")


def check_device(facts: Facts) -> Check:
    """Check the device that `train` would choose and its threads, by the answer to `ask_device`."""
    if error := facts["error"]:
        return _check("device", error, {}, f"try --device cpu, and {REPORT}", COMPUTING)
    threads, usable, cores = facts["threads"], machine.usable_cores(), os.cpu_count() or 1
    told = f"{facts['device']}, in {facts['precision']}, with {threads} thread{'s'[: threads > 1]}"
    told += f" on {usable} of {cores} core{'s'[: cores > 1]}"
    if setting := os.environ.get(machine.THREADS_VARIABLE):
        told += f"; {machine.THREADS_VARIABLE}={setting}"
    facts = facts | {"usable_cores": usable, "cores": cores}
    return _check("device", told, facts, machine.crowding(threads))


def check_memory() -> Check:
    """Report the machine's memory, if it can be read."""
    told, facts = "cannot be read on this system", {}
    with contextlib.suppress(OSError, LookupError, ValueError):  # not Linux, or without these lines
        kilobytes = dict(re.findall(r"(?m)^(\w+): +(\d+) kB$", MEMORY.read_text("ascii")))
        total, free = (int(kilobytes[name]) * 1024 / GIGA for name in ("MemTotal", "MemAvailable"))
        told, facts = f"{free:.1f} of {total:.1f} GB free", {"total_gb": total, "free_gb": free}
    return _check("memory", told, facts)


def check_folders() -> Check:
    """Check that the data folder is writable and that its disk has space."""
    home = paths.home()
    # `Path.exists` would raise if a folder above may not be read.
    nearest = next(place for place in (home, *home.parents) if os.path.exists(place))  # noqa: PTH110
    free = shutil.disk_usage(nearest).free
    told = f"{paths.HOME_VARIABLE}={home}" if paths.HOME_VARIABLE in os.environ else str(home)
    facts = {"home": str(home), "free_gb": free / GIGA}
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        hint = f"set {paths.HOME_VARIABLE} to a folder with write permission"
        fault = f"{told} is not a writable folder"
        if home == paths.NO_HOME:
            fault = "there is no data folder, since this user has no home folder or may not read it"
        return _check("folders", fault, facts, hint, WRITING)
    told += f", {free / GIGA:,.1f} GB free"
    if free < NO_BYTES:
        hint = f"free disk space, or set {paths.HOME_VARIABLE} to a folder on another disk"
        return _check("folders", told, facts, hint, WRITING)
    hint = "keep 300 MB free per run, more per dataset" if free < LITTLE_BYTES else ""
    return _check("folders", told, facts, hint)


def check_assets() -> Check:
    """Report which datasets and networks have been downloaded."""
    try:
        listed = [each for each in list_assets() if each.kind != "local"]
    except (SketchError, OSError) as error:
        return Check("assets", State.NOTE, str(error), getattr(error, "hint", ""))
    ready = [each.name for each in listed if each.state == "ready"]
    absent = [each.name for each in listed if each.kind == "network" and each.name not in ready]
    told = f"ready: {', '.join(ready)}" if ready else "none ready"
    told += f"; networks not downloaded: {', '.join(absent)}" if absent else ""
    return _check("assets", told, {"ready": ready, "absent_networks": absent})


def check_trial(facts: Facts) -> Check:
    """Check the photo generated from one sketch, by the answer to `ask_trial`."""
    if error := facts["error"]:
        return _check("trial", error, {}, f"reinstall sketch2img, or {REPORT}", ("generate",))
    if min(facts["spread"].values()) < LEAST_SPREAD:
        fault, hint = "the photo is a uniform grey", "use --device cpu, and report the problem"
        return _check("trial", fault, facts, hint, ("generate",))
    told = f"generated a photo from a sketch on {', '.join(facts['spread'])}"
    return _check("trial", told, facts)
