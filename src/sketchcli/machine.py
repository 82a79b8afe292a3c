"""The resources of a process: its cores and memory, and its rank among those under torchrun."""

import contextlib
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sketchcli.errors import UsageError

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LOAD, MEMORY = Path("/proc/loadavg"), Path("/proc/meminfo")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")  # auto: the fastest on this machine
THREADS_VARIABLE = "OMP_NUM_THREADS"
A_CORE = 0.75  # cores of load from which other programs count as busy


@dataclass(frozen=True)
class ProcessRank:
    """Rank of this process, from 0, among all processes and among those on its machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the main process, which writes and reports."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> "ProcessRank":
        """Return the rank that torchrun set; without torchrun, that of the only process."""
        rank, count = number("RANK", 0), number("WORLD_SIZE", 1)
        if count <= 1:
            return cls()
        if not 0 <= rank < count:
            raise UsageError(
                f"RANK={rank} is out of range for WORLD_SIZE={count}",
                hint="start the processes with torchrun, which sets both",
            )
        if missing := [n for n in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(n)]:
            raise UsageError(
                f"WORLD_SIZE={count} is set without {' and '.join(missing)}",
                hint="start the processes with torchrun, which sets them, or unset WORLD_SIZE",
            )
        return cls(rank, count, number("LOCAL_RANK", 0), number("LOCAL_WORLD_SIZE", 1))


def number(variable: str, default: int) -> int:
    """Return a whole number from the environment."""
    try:
        return int(os.environ.get(variable, default))
    except ValueError as error:
        text = os.environ[variable]
        raise UsageError(
            f"{variable} must be a whole number, not '{text}'",
            hint="start the processes with torchrun, which sets this variable, or unset it",
        ) from error


def usable_cores() -> int:
    """Return the number of cores that the process's affinity and control groups allow."""
    offered = os.cpu_count() or 1
    if sys.platform == "linux":  # other systems cannot be asked for a process's affinity
        offered = len(os.sched_getaffinity(0))
    return max(1, math.floor(min(offered, cpu_quota())))


def cpu_quota(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float:
    """Return how many cores' time control groups allow this process; infinite without a limit."""
    quotas = [math.inf]
    for folder in _control_groups("cpu", root, own):
        with contextlib.suppress(OSError, ValueError):  # many folders set no quota
            if (folder / "cpu.max").is_file():
                limit, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            else:
                limit = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
                period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
            if limit.strip() != "max" and int(limit) > 0:
                quotas.append(int(limit) / int(period))
    return min(quotas)


def available_memory(root: Path = CGROUPS, own: Path = OWN_CGROUP, memory: Path = MEMORY) -> float:
    """Return how many bytes this process can still take without swapping; infinite if unknown.

    Its control groups may leave less than the system. Files that the system has cached for a group
    count as free. Outside Linux it is the size of the memory.
    """
    try:
        kilobytes = re.search(r"(?m)^MemAvailable: +(\d+) kB$", memory.read_text("ascii"))
        free = [float(kilobytes[1]) * 1024 if kilobytes else math.inf]
    except (OSError, ValueError):  # this is not Linux
        if sys.platform != "win32":
            return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        return math.inf
    for folder in _control_groups("memory", root, own):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with contextlib.suppress(OSError, ValueError):  # `max`, or the other version
                allowed, taken = (int((folder / name).read_text("ascii")) for name in (limit, used))
                statistics = (folder / "memory.stat").read_text("ascii")
                files = re.search(rf"(?m)^{cached} (\d+)$", statistics)
                free.append(max(0.0, allowed - taken + int(files[1] if files else 0)))
    return min(free)


def _control_groups(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of those that hold them."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # this is not Linux
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / controllers if controllers else root  # cgroup version 1, or else 2
        group = mount / path.strip("/")
        yield from (each for each in (group, *group.parents) if each.is_relative_to(root))


def busy_elsewhere(load: Path = LOAD) -> float:
    """Return how many cores other programs keep busy, now and on average over the last minute.

    The lower number counts: neither a program that has just ended nor a brief one merits a warning.
    """
    try:
        minute, _, _, running, *_ = load.read_text(encoding="ascii").split()
        now = int(running.partition("/")[0]) - 1  # this process does not count
        return max(0.0, min(float(minute), float(now)))
    except (OSError, ValueError):  # this is not Linux
        return 0.0


def crowding(threads: int, *, processes: int = 1) -> str:
    """Return a warning with its remedy if more threads than cores would compute, else nothing.

    `threads` counts those of each of this program's `processes` on this machine. Threads wait for
    each other at every step: two programs that share two cores each take five times as long.
    """
    usable, others = usable_cores(), busy_elsewhere()
    cores, fitting = os.cpu_count() or usable, max(1, usable // processes)
    if threads * processes > usable and processes > 1:
        cure = f"set {THREADS_VARIABLE}={fitting}" if threads > fitting else "start fewer processes"
        each = f"{processes} processes of {_count(threads, 'thread')} each"
        return f"{each} share {_count(usable, 'core')}: {cure}"
    if threads > usable:
        return (
            f"running {_count(threads, 'thread')} on the {_count(usable, 'core')} that this "
            f"process may use makes training several times slower: unset {THREADS_VARIABLE}, or "
            f"set it to {usable}"
        )
    if others < A_CORE or others + threads * processes < cores + A_CORE:
        return ""
    free = math.floor(cores - others)
    fewer = f", or set {THREADS_VARIABLE}={free} to use only idle cores" if free >= 1 else ""
    busy = min(others, cores)  # the load also counts processes that wait for a core
    return (
        f"other programs keep {busy:.0f} of {_count(cores, 'core')} busy; sharing cores makes "
        f"training several times slower: wait until they have ended{fewer}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
