"""What a process may use of its machine: its cores, and its place among the processes beside it."""

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sketchcli.errors import UsageError

CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LOAD = Path("/proc/loadavg")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")  # of numbers; auto: whichever is fastest here
THREADS_VARIABLE = "OMP_NUM_THREADS"
A_CORE = 0.75  # of load, from which on another program counts


@dataclass(frozen=True)
class ProcessRank:
    """Which of how many processes this is, on all machines and on its own.

    Args:
        rank: This one's number, from 0.
        count: Of all processes.
        local_rank: Its number among those of its machine.
        local_count: Of those.

    Raises:
        UsageError: There is no such process.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise UsageError(
                f"RANK={self.rank} of WORLD_SIZE={self.count}", hint="start with torchrun"
            )

    @property
    def is_first(self) -> bool:
        """Whether it writes and reports."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> "ProcessRank":
        """As `torchrun` says; without it the only one.

        Raises:
            UsageError: A variable of torchrun's is no number, or they contradict one another.
        """
        count = number("WORLD_SIZE", 1)
        if count <= 1:
            return cls()
        local_count = number("LOCAL_WORLD_SIZE", 1)
        place = cls(number("RANK", 0), count, number("LOCAL_RANK", 0), local_count)
        missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
        if missing:
            raise UsageError(
                f"WORLD_SIZE={count}, but {' and '.join(missing)} not set",
                hint="start with torchrun, which sets them; or unset WORLD_SIZE",
            )
        return place


def number(variable: str, default: int) -> int:
    """A whole number from the environment.

    Raises:
        UsageError: It holds something else.
    """
    try:
        return int(os.environ.get(variable, default))
    except ValueError as error:
        text = os.environ[variable]
        raise UsageError(f"{variable}={text}: not a number", hint="torchrun sets it") from error


def usable_cores() -> int:
    """Cores that this process may really use: of its affinity, and of its control group's quota."""
    return max(1, math.floor(min(_offered_cores(), cpu_quota())))


def _offered_cores() -> int:
    if sys.platform == "linux":  # elsewhere a process has no affinity that can be asked for
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float:
    """Cores' worth of time that control groups leave this process; infinite where none limits it.

    A container or a batch system sets such a limit; more threads than that wait for one another.

    Args:
        root: Where the control groups are mounted.
        own: Which ones this process is in.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return math.inf
    return min(_quotas(root, lines), default=math.inf)


def _quotas(root: Path, lines: list[str]) -> Iterator[float]:
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / controllers if controllers else root  # version 1, or 2
        group = mount / path.strip("/")
        for folder in (group, *group.parents):
            if folder == root.parent:
                break
            yield from _quota_of(folder)


def _quota_of(folder: Path) -> Iterator[float]:
    try:
        if (folder / "cpu.max").is_file():
            limit, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            limit = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        if limit.strip() != "max" and int(limit) > 0:
            yield int(limit) / int(period)
    except (OSError, ValueError):  # none here
        return


def busy_elsewhere(load: Path = LOAD) -> float:
    """Cores that other programs keep busy: by the last minute's load, and at this moment.

    The lower of the two counts: a program that has just ended is no reason to warn, nor is one
    that looks in for a moment.
    """
    try:
        minute, _, _, running, *_ = load.read_text(encoding="ascii").split()
        now = int(running.partition("/")[0]) - 1  # without this process
        return max(0.0, min(float(minute), float(now)))
    except (OSError, ValueError):  # no Linux
        return 0.0


def crowding(
    threads: int,
    *,
    processes: int = 1,
    usable: int | None = None,
    cores: int | None = None,
    others: float | None = None,
) -> str:
    """A warning, with its cure, where more threads than cores would compute; else nothing.

    Threads of one program wait for each other at every step: two programs that share two cores
    take not twice the time each, but about five times.

    Args:
        threads: Of each process.
        processes: Of this program on this machine.
        usable: Cores that they may use; measured by default.
        cores: Of the machine.
        others: Cores that other programs keep busy; measured by default.

    >>> crowding(2, usable=2, cores=2, others=0.0)
    ''
    """
    usable = usable_cores() if usable is None else usable
    cores = os.cpu_count() or usable if cores is None else cores
    others = busy_elsewhere() if others is None else others
    fitting = max(1, usable // processes)
    if threads * processes > usable and processes > 1:
        cure = f"set {THREADS_VARIABLE}={fitting}" if threads > fitting else "start fewer"
        return f"{processes} processes of {_threads(threads)} share {_cores(usable)}: {cure}"
    if threads > usable:
        return (
            f"{_threads(threads)} on the {_cores(usable)} that this process may use make training "
            f"several times slower: unset {THREADS_VARIABLE}, or set it to {usable}"
        )
    if others < A_CORE or others + threads * processes < cores + A_CORE:
        return ""
    free = math.floor(cores - others)
    fewer = f", or leave it a core of its own: {THREADS_VARIABLE}={free}" if free >= 1 else ""
    busy = min(others, cores)  # more may wait for them
    return (
        f"other programs keep {busy:.0f} of {_cores(cores)} busy; sharing cores makes training "
        f"several times slower: wait until they have ended{fewer}"
    )


def _cores(count: int) -> str:
    return f"{count} core{'s' if count > 1 else ''}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
