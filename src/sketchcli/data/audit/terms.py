"""The vocabulary of the audit: pairs, findings, checks and their results."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sketchcli import machine

MISPAIRED_SET = "mispaired-set"
WRONG_PAIR = "wrong-pair"
SAME_PICTURE = "same-picture"
LEAKAGE = "leakage"
TORN_GROUP = "torn-group"
BLANK = "blank"
WEAK_PAIR = "weak-pair"
MISALIGNED = "misaligned"
NEAR_DUPLICATE = "near-duplicate"
INVERTED = "inverted"
TINTED = "tinted"
LOW_CONTRAST = "low-contrast"
ENLARGED = "enlarged"
TITLES = {
    MISPAIRED_SET: "mis-paired dataset",
    WRONG_PAIR: "wrong pairs",
    SAME_PICTURE: "photos used as sketches",
    LEAKAGE: "the same image in several splits",
    TORN_GROUP: "groups in several splits",
    BLANK: "blank images",
    WEAK_PAIR: "doubtful pairs",
    MISALIGNED: "misaligned pairs",
    NEAR_DUPLICATE: "near-duplicates",
    INVERTED: "inverted sketches",
    TINTED: "tinted sketches",
    LOW_CONTRAST: "low-contrast sketches",
    ENLARGED: "tiny images",
}
MOST_WRONG = 0.05  # errors as a fraction of the pairs; a dataset with more is unfit for training


class Severity(StrEnum):
    """How serious a finding is: an error spoils training, a warning is only worth knowing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class AuditedPair:
    """The name and split of a pair, and the files from which it was made."""

    id: str
    split: str
    sketch: str
    photo: str

    @property
    def files(self) -> tuple[str, ...]:
        """Sketch and photo, or one file if it holds both side by side."""
        return tuple(dict.fromkeys((self.sketch, self.photo)))


@dataclass(frozen=True)
class Finding:
    """A problem, or a suspected problem, of a pair or of the whole dataset."""

    kind: str  # a key of TITLES
    severity: Severity
    files: tuple[str, ...]
    message: str  # one sentence, with the numbers
    score: float  # 1 at the threshold, and higher beyond it
    pair: int | None = None  # row in the features; None: the finding is about the whole dataset
    other: int | None = None  # row to compare with: the better photo or the duplicate


@dataclass(frozen=True)
class Check:
    """One check: which findings it can make, what it examined, and how."""

    kinds: tuple[str, ...]
    examined: int  # pairs
    how: str  # the statistic and its threshold, in a line
    note: str = ""  # measurement of the whole dataset, or why not all pairs were examined


@dataclass(frozen=True)
class Audit:
    """All findings, the worst first, and all checks."""

    pairs: int
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def is_spoiled(self) -> bool:
        """Whether errors concern the whole dataset or leak between splits, or are too many."""
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        is_deep = any(f.pair is None or f.kind in {LEAKAGE, TORN_GROUP} for f in errors)
        return is_deep or len(errors) > MOST_WRONG * self.pairs

    @property
    def warnings(self) -> int:
        """The number of findings that are warnings."""
        return len(self.findings) - self.errors

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each kind that was found, in the order of TITLES."""
        found = [finding.kind for finding in self.findings]
        return {kind: found.count(kind) for kind in TITLES if kind in found}


# This section divides large datasets into blocks, so that their audit needs little memory.

BLOCK = 256  # records per block
PANEL = 2000  # records from which a statistic of the whole dataset is estimated
Result = TypeVar("Result")


def blocks(count: int) -> Iterator[slice]:
    """Return consecutive slices that cover `count` records.

    >>> [part.stop for part in blocks(600)]
    [256, 512, 600]
    """
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def each_block(count: int, look: Callable[[slice], Result]) -> Iterator[Result]:
    """Yield a function's result for each block, in order; NumPy lets several threads compute."""
    with ThreadPoolExecutor(machine.usable_cores()) as pool:
        yield from pool.map(look, blocks(count))


def panel(count: int) -> NDArray[np.intp]:
    """Return the sorted rows of at most PANEL records, sampled with a fixed seed."""
    if count <= PANEL:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, PANEL, replace=False))
