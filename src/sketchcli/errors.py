"""The errors that a user can meet, and the exit codes that report them to scripts."""

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command; `docs/reference/exit-codes.md` explains each."""

    OK = 0
    BUG = 1
    USAGE = 2
    DATA = 3
    CHECKPOINT = 4
    DEVICE = 5
    DOWNLOAD = 6
    SOME_FILES_FAILED = 7
    TRAINING = 8
    LOST_PROCESS = 9
    INTERRUPTED = 130
    CLOSED_PIPE = 141  # as of a program that SIGPIPE ends


class SketchError(Exception):
    """An error that its reader can act on.

    The message says what went wrong, with which file or option; the hint, what to do next.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SketchError):
    """Options or settings that contradict each other or do not exist."""

    exit_code = ExitCode.USAGE


class DataError(SketchError):
    """An image, folder or prepared dataset that cannot be used."""

    exit_code = ExitCode.DATA


class DownloadError(SketchError):
    """A file that cannot be downloaded, or is not the expected one."""

    exit_code = ExitCode.DOWNLOAD


class CheckpointError(SketchError):
    """Weights or a training state that cannot be used."""

    exit_code = ExitCode.CHECKPOINT


class DeviceError(SketchError):
    """A device or a system library that this machine does not offer."""

    exit_code = ExitCode.DEVICE


class TrainingError(SketchError):
    """A run that cannot continue: its losses stay NaN or infinite, whatever was tried."""

    exit_code = ExitCode.TRAINING


class LostProcessError(SketchError):
    """The unexpected end of another process of the same run."""

    exit_code = ExitCode.LOST_PROCESS


class InterruptedRunError(SketchError):
    """The user stopped the program (Ctrl-C)."""

    exit_code = ExitCode.INTERRUPTED


def did_you_mean(wrong: str, known: Iterable[str], *, label: str = "choose from") -> str:
    """Return a hint: the names that may be meant, then all known names after a label.

    >>> did_you_mean("cukh", ["cuhk", "demo"])
    "did you mean 'cuhk'? choose from: cuhk, demo"
    >>> did_you_mean("mine", [], label="runs")
    'runs: none yet'
    """
    names = list(known)
    meant = similar(wrong, names)
    question = f"did you mean {' or '.join(repr(name) for name in meant)}? " if meant else ""
    return f"{question}{label}: {', '.join(names) or 'none yet'}"


def similar(wrong: str, known: Iterable[str]) -> list[str]:
    """Return the names that a wrong one may mean, the likeliest first, ignoring case.

    >>> similar("SSMI", ["ssim", "psnr", "ms-ssim"])
    ['ssim']
    """
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(wrong.lower(), by_lower)]
