"""What an audit is about, and what it says."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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
    MISPAIRED_SET: "mis-paired set",
    WRONG_PAIR: "wrong pairs",
    SAME_PICTURE: "the photo in the place of the sketch",
    LEAKAGE: "the same picture in two splits",
    TORN_GROUP: "groups that are in two splits",
    BLANK: "blank pictures",
    WEAK_PAIR: "doubtful pairs",
    MISALIGNED: "misaligned pairs",
    NEAR_DUPLICATE: "near-duplicates",
    INVERTED: "inverted sketches",
    TINTED: "tinted sketches",
    LOW_CONTRAST: "sketches of low contrast",
    ENLARGED: "tiny pictures",
}
MOST_WRONG = 0.05  # share of pairs with an error in a set that is still fit to be trained on


class Severity(StrEnum):
    """Whether a finding spoils what is trained on the set, or is only worth knowing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class AuditedPair:
    """What a pair is called, and the files that it was made from."""

    id: str
    split: str
    sketch: str
    photo: str

    @property
    def files(self) -> tuple[str, ...]:
        """Sketch and photo; one file where they lie side by side in it."""
        return tuple(dict.fromkeys((self.sketch, self.photo)))


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks like it."""

    kind: str  # a key of TITLES
    severity: Severity
    files: tuple[str, ...]
    message: str  # one sentence, with the numbers
    score: float  # 1 at the threshold, more the further beyond it
    pair: int | None = None  # its row in the features; None: about the whole set
    other: int | None = None  # a row to look at beside it: the better photo, the other copy


@dataclass(frozen=True)
class Check:
    """One check: what it looked at, how, and from where on it speaks."""

    kinds: tuple[str, ...]  # what it can find
    examined: int  # pairs
    how: str  # the statistic and its threshold, in a line
    note: str = ""  # what it measured of the whole set, or why it looked at less than all


@dataclass(frozen=True)
class Audit:
    """All that was found, the worst first, and what was checked."""

    pairs: int
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    @property
    def errors(self) -> int:
        """How many findings spoil the set."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def is_spoiled(self) -> bool:
        """Whether errors are of the whole set, of its test split, or too many to be chance."""
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        is_deep = any(f.pair is None or f.kind in {LEAKAGE, TORN_GROUP} for f in errors)
        return is_deep or len(errors) > MOST_WRONG * self.pairs

    @property
    def warnings(self) -> int:
        """How many findings are only worth knowing."""
        return len(self.findings) - self.errors

    @property
    def counts(self) -> dict[str, int]:
        """Findings of each kind that has any, in the order of TITLES."""
        found = [finding.kind for finding in self.findings]
        return {kind: found.count(kind) for kind in TITLES if kind in found}


# A large set is looked at in portions, so that its audit needs little memory.

BLOCK = 256  # records at a time
PANEL = 2000  # records that a statistic of the whole set is taken from
Result = TypeVar("Result")


def blocks(count: int) -> Iterator[slice]:
    """Consecutive slices that cover `count` records.

    >>> [part.stop for part in blocks(600)]
    [256, 512, 600]
    """
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def each_block(count: int, look: Callable[[slice], Result], *, threads: int) -> Iterator[Result]:
    """What a function finds in each block, in order; NumPy lets several threads compute."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(look, blocks(count))


def panel(count: int) -> NDArray[np.intp]:
    """Rows of at most PANEL records, sorted; drawn by a fixed seed where there are more."""
    if count <= PANEL:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, PANEL, replace=False))
