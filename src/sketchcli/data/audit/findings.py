"""What is wrong with a set of pairs, from the records that were made of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.appearance import DARK
from sketchcli.data.audit import matching
from sketchcli.data.audit.records import SIDE, Floats, likeness
from sketchcli.data.audit.terms import (
    BLANK,
    ENLARGED,
    INVERTED,
    LEAKAGE,
    LOW_CONTRAST,
    NEAR_DUPLICATE,
    SAME_PICTURE,
    TINTED,
    Audit,
    AuditedPair,
    Check,
    Finding,
    Severity,
    blocks,
)


def examine(
    features: NDArray[Any], names: Sequence[AuditedPair], *, is_drawn: bool, threads: int = 1
) -> Audit:
    """Examine a whole set.

    It looks at blocks of records, so that a mapped array of 100,000 needs little memory.

    Args:
        features: (N,) of FEATURES, one record a pair.
        names: The same pairs' names, in the same order.
        is_drawn: Whether the sketches were drawn from the photos by this program: then no pair
            can be wrong or misaligned, and a sketch's looks are the style's.
        threads: How many look at blocks at once.
    """
    if not names:
        return Audit(0, (), ())
    measured = look(features)
    found = look_findings(measured, names, is_drawn=is_drawn)
    checks = look_checks(len(names), is_drawn=is_drawn)
    pairings = _pairings(features, names, is_drawn, threads)
    for part in (pairings, _copies(features, names, is_drawn)):
        found += part[0]
        checks += part[1]
    found.sort(key=_rank)
    return Audit(len(names), tuple(found), tuple(checks))


def _rank(finding: Finding) -> tuple[bool, bool, float]:
    """Errors first; of each, what holds for the whole set first; then by score."""
    is_warning = finding.severity is Severity.WARNING
    return is_warning, finding.pair is not None, -finding.score


def _pairings(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool, threads: int
) -> tuple[list[Finding], list[Check]]:
    """Wrong and misaligned pairs."""
    count = len(names)
    if is_drawn:
        why = "the sketches were drawn here from their photos"
        return [], [matching.not_judged(count, why), matching.shifts_not_judged(count, why)]
    measured, sizes = matching.measure(features, threads=threads), features["size"]
    nowhere = np.zeros(count, bool)
    if count < matching.FEWEST:
        why = f"{matching.FEWEST} are needed to tell what strangers have in common"
        found = matching.shift_findings(measured, names, sizes, skip=nowhere)
        return found, [matching.not_judged(count, why), matching.shift_check(measured, sizes)]
    matches = matching.match(features, offset=measured.offset, threads=threads)
    if matches.is_mispaired:
        found = matching.findings(matches, names, shifted=nowhere)
        why = "the set looks mis-paired"
        return found, [matching.check(matches), matching.shifts_not_judged(count, why)]
    found = matching.findings(matches, names, shifted=measured.far)
    found += matching.shift_findings(measured, names, sizes, skip=matches.wrong)
    return found, [matching.check(matches), matching.shift_check(measured, sizes)]


def _copies(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool
) -> tuple[list[Finding], list[Check]]:
    """Pictures that occur twice; copies of a photo have copies of its sketch drawn of them."""
    kinds = ("photo",) if is_drawn else ("photo", "sketch")
    copies = [find_copies(features, kind) for kind in kinds]
    found = [f for each in copies for f in copy_findings(each, features, names)]
    return found, [copy_check(copies, len(names))]


# What a pair's pictures look like, each by itself: blank, tinted, inverted, faint, tiny.

BLANK_RANGE = 8  # grey levels from the darkest to the lightest place of a small picture
LEAST_RANGE = 50  # grey levels of a sketch, as stored
SAME_LIKENESS = 0.96
MOST_CHROMA = 8.0  # mean difference of a colour's highest and lowest channel
LARGEST_FACTOR = 1.5  # by which a picture may be enlarged, a side
_FEW = 8  # pairs below which every one is named


@dataclass(frozen=True)
class Measures:
    """Measures of each pair, (N,)."""

    sketch_range: Floats  # of the small sketch
    photo_range: Floats  # of the small photo
    contrast: Floats  # of the stored sketch
    likeness: Floats  # of sketch and photo
    chroma: Floats  # of the sketch
    paper: Floats  # luma of the sketch's ground: the lighter of its border and its middle
    sketch_factor: Floats  # by which it was enlarged
    photo_factor: Floats


@dataclass(frozen=True)
class _Fault:
    """Something wrong with some of the pairs."""

    kind: str
    severity: Severity
    rows: NDArray[np.bool_]
    scores: Floats
    say: Callable[[int], str]  # of one pair
    general: str  # of many: what comes after their number


def look(features: NDArray[Any]) -> Measures:
    """Measure every pair of (N,) FEATURES."""
    ranges = np.empty((2, len(features)), np.float32)
    alike = np.empty(len(features), np.float32)
    for part in blocks(len(features)):
        sketch, photo = features["sketch"][part], features["photo"][part]
        ranges[0, part], ranges[1, part] = np.ptp(sketch, axis=(1, 2)), np.ptp(photo, axis=(1, 2))
        alike[part] = likeness(sketch, photo)
    stored = features["size"].astype(np.float32).prod(axis=1)
    factors = [
        np.sqrt(stored / features[source].astype(np.float32).prod(axis=1))
        for source in ("sketch_source", "photo_source")
    ]
    paper = np.maximum(features["paper"], features["middle"])
    contrast = features["sketch_range"].astype(np.float32)
    return Measures(ranges[0], ranges[1], contrast, alike, features["chroma"], paper, *factors)


def look_findings(
    measures: Measures, names: Sequence[AuditedPair], *, is_drawn: bool
) -> list[Finding]:
    """Every fault of every pair; one finding for the set where most pairs have the same fault."""
    faults = [_blank(measures), _tiny("photo", measures.photo_factor)]
    if not is_drawn:
        faults += _of_sketches(measures)
    return [finding for fault in faults for finding in _findings(fault, names)]


def look_checks(count: int, *, is_drawn: bool) -> list[Check]:
    """What was looked at, and how."""
    how = {
        BLANK: f"fewer than {BLANK_RANGE} grey levels between a picture's darkest and lightest "
        "place at 48x48 pixels",
        SAME_PICTURE: f"gradients of sketch and photo correlate by more than {SAME_LIKENESS:g}",
        TINTED: f"mean difference of the highest and the lowest channel above {MOST_CHROMA:g}",
        INVERTED: f"a colourless sketch whose border and whole both have a median luma below "
        f"{DARK:g}",
        LOW_CONTRAST: f"fewer than {LEAST_RANGE} grey levels between its darkest and lightest "
        "pixel",
        ENLARGED: f"fewer pixels than stored, by more than {LARGEST_FACTOR:g} a side",
    }
    drawn = (SAME_PICTURE, TINTED, INVERTED, LOW_CONTRAST)
    return [
        Check((kind,), 0, line, f"{count} pairs not judged: the sketches were drawn here")
        if is_drawn and kind in drawn
        else Check((kind,), count, line)
        for kind, line in how.items()
    ]


def _findings(fault: _Fault, names: Sequence[AuditedPair]) -> list[Finding]:
    rows = np.flatnonzero(fault.rows).tolist()
    if len(rows) > len(names) / 2 and len(names) >= _FEW:
        message = f"{len(rows)} of {len(names)} {fault.general}"
        score = float(np.median(fault.scores[rows]))
        return [Finding(fault.kind, fault.severity, (), message, score)]
    return [
        Finding(
            fault.kind,
            fault.severity,
            names[row].files,
            f"{names[row].id}: {fault.say(row)}",
            float(fault.scores[row]),
            row,
        )
        for row in rows
    ]


def _blank(measures: Measures) -> _Fault:
    least = np.minimum(measures.sketch_range, measures.photo_range)

    def say(row: int) -> str:
        which = "sketch" if measures.sketch_range[row] < BLANK_RANGE else "photo"
        return f"the {which} is blank (it spans {least[row]:.0f} grey levels)"

    scores = 2 - least / BLANK_RANGE
    general = "pairs have a blank picture"
    return _Fault(BLANK, Severity.ERROR, least < BLANK_RANGE, scores, say, general)


def _tiny(which: str, factors: Floats) -> _Fault:
    def say(row: int) -> str:
        return f"the {which} is tiny: it was enlarged {factors[row]:.1f} times"

    general = f"{which}s are tiny: enlarged {np.median(factors):.1f} times, typically"
    scores = factors / LARGEST_FACTOR
    return _Fault(ENLARGED, Severity.WARNING, factors > LARGEST_FACTOR, scores, say, general)


def _of_sketches(measures: Measures) -> list[_Fault]:
    is_blank = np.minimum(measures.sketch_range, measures.photo_range) < BLANK_RANGE
    is_tinted = measures.chroma > MOST_CHROMA
    is_dark = (measures.paper < DARK) & ~is_tinted & ~is_blank
    is_faint = (measures.contrast < LEAST_RANGE) & (measures.sketch_range >= BLANK_RANGE)
    warn = Severity.WARNING
    return [
        _tiny("sketch", measures.sketch_factor),
        _Fault(
            SAME_PICTURE,
            Severity.ERROR,
            (measures.likeness > SAME_LIKENESS) & ~is_blank,
            1 + measures.likeness,
            lambda row: f"the sketch is the photo itself (likeness {measures.likeness[row]:.3f})",
            "sketches are the photos themselves: a folder of photos in the place of the sketches?",
        ),
        _Fault(
            TINTED,
            warn,
            is_tinted,
            measures.chroma / MOST_CHROMA,
            lambda row: (
                f"the sketch is in colour (chroma {measures.chroma[row]:.0f}); "
                "only its lightness is used"
            ),
            "sketches are in colour, of which only the lightness is used",
        ),
        _Fault(
            INVERTED,
            warn,
            is_dark,
            2 - measures.paper / DARK,
            lambda row: f"the sketch is light on dark (paper {measures.paper[row]:.0f} of 255)",
            "sketches are light on dark; what is drawn on white paper will look foreign to a "
            "model trained on them",
        ),
        _Fault(
            LOW_CONTRAST,
            warn,
            is_faint,
            LEAST_RANGE / np.maximum(measures.contrast, 1),
            lambda row: f"the sketch is faint (it spans {measures.contrast[row]:.0f} grey levels)",
            f"sketches are faint: they span fewer than {LEAST_RANGE} grey levels",
        ),
    ]


# Near-duplicates: the same picture again, compressed, resized or brightened.
#
# Exactly equal pictures are the ledger's business; here are those that a person calls the same.
# A perceptual hash proposes, the gradients decide.

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


def find_copies(features: NDArray[Any], kind: str) -> Copies:
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


def copy_findings(
    copies: Copies, features: NDArray[Any], names: Sequence[AuditedPair]
) -> list[Finding]:
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


def copy_check(copies: Sequence[Copies], count: int) -> Check:
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
