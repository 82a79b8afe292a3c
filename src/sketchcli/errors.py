"""What can go wrong for a user, and the exit code that tells a script about it."""

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


class SketchError(Exception):
    """An error that its reader can act on.

    Args:
        message: What went wrong, and where (a file, an option).
        hint: What to type or change next.
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
    """A picture, folder or prepared set that cannot be used."""

    exit_code = ExitCode.DATA


class DownloadError(SketchError):
    """A file that cannot be downloaded, or is not what was promised."""

    exit_code = ExitCode.DOWNLOAD


class CheckpointError(SketchError):
    """Weights or a training state that cannot be used."""

    exit_code = ExitCode.CHECKPOINT


class DeviceError(SketchError):
    """A device or a system library that this machine does not offer."""

    exit_code = ExitCode.DEVICE


class TrainingError(SketchError):
    """A run that cannot go on: its losses are not finite any more, whatever was tried."""

    exit_code = ExitCode.TRAINING


class LostProcessError(SketchError):
    """Another one of the processes that train together has ended."""

    exit_code = ExitCode.LOST_PROCESS


class InterruptedRunError(SketchError):
    """The user stopped the program (Ctrl-C)."""

    exit_code = ExitCode.INTERRUPTED


# A hint at what a mistyped name may mean.

SIMILAR = 0.6  # share of letters in common, from which on a name may be meant
MOST = 3


def did_you_mean(wrong: str, known: Iterable[str], *, label: str = "known") -> str:
    """What may be meant, then what there is.

    Args:
        wrong: What was typed.
        known: The names that there are.
        label: What to call them.

    >>> did_you_mean("cukh", ["cuhk", "demo"])
    "did you mean 'cuhk'? known: cuhk, demo"
    >>> did_you_mean("mine", [], label="runs")
    'runs: none yet'
    """
    names = list(known)
    meant = similar(wrong, names)
    question = f"did you mean {' or '.join(repr(name) for name in meant)}? " if meant else ""
    return f"{question}{label}: {', '.join(names) or 'none yet'}"


def similar(wrong: str, known: Iterable[str]) -> list[str]:
    """Names that a wrong one may mean, the likeliest first, whatever the case of the letters.

    >>> similar("SSMI", ["ssim", "psnr", "ms-ssim"])
    ['ssim']
    """
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(wrong.lower(), by_lower, n=MOST, cutoff=SIMILAR)
    return [by_lower[name] for name in found]
