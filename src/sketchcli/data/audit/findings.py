"""Examine the audit records of a dataset's pairs and report what is wrong with them."""

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
    """Examine a whole dataset in blocks, so that a mapped array of 100,000 needs little memory.

    The features are (N,) FEATURES in the order of the names. If sketch2img drew the sketches from
    the photos, no pair can be wrong or misaligned, and the style decides how a sketch looks.
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
    """Return a sort key: errors first, then findings about the whole dataset, then by score."""
    is_warning = finding.severity is Severity.WARNING
    return is_warning, finding.pair is not None, -finding.score


def _pairings(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool, threads: int
) -> tuple[list[Finding], list[Check]]:
    count = len(names)
    if is_drawn:
        why = "the sketches were drawn from their photos"
        return [], [matching.not_judged(count, why), matching.shifts_not_judged(count, why)]
    measured, sizes = matching.measure(features, threads=threads), features["size"]
    nowhere = np.zeros(count, bool)
    if count < matching.FEWEST:
        why = f"{matching.FEWEST} are needed to estimate the agreement of unrelated images"
        found = matching.shift_findings(measured, names, sizes, skip=nowhere)
        return found, [matching.not_judged(count, why), matching.shift_check(measured, sizes)]
    matches = matching.match(features, offset=measured.offset, threads=threads)
    if matches.is_mispaired:
        found = matching.findings(matches, names, shifted=nowhere)
        why = "the dataset looks mis-paired"
        return found, [matching.check(matches), matching.shifts_not_judged(count, why)]
    found = matching.findings(matches, names, shifted=measured.far)
    found += matching.shift_findings(measured, names, sizes, skip=matches.wrong)
    return found, [matching.check(matches), matching.shift_check(measured, sizes)]


def _copies(
    features: NDArray[Any], names: Sequence[AuditedPair], is_drawn: bool
) -> tuple[list[Finding], list[Check]]:
    """Find near-duplicates; drawn sketches are excluded, as their photos' duplicates are found."""
    kinds = ("photo",) if is_drawn else ("photo", "sketch")
    copies = [find_copies(features, kind) for kind in kinds]
    found = [f for each in copies for f in copy_findings(each, features, names)]
    return found, [copy_check(copies, len(names))]


# This section examines each pair by itself for blank, tinted, inverted, faint and tiny images.

BLANK_RANGE = 8  # grey levels that a small image must span
LEAST_RANGE = 50  # grey levels that a stored sketch should span
SAME_LIKENESS = 0.96  # correlation above which a sketch counts as the photo itself
MOST_CHROMA = 8.0  # mean difference of a colour's highest and lowest channel
LARGEST_FACTOR = 1.5  # enlargement per side that is acceptable
_FEW = 8  # pairs; in a smaller dataset, every faulty pair gets its own finding


@dataclass(frozen=True)
class Measures:
    """Measures of each pair, (N,)."""

    sketch_range: Floats  # grey levels that the small sketch spans
    photo_range: Floats  # grey levels that the small photo spans
    contrast: Floats  # grey levels that the stored sketch spans
    likeness: Floats  # correlation of the gradients of sketch and photo
    chroma: Floats  # mean chroma of the sketch's file
    paper: Floats  # median luma of the sketch's border or of all of it, whichever is lighter
    sketch_factor: Floats  # enlargement per side
    photo_factor: Floats


@dataclass(frozen=True)
class _Fault:
    """A fault that some of the pairs have."""

    kind: str
    severity: Severity
    rows: NDArray[np.bool_]
    scores: Floats
    say: Callable[[int], str]  # returns the message for one pair
    general: str  # the message for many pairs, which follows their number


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
    """Return every fault of every pair; if most share a fault, one finding for the dataset."""
    faults = [_blank(measures), _tiny("photo", measures.photo_factor)]
    if not is_drawn:
        faults += _of_sketches(measures)
    return [finding for fault in faults for finding in _findings(fault, names)]


