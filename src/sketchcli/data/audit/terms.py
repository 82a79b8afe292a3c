"""The vocabulary of the audit: findings, checks and their results."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sketchcli import machine
from sketchcli.config.domains import Domains

ERRORS = {
    "mispaired-set": "mis-paired dataset",
    "wrong-pair": "wrong pairs",
    "same-picture": "photos used as sketches",
    "leakage": "the same image in several splits",
    "torn-group": "groups in several splits",
    "blank": "blank images",
}
WARNINGS = {
    "weak-pair": "doubtful pairs",
    "misaligned": "misaligned pairs",
    "near-duplicate": "near-duplicates",
    "inverted": "inverted sketches",
    "tinted": "tinted sketches",
    "low-contrast": "low-contrast sketches",
    "enlarged": "tiny images",
}
TITLES = ERRORS | WARNINGS
MOST_WRONG = 0.05  # errors as a fraction of the pairs; a dataset with more is unfit for training


def has_sketches(domains: Domains) -> bool:
    """Return whether the images of one side are sketches."""
    return domains.input.is_sketch or domains.target.is_sketch


@dataclass(frozen=True)
class Finding:
    """A problem, or a suspected problem, of a pair or of the whole dataset."""

    kind: str  # a key of TITLES
    files: tuple[str, ...]
    message: str  # one sentence, with the numbers
    score: float  # 1 at the threshold, and higher beyond it
    pair: int | None = None  # row in the features; None: the finding is about the whole dataset
    other: int | None = None  # row to compare with: the better photo or the duplicate

    @property
    def severity(self) -> str:
        """`error` if findings of this kind spoil training, or else `warning`."""
        return "error" if self.kind in ERRORS else "warning"


@dataclass(frozen=True)
class Check:
    """One check: which findings it can make, what it examined, and how."""

    kinds: tuple[str, ...]
    examined: int  # pairs
    how: str  # the statistic and its threshold, in a line
    note: str = ""  # measurement of the whole dataset, or why not all pairs were examined

    def skipped(self, why: str) -> "Check":
        """Return the check as one that examined none of these pairs."""
        return replace(self, examined=0, note=f"{self.examined} pairs not checked: {why}")


@dataclass(frozen=True)
class Audit:
    """All findings, the worst first, and all checks."""

    pairs: int
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(finding.kind in ERRORS for finding in self.findings)

    @property
    def is_spoiled(self) -> bool:
        """Whether errors concern the whole dataset or leak between splits, or are too many."""
        errors = [finding for finding in self.findings if finding.kind in ERRORS]
        is_deep = any(f.pair is None or f.kind in {"leakage", "torn-group"} for f in errors)
        return is_deep or len(errors) > MOST_WRONG * self.pairs

    @property
    def warnings(self) -> int:
        """The number of findings that are warnings."""
        return len(self.findings) - self.errors

    @property
    def counts(self) -> dict[str, int]:
        """The number of findings of each kind that was found, in the order of TITLES."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in TITLES if kind in found}


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
