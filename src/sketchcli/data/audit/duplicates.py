"""Near-duplicates: the same picture again, compressed, resized or brightened.

Exactly equal pictures are the ledger's business; here are those that a person calls the same.
A perceptual hash proposes, the gradients decide.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.features import SIDE
from sketchcli.data.audit.looks import BLANK_RANGE
from sketchcli.data.audit.outlines import likeness
from sketchcli.data.audit.portions import blocks
from sketchcli.data.audit.terms import (
    LEAKAGE,
    NEAR_DUPLICATE,
    AuditedPair,
    Check,
    Finding,
    Severity,
)

BITS = 256
NEAR = 32  # bits in which two hashes may differ
ALIKE = 0.9  # correlation of the gradients
_ORDERS = 24  # random orders of the bits that the hashes are sorted by
_NEIGHBOURS = 12  # that each hash is compared with in each order
_MOST_COMPARED = 200_000  # pictures whose gradients are compared, a kind

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Copies:
    """Groups of rows whose pictures of one kind are the same."""

    kind: str  # sketch | photo
    groups: tuple[tuple[int, ...], ...]
    is_complete: bool  # whether every candidate was compared


def find(features: NDArray[Any], kind: str) -> Copies:
    """Group the sketches or the photos that show the same picture.

    Hashes are sorted in several random orders of their bits, where near ones stand near each
    other (Charikar 2002; Ravichandran, Pantel and Hovy 2005), and compared with their neighbours.

    Args:
        features: (N,) of FEATURES.
        kind: `sketch` or `photo`.
    """
    hashes, rows = _hashes(features[kind])
    groups = _Groups(len(features))
    left = _MOST_COMPARED
    for first, second in _near_pairs(hashes):
        one, two = rows[first], rows[second]
        is_new = groups.label[one] != groups.label[two]
        one, two = one[is_new][:left], two[is_new][:left]
        left -= len(one)
        for part in blocks(len(one)):
            pictures = features[kind][one[part]], features[kind][two[part]]
            for k in np.flatnonzero(likeness(*pictures) > ALIKE):
                groups.join(int(one[part][k]), int(two[part][k]))
        if not left:
            break
    return Copies(kind, groups.of_several(), is_complete=left > 0)


def findings(copies: Copies, features: NDArray[Any], names: Sequence[AuditedPair]) -> list[Finding]:
    """One finding a group: leakage where it reaches over two splits.

    Pictures of one split that are equal to the pixel are left to the ledger.
    """
    found = []
    for group in copies.groups:
        distinct = {(names[row].split, features[copies.kind][row].tobytes()): row for row in group}
        members = sorted(distinct.values())
        if len(members) > 1:
            found.append(_finding(copies.kind, members, names))
    return found


def check(copies: Sequence[Copies], count: int) -> Check:
    """What was compared, and how."""
    note = "sketches and photos" if len(copies) > 1 else "photos; the sketches were drawn of them"
    if not all(each.is_complete for each in copies):
        note += f"; stopped after {_MOST_COMPARED} comparisons: there may be more"
    how = (
        f"{BITS}-bit perceptual hashes that differ in at most {NEAR} bits, confirmed by gradients "
        f"that correlate by more than {ALIKE:g}; an error across splits"
    )
    return Check((LEAKAGE, NEAR_DUPLICATE), count, how, note)


def _finding(kind: str, members: Sequence[int], names: Sequence[AuditedPair]) -> Finding:
    files = tuple(dict.fromkeys(getattr(names[row], kind) for row in members))
    splits = sorted({names[row].split for row in members})
    is_leak = len(splits) > 1
    ids = ", ".join(names[row].id for row in members[:3])
    more = f" and {len(members) - 3} more" if len(members) > 3 else ""
    where = f"in {' and '.join(splits)}" if is_leak else f"within {splits[0]}"
    message = f"{ids}{more}: the same {kind} {where}, {len(members)} times"
    severity = Severity.ERROR if is_leak else Severity.WARNING
    label, score = (LEAKAGE if is_leak else NEAR_DUPLICATE), 1 + len(members) / 10
    elsewhere = (row for row in members if names[row].split != names[members[0]].split)
    other = next(elsewhere, members[1])
    return Finding(label, severity, files, message, score, members[0], other)


def _hashes(pictures: NDArray[Any]) -> tuple[NDArray[np.uint8], Rows]:
    """Signs of the lowest frequencies of each picture that is not blank: (M, BITS), and its row.

    A perceptual hash (Zauner 2010) of a cosine transform.
    """
    count = len(pictures)
    bits, is_blank = np.empty((count, BITS), np.uint8), np.empty(count, bool)
    for part in blocks(count):
        waves = _COSINES @ pictures[part].astype(np.float32) @ _COSINES.T
        bits[part] = waves[:, _LOW[0], _LOW[1]] > 0
        is_blank[part] = np.ptp(pictures[part], axis=(1, 2)) < BLANK_RANGE
    rows = np.flatnonzero(~is_blank)
    return bits[rows], rows


def _near_pairs(bits: NDArray[np.uint8]) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of hashes that differ in few bits, as two lists of places."""
    random = np.random.default_rng(0)
    words = np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64)
    for _ in range(_ORDERS):
        leading = np.packbits(bits[:, random.permutation(BITS)[:64]], axis=1)
        leading = np.ascontiguousarray(leading).view(">u8")[:, 0]
        order = np.argsort(leading, kind="stable")
        for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            first, second = order[:-step], order[step:]
            differing = np.bitwise_count(words[first] ^ words[second]).sum(axis=1)
            is_near = differing <= NEAR
            yield first[is_near], second[is_near]


class _Groups:
    """Rows that belong together; `label` is equal within a group."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)
        self.members: dict[int, list[int]] = {}

    def join(self, one: int, two: int) -> None:
        """Make one group of two rows' groups."""
        keep, drop = int(self.label[one]), int(self.label[two])
        if keep == drop:
            return
        if len(self.members.get(keep, [])) < len(self.members.get(drop, [])):
            keep, drop = drop, keep
        moved = self.members.pop(drop, [drop])
        self.label[moved] = keep
        self.members.setdefault(keep, [keep]).extend(moved)

    def of_several(self) -> tuple[tuple[int, ...], ...]:
        """The groups, in the order of their first rows."""
        return tuple(sorted(tuple(sorted(rows)) for rows in self.members.values()))


def _lowest(count: int) -> tuple[Rows, Rows]:
    """The places of the lowest frequencies but the mean, by the sum of their two numbers."""
    down, right = np.divmod(np.arange(SIDE * SIDE), SIDE)
    order = np.lexsort((down, down + right))[1 : count + 1]
    return down[order], right[order]


_LOW = _lowest(BITS)
_COSINES = np.cos(
    np.pi / SIDE * np.outer(np.arange(max(_LOW[0].max(), _LOW[1].max()) + 1), np.arange(SIDE) + 0.5)
).astype(np.float32)
