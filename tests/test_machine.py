import math
import os

import pytest

from sketchcli import machine
from sketchcli.errors import UsageError
from sketchcli.machine import ProcessRank

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node-1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def torchrun(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_alone_without_torchrun(monkeypatch):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert ProcessRank.from_environment() == ProcessRank()
    assert ProcessRank().is_first


def test_the_place_is_what_torchrun_says(torchrun):
    place = ProcessRank.from_environment()
    assert place == ProcessRank(rank=3, count=4, local_rank=1, local_count=2)
    assert not place.is_first


def test_one_process_is_alone_whatever_else_is_set(torchrun):
    torchrun.setenv("WORLD_SIZE", "1")
    assert ProcessRank.from_environment() == ProcessRank()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "4", "RANK=4 is out of range for WORLD_SIZE=4"),
        ("RANK", "first", "RANK must be a whole number, not 'first'"),
        ("WORLD_SIZE", "", "must be a whole number"),
        ("MASTER_ADDR", "", "without MASTER_ADDR"),
    ],
)
def test_what_contradicts_itself_is_said(torchrun, name, value, said):
    torchrun.setenv(name, value)
    with pytest.raises(UsageError, match=said) as caught:
        ProcessRank.from_environment()
    assert "torchrun" in caught.value.hint


# -- cores


def control_groups(root, own, files):
    """Control groups as the system shows them: `own` is what a process is said to be in."""
    for name, text in files.items():
        file = root / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "own").write_text(own)
    return machine.cpu_quota(root / "cgroup", root / "own")


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "100000 100000"}, 1),
        ("0::/unseen/from/here\n", {"cpu.max": "150000 100000"}, 1.5),
        (
            "5:memory:/m\n4:cpu,cpuacct:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
                "memory/m/cpu.max": "1 1",
            },
            3,
        ),
        (
            "4:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
        ("0::/\n", {"cpu.max": "nonsense"}, math.inf),
        ("", {}, math.inf),
    ],
)
def test_quotas_of_control_groups_of_both_versions(tmp_path, own, files, cores):
    assert control_groups(tmp_path, own, files) == cores


def test_elsewhere_there_are_no_control_groups(tmp_path):
    assert machine.cpu_quota(tmp_path, tmp_path / "none") == math.inf


@pytest.mark.parametrize(("quota", "cores"), [(math.inf, 8), (2.5, 2), (0.5, 1), (64.0, 8)])
def test_the_usable_cores_are_those_of_affinity_and_quota(monkeypatch, quota, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    assert machine.usable_cores() == cores


# -- memory

A_GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("own", "files", "gigabytes"),
    [
        ("0::/\n", {}, 8),
        ("0::/job\n", {"job/memory.max": "max", "job/memory.current": "1"}, 8),
        (
            "0::/job\n",
            {
                "job/memory.max": f"{4 * A_GIGABYTE}",
                "job/memory.current": f"{3 * A_GIGABYTE}",
                "job/memory.stat": f"anon 5\ninactive_file {A_GIGABYTE}\n",
            },
            2,
        ),
        (
            "3:memory:/job\n",
            {
                "memory/memory.limit_in_bytes": f"{2 * A_GIGABYTE}",
                "memory/memory.usage_in_bytes": f"{3 * A_GIGABYTE}",
                "memory/memory.stat": "total_inactive_file 0\n",
            },
            0,
        ),
        ("0::/\n", {"memory.max": "nonsense", "memory.current": "1", "memory.stat": ""}, 8),
    ],
)
def test_the_available_memory_is_what_system_and_control_groups_leave(
    tmp_path, own, files, gigabytes
):
    control_groups(tmp_path, own, files)
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {16 * 2**20} kB\nMemAvailable:    {8 * 2**20} kB\n"
    )
    available = machine.available_memory(
        tmp_path / "cgroup", tmp_path / "own", tmp_path / "meminfo"
    )
    assert available == gigabytes * A_GIGABYTE


def test_where_linux_does_not_say_it_the_size_of_the_memory_counts(tmp_path):
    assert machine.available_memory(tmp_path, tmp_path, tmp_path / "none") > 2**28


# -- crowding


def play(monkeypatch, *, usable, cores, others):
    monkeypatch.setattr(machine, "usable_cores", lambda: usable)
    monkeypatch.setattr(machine, "busy_elsewhere", lambda: others)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)


@pytest.mark.parametrize(
    ("load", "busy"),
    [
        ("2.51 1.00 0.50 4/900 123\n", 2.51),
        ("2.51 1.00 0.50 1/900 123\n", 0),  # whatever it was has ended
        ("0.10 1.00 0.50 9/900 123\n", 0.1),  # has just begun, or will end at once
        ("", 0),
    ],
)
def test_others_are_busy_by_load_and_at_this_moment(tmp_path, load, busy):
    (tmp_path / "loadavg").write_text(load)
    assert machine.busy_elsewhere(tmp_path / "loadavg") == busy


def test_without_a_load_average_nobody_is_busy(tmp_path):
    assert machine.busy_elsewhere(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("threads", "processes", "usable", "cores", "others"),
    [(2, 1, 2, 2, 0.0), (2, 1, 2, 2, 0.5), (1, 1, 2, 2, 1.0), (4, 2, 8, 8, 0.0), (4, 1, 8, 8, 4)],
)
def test_where_all_have_cores_nothing_is_said(
    monkeypatch, threads, processes, usable, cores, others
):
    play(monkeypatch, usable=usable, cores=cores, others=others)
    assert not machine.crowding(threads, processes=processes)


@pytest.mark.parametrize(
    ("threads", "processes", "usable", "cores", "others", "said", "cure"),
    [
        (2, 1, 2, 2, 1.0, "keep 1 of 2 cores busy", "OMP_NUM_THREADS=1"),
        (2, 1, 2, 2, 2.0, "keep 2 of 2 cores busy", "wait until they have ended"),
        (2, 1, 2, 2, 7.0, "keep 2 of 2 cores busy", "wait until they have ended"),
        (16, 1, 2, 16, 0.0, "16 threads on the 2 cores", "unset OMP_NUM_THREADS"),
        (2, 1, 1, 8, 0.0, "2 threads on the 1 core that", "set it to 1"),
        (4, 4, 8, 8, 0.0, "4 processes of 4 threads each share 8 cores", "OMP_NUM_THREADS=2"),
        (1, 4, 2, 2, 0.0, "4 processes of 1 thread each share 2 cores", "start fewer"),
    ],
)
def test_too_many_threads_are_warned_of_with_a_cure(
    monkeypatch, threads, processes, usable, cores, others, said, cure
):
    play(monkeypatch, usable=usable, cores=cores, others=others)
    warning = machine.crowding(threads, processes=processes)
    assert said in warning
    assert cure in warning