def look_checks(count: int, *, is_drawn: bool) -> list[Check]:
    """Return the checks of single pairs."""
    how = {
        BLANK: f"An image spans fewer than {BLANK_RANGE} grey levels at 48x48 pixels.",
        SAME_PICTURE: f"Gradients of sketch and photo correlate by more than {SAME_LIKENESS:g}.",
        TINTED: "The mean difference of a sketch's highest and lowest channel is above "
        f"{MOST_CHROMA:g}.",
        INVERTED: "A colourless sketch has a median luma below "
        f"{DARK:g}, at its border and as a whole.",
        LOW_CONTRAST: f"A sketch spans fewer than {LEAST_RANGE} grey levels.",
        ENLARGED: "A file has fewer pixels per side than the stored image, by a factor of more "
        f"than {LARGEST_FACTOR:g}.",
    }
    drawn = (SAME_PICTURE, TINTED, INVERTED, LOW_CONTRAST)
    return [
        Check((kind,), 0, line, f"{count} pairs not checked: the sketches were drawn from photos")
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
    general = "pairs have a blank image"
    return _Fault(BLANK, Severity.ERROR, least < BLANK_RANGE, scores, say, general)


def _tiny(which: str, factors: Floats) -> _Fault:
    def say(row: int) -> str:
        return f"the {which} is tiny: it was enlarged {factors[row]:.1f} times"

    general = f"{which}s are tiny: they were typically enlarged {np.median(factors):.1f} times"
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
            "sketches are the photos themselves; the folder of sketches may hold photos",
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
            "sketches are in colour; only their lightness is used",
        ),
        _Fault(
            INVERTED,
            warn,
            is_dark,
            2 - measures.paper / DARK,
            lambda row: f"the sketch is light on dark (paper {measures.paper[row]:.0f} of 255)",
            "sketches are light on dark; a model trained on them will not expect dark lines on "
            "white paper",
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


# This section finds near-duplicates, such as the same image compressed, resized or brightened.
# `Exclusions` handles identical images. A perceptual hash proposes, and the gradients decide.

BITS = 256  # bits of a hash
NEAR = 32  # bits in which two hashes may differ
ALIKE = 0.9  # correlation of the gradients above which two images are near-duplicates
_ORDERS = 24  # random orders of the bits in which the hashes are sorted
_NEIGHBOURS = 12  # neighbours with which each hash is compared in each order
_MOST_COMPARED = 200_000  # comparisons of gradients per kind of image
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Copies:
    """Groups of rows with near-duplicate images of one kind."""

    kind: str  # sketch | photo
    groups: tuple[tuple[int, ...], ...]
    is_complete: bool  # whether every candidate was compared


def find_copies(features: NDArray[Any], kind: str) -> Copies:
    """Group the near-duplicates among the images of one kind, `sketch` or `photo`.

    Hashes are sorted in several random orders of their bits, which brings similar ones close to
    each other (Charikar 2002; Ravichandran, Pantel and Hovy 2005), and compared with neighbours.
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
    """Return one finding per group, which is leakage if the group is in several splits.

    Images of one split that are identical to the pixel are ignored, as `Exclusions` reports them.
    """
    found = []
    for group in copies.groups:
        distinct = {(names[row].split, features[copies.kind][row].tobytes()): row for row in group}
        members = sorted(distinct.values())
        if len(members) > 1:
            found.append(_finding(copies.kind, members, names))
    return found


def copy_check(copies: Sequence[Copies], count: int) -> Check:
    """Return the check that describes the comparison."""
    note = "Sketches and photos" if len(copies) > 1 else "Photos only: sketches were drawn"
    if not all(each.is_complete for each in copies):
        note += f"; the search stopped after {_MOST_COMPARED} comparisons and may be incomplete"
    how = (
        f"{BITS}-bit perceptual hashes differ in at most {NEAR} bits, and gradients correlate by "
        f"more than {ALIKE:g}. It is an error if the images are in different splits."
    )
    return Check((LEAKAGE, NEAR_DUPLICATE), count, how, note)


def _finding(kind: str, members: Sequence[int], names: Sequence[AuditedPair]) -> Finding:
    files = tuple(dict.fromkeys(getattr(names[row], kind) for row in members))
    splits = sorted({names[row].split for row in members})
    is_leak = len(splits) > 1
    ids = ", ".join(names[row].id for row in members[:3])
    more = f" and {len(members) - 3} more" if len(members) > 3 else ""
    where = f"in {' and '.join(splits)}" if is_leak else f"within {splits[0]}"
    message = f"{ids}{more}: the same {kind} occurs {len(members)} times {where}"
    severity = Severity.ERROR if is_leak else Severity.WARNING
    label, score = (LEAKAGE if is_leak else NEAR_DUPLICATE), 1 + len(members) / 10
    elsewhere = (row for row in members if names[row].split != names[members[0]].split)
    other = next(elsewhere, members[1])
    return Finding(label, severity, files, message, score, members[0], other)


def _hashes(pictures: NDArray[Any]) -> tuple[NDArray[np.uint8], Rows]:
    """Return the perceptual hashes of all images that are not blank, (M, BITS), and their rows.

    A hash holds the signs of the lowest frequencies of a cosine transform (Zauner 2010).
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
    """Yield pairs of hashes that differ in few bits, as two arrays of positions."""
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
    """Disjoint groups of rows; `label` is equal within a group."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)
        self.members: dict[int, list[int]] = {}

    def join(self, one: int, two: int) -> None:
        """Merge the groups of two rows."""
        keep, drop = int(self.label[one]), int(self.label[two])
        if keep == drop:
            return
        if len(self.members.get(keep, [])) < len(self.members.get(drop, [])):
            keep, drop = drop, keep
        moved = self.members.pop(drop, [drop])
        self.label[moved] = keep
        self.members.setdefault(keep, [keep]).extend(moved)

    def of_several(self) -> tuple[tuple[int, ...], ...]:
        """Return the groups of several rows, ordered by their first rows."""
        return tuple(sorted(tuple(sorted(rows)) for rows in self.members.values()))


def _lowest(count: int) -> tuple[Rows, Rows]:
    """Return the positions of the lowest frequencies by the sum of both, except for the mean."""
    down, right = np.divmod(np.arange(SIDE * SIDE), SIDE)
    order = np.lexsort((down, down + right))[1 : count + 1]
    return down[order], right[order]


_LOW = _lowest(BITS)
_COSINES = np.cos(
    np.pi / SIDE * np.outer(np.arange(max(_LOW[0].max(), _LOW[1].max()) + 1), np.arange(SIDE) + 0.5)
).astype(np.float32)
