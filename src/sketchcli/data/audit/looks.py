"""What a pair's pictures look like, each by itself: blank, tinted, inverted, faint, tiny."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.appearance import DARK
from sketchcli.data.audit.outlines import Floats, likeness
from sketchcli.data.audit.portions import blocks
from sketchcli.data.audit.terms import (
    BLANK,
    ENLARGED,
    INVERTED,
    LOW_CONTRAST,
    SAME_PICTURE,
    TINTED,
    AuditedPair,
    Check,
    Finding,
    Severity,
)

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


def findings(measures: Measures, names: Sequence[AuditedPair], *, is_drawn: bool) -> list[Finding]:
    """Every fault of every pair; one finding for the set where most pairs have the same fault."""
    faults = [_blank(measures), _tiny("photo", measures.photo_factor)]
    if not is_drawn:
        faults += _of_sketches(measures)
    return [finding for fault in faults for finding in _findings(fault, names)]


def checks(count: int, *, is_drawn: bool) -> list[Check]:
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
