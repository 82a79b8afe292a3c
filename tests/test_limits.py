"""The bounds on the memory that one file may take."""

import math
import os

import pytest

from sketchcli import limits
from sketchcli.errors import CheckpointError, DataError, UsageError

GIGABYTE = 2**30


@pytest.fixture(autouse=True)
def machine_of_eight_gigabytes(monkeypatch):
    monkeypatch.delenv(limits.VARIABLE, raising=False)
    monkeypatch.setattr(limits, "available_memory", lambda: 8 * GIGABYTE)


def test_three_quarters_of_the_available_memory_are_allowed():
    limits.check_memory(6 * GIGABYTE, "a.png")
    with pytest.raises(DataError, match=r"a.png would take 7 GB of memory; at most 6 GB are"):
        limits.check_memory(7 * GIGABYTE, "a.png")


def test_a_kind_of_file_may_have_a_smaller_bound_and_its_own_error():
    with pytest.raises(CheckpointError, match="at most 2 GB are allowed") as caught:
        limits.check_memory(3 * GIGABYTE, "net.pth", most=2 * GIGABYTE, error=CheckpointError)
    assert "--max-memory 3G" in caught.value.hint


@pytest.mark.parametrize("bound", ["7G", "7GiB", "none", " 7168m "])
def test_what_the_hint_says_lifts_both_bounds_in_the_block_and_in_its_children(bound):
    with limits.lifted(bound):
        assert os.environ[limits.VARIABLE] == bound
        limits.check_memory(7 * GIGABYTE, "a.png", most=GIGABYTE)
    assert limits.VARIABLE not in os.environ


def test_the_variable_is_a_bound_too_and_an_option_wins(monkeypatch):
    monkeypatch.setenv(limits.VARIABLE, "100M")
    assert limits.memory_limit() == 100 * 2**20
    with limits.lifted("none"):
        assert limits.memory_limit() == math.inf
    assert limits.memory_limit() == 100 * 2**20


@pytest.mark.parametrize("bound", ["", "much", "-1G", "1e3", "8 G B"])
def test_a_wrong_bound_is_an_error_of_the_command_line(bound):
    with pytest.raises(UsageError, match="invalid amount of memory"), limits.lifted(bound):
        pass


@pytest.mark.parametrize("needed", [2**20 + 1, 5 * GIGABYTE + 1, 1e30])
def test_the_amount_that_a_hint_names_is_enough(needed):
    assert limits.parse_bytes(limits.rounded(needed)) >= needed
