"""What computes: the device, the precision and its speed, the threads, and one drawn sketch."""

import os
import platform
import sys
from pathlib import Path

from sketchcli import machine
from sketchcli.engine.installation import probes
from sketchcli.engine.installation.asking import Answer, Facts
from sketchcli.engine.installation.findings import Check, State
from sketchcli.errors import ExitCode

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
