"""Examine the audit records of a dataset's pairs and report what is wrong with them."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.config.domains import SKETCH_TO_PHOTO, Domain, Domains
from sketchcli.data.appearance import DARK
from sketchcli.data.audit import matching, terms
from sketchcli.data.audit.records import BLANK_RANGE, SIDE, Floats, Rows, likeness
from sketchcli.data.audit.terms import Audit, Check, Finding, blocks, has_sketches
from sketchcli.data.prepared import Pair

Found = tuple[list[Finding], list[Check]]


def examine(
    features: NDArray[Any],
    names: Sequence[Pair],
    *,
    is_drawn: bool,
    domains: Domains = SKETCH_TO_PHOTO,
) -> Audit:
    """Examine a whole dataset in blocks, so that a mapped array of 100,000 needs little memory.

    The features are (N,) FEATURES in the order of the names. If sketch2img drew the sketches from
    the photos, no pair can be wrong or misaligned, and the style decides how a sketch looks. The
    domains are those of the source, before any reversal.
    """
    if not names:
        return Audit(0, (), ())
    parts = [
        examiner(features, names, is_drawn=is_drawn, domains=domains)
        for examiner in (_examine_images, matching.examine, _examine_copies)
    ]
    found = sorted(  # errors first, then findings about the whole dataset, then by score
        (finding for part in parts for finding in part[0]),
        key=lambda f: (f.kind not in terms.ERRORS, f.pair is not None, -f.score),
    )
    return Audit(len(names), tuple(found), tuple(check for part in parts for check in part[1]))


# This section examines each pair by itself for blank, tinted, inverted, faint and tiny images.

LEAST_RANGE = 50  # grey levels that a stored sketch should span
SAME_LIKENESS = 0.96  # correlation above which a sketch counts as the photo itself
MOST_CHROMA = 8.0  # mean difference of a colour's highest and lowest channel
LARGEST_FACTOR = 1.5  # enlargement per side that is acceptable
_FEW = 8  # pairs; in a smaller dataset, every faulty pair gets its own finding
_MANY = 0.1  # fraction of faint sketches above which they may not be sketches
_HINT = "if they are not sketches, name them, for example: --input-name 'label map'"


# A kind of fault, which pairs have it, their scores, a function that returns the message for one
# pair, and the message for many pairs, which follows their number
_Fault = tuple[str, NDArray[np.bool_], Floats, Callable[[int], str], str]


def _examine_images(
    features: NDArray[Any], names: Sequence[Pair], *, is_drawn: bool, domains: Domains
) -> Found:
    """Return every fault of every pair; if most share a fault, one finding for the dataset."""
    count, sides = len(names), (domains.input, domains.target)
    ranges = np.empty((2, count), np.float32)  # grey levels that the small images span
    alike = np.empty(count, np.float32)
    for part in blocks(count):
        sketch, photo = features["sketch"][part], features["photo"][part]
        ranges[0, part], ranges[1, part] = np.ptp(sketch, axis=(1, 2)), np.ptp(photo, axis=(1, 2))
        is_drawing = has_sketches(domains)
        alike[part] = likeness(sketch, photo) if is_drawing else (sketch == photo).all(axis=(1, 2))
    judged = np.where([[side.may_be_plain] for side in sides], np.inf, ranges)
    least = judged.min(axis=0)

    def say(row: int) -> str:
        which = sides[int(judged[0, row] >= BLANK_RANGE)].one
        return f"the {which} is blank (it spans {least[row]:.0f} grey levels)"

    is_judged = not is_drawn and domains.input.is_sketch
    is_faint = is_judged & (features["sketch_range"] < LEAST_RANGE)
    hint = f"; {_HINT}" if count >= _FEW and is_faint.mean() > _MANY else ""
    blank = f"pairs have a blank image{hint}"
    faults: list[_Fault] = [("blank", least < BLANK_RANGE, 2 - least / BLANK_RANGE, say, blank)]
    faults.append(_tiny("photo", features, domains.target))
    if not is_drawn:
        faults.append(_tiny("sketch", features, domains.input))
        if has_sketches(domains) or len(set(domains.channels)) == 1:
            faults.append(_same_picture(ranges, alike, domains))
    if is_judged:
        faults += _sketch_faults(features, ranges, hint)
    elif domains.input.channels == 1:
        faults.append(_class_numbers(features, domains.input))
    found = []
    for kind, is_faulty, scores, describe, general in faults:
        rows = np.flatnonzero(is_faulty).tolist()
        if len(rows) > count / 2 and count >= _FEW:
            message = f"{len(rows)} of {count} {general}"
            found.append(Finding(kind, (), message, float(np.median(scores[rows]))))
            continue
        for row in rows:
            message, score = f"{names[row].id}: {describe(row)}", float(scores[row])
            found.append(Finding(kind, names[row].files, message, score, row))
    return found, _image_checks(count, {fault[0] for fault in faults}, hint, domains)


def _image_checks(count: int, made: Collection[str], hint: str, domains: Domains) -> list[Check]:
    """Return the checks of single images; those not `made` are skipped with their reason."""
    sketch, photo = domains.input, domains.target
    how = {
        "blank": f"An image spans fewer than {BLANK_RANGE} grey levels at 48x48 pixels.",
        "same-picture": f"Gradients of {sketch.one} and {photo.one} correlate by more than "
        f"{SAME_LIKENESS:g}."
        if has_sketches(domains)
        else f"The {sketch.one} and the {photo.one} are equal at 48x48 pixels.",
        "tinted": "The mean difference of a sketch's highest and lowest channel is above "
        f"{MOST_CHROMA:g}.",
        "inverted": f"A colourless sketch has a median luma below {DARK:g}, at its border and as "
        "a whole.",
        "low-contrast": f"{'A sketch spans' if sketch.is_sketch else f'All {sketch.many} span'} "
        f"fewer than {LEAST_RANGE} grey levels.",
        "enlarged": "A file has fewer pixels per side than the stored image, by a factor of more "
        f"than {LARGEST_FACTOR:g}.",
    }
    checks = {kind: Check((kind,), count, line) for kind, line in how.items()}
    for kind in how.keys() - made:
        why = f"the {sketch.many} were drawn from {photo.many}"
        if not sketch.is_sketch:
            why = f"the {sketch.many} are not sketches"
            if kind == "same-picture":
                why = f"{sketch.many} and {photo.many} may differ by their colours alone"
        checks[kind] = checks[kind].skipped(why)
    plain = [side.many for side in (sketch, photo) if side.may_be_plain]
    if plain:
        checks["blank"] = checks["blank"].skipped(f"{' and '.join(plain)} may be of one colour")
    if len(plain) == 1:
        note = f"Not checked: {plain[0]}, which may be of one colour"
        checks["blank"] = replace(checks["blank"], examined=count, note=note)
    if hint:
        checks["low-contrast"] = replace(checks["low-contrast"], note=_HINT.capitalize())
    return [*checks.values()]


def _tiny(which: str, features: NDArray[Any], domain: Domain) -> _Fault:
    pixels, source = (
        features[size].astype(np.float32).prod(axis=1) for size in ("size", f"{which}_source")
    )
    factors = np.sqrt(pixels / source)

    def say(row: int) -> str:
        return f"the {domain.one} is tiny: it was enlarged {factors[row]:.1f} times"

    general = f"{domain.many} are tiny: they were typically enlarged {np.median(factors):.1f} times"
    scores = factors / LARGEST_FACTOR
    return "enlarged", factors > LARGEST_FACTOR, scores, say, general


def _same_picture(ranges: Floats, alike: Floats, domains: Domains) -> _Fault:
    sketch, photo = domains.input, domains.target
    many = f"{sketch.many} are the {photo.many} themselves; "
    many += f"the folder of {sketch.many} may hold {photo.many}"
    return (
        "same-picture",
        (alike > SAME_LIKENESS) & (ranges.min(axis=0) >= BLANK_RANGE),
        1 + alike,
        lambda row: f"the {sketch.one} is the {photo.one} itself (likeness {alike[row]:.3f})",
        many,
    )


def _class_numbers(features: NDArray[Any], domain: Domain) -> _Fault:
    """Return the fault of grey inputs that are nearly equal, as class numbers are."""
    parts = [features["sketch"][part] for part in blocks(len(features))]
    span = int(max(map(np.max, parts))) - int(min(map(np.min, parts)))
    many = (
        f"{domain.many} span {span} grey levels together; if these are class numbers, save them "
        "with a palette, so that each class has a colour"
    )
    is_faulty = np.full(len(features), span < LEAST_RANGE)
    scores = np.full(len(features), LEAST_RANGE / max(span, 1), np.float32)
    return "low-contrast", is_faulty, scores, lambda _: many, many


def _sketch_faults(features: NDArray[Any], ranges: Floats, hint: str) -> list[_Fault]:
    is_blank = ranges.min(axis=0) < BLANK_RANGE
    chroma, contrast = features["chroma"], features["sketch_range"].astype(np.float32)
    paper = np.maximum(features["paper"], features["middle"])
    light_on_dark = (
        "sketches are light on dark; a model trained on them will not expect dark lines on white "
        "paper"
    )
    return [
        (
            "tinted",
            chroma > MOST_CHROMA,
            chroma / MOST_CHROMA,
            lambda row: (
                f"the sketch is in colour (chroma {chroma[row]:.0f}); only its lightness is used"
            ),
            "sketches are in colour; only their lightness is used",
        ),
        (
            "inverted",
            (paper < DARK) & (chroma <= MOST_CHROMA) & ~is_blank,
            2 - paper / DARK,
            lambda row: f"the sketch is light on dark (paper {paper[row]:.0f} of 255)",
            light_on_dark,
        ),
        (
            "low-contrast",
            (contrast < LEAST_RANGE) & (ranges[0] >= BLANK_RANGE),
            LEAST_RANGE / np.maximum(contrast, 1),
            lambda row: f"the sketch is faint (it spans {contrast[row]:.0f} grey levels)",
            f"sketches are faint: they span fewer than {LEAST_RANGE} grey levels{hint}",
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


def _examine_copies(
    features: NDArray[Any], names: Sequence[Pair], *, is_drawn: bool, domains: Domains
) -> Found:
    """Find near-duplicates; drawn sketches are excluded, as their photos' duplicates are found.

    Images of one split that are identical to the pixel are ignored, as `Exclusions` reports them.
    Label maps of different photos may look alike, so only copies of both images of a pair count.
    """
    found, is_complete, sketch, photo = [], True, domains.input, domains.target
    kinds = {"photo": ("sketch", photo), "sketch": ("photo", sketch)}
    for kind, (other, domain) in list(kinds.items())[: 1 if is_drawn else 2]:
        others = features[other] if domain.may_be_plain else None
        groups, is_whole = _find_copies(features[kind], others)
        is_complete &= is_whole
        for group in groups:
            distinct = {(names[row].split, features[kind][row].tobytes()): row for row in group}
            if len(distinct) > 1:
                found.append(_copy_finding(kind, domain.one, sorted(distinct.values()), names))
    drawn, both = f"{photo.many} only: {sketch.many} were drawn", f"{sketch.many} and {photo.many}"
    note = drawn if is_drawn else both
    note = note[0].upper() + note[1:]
    if not is_complete:
        note += f"; the search stopped after {_MOST_COMPARED} comparisons and may be incomplete"
    how = (
        f"{BITS}-bit perceptual hashes differ in at most {NEAR} bits, and gradients correlate by "
        f"more than {ALIKE:g}. It is an error if the images are in different splits."
    )
    return found, [Check(("leakage", "near-duplicate"), len(names), how, note)]


def _copy_finding(kind: str, one: str, members: Sequence[int], names: Sequence[Pair]) -> Finding:
    files = tuple(dict.fromkeys(getattr(names[row], kind) for row in members))
    splits = sorted({names[row].split for row in members})
    is_leak = len(splits) > 1
    ids = ", ".join(names[row].id for row in members[:3])
    more = f" and {len(members) - 3} more" if len(members) > 3 else ""
    where = f"in {' and '.join(splits)}" if is_leak else f"within {splits[0]}"
    message = f"{ids}{more}: the same {one} occurs {len(members)} times {where}"
    label, score = "leakage" if is_leak else "near-duplicate", 1 + len(members) / 10
    elsewhere = (row for row in members if names[row].split != names[members[0]].split)
    return Finding(label, files, message, score, members[0], next(elsewhere, members[1]))


def _find_copies(
    pictures: NDArray[Any], others: NDArray[Any] | None = None
) -> tuple[list[list[int]], bool]:
    """Group the near-duplicates among images (N, SIDE, SIDE); return whether all were compared.

    If the other images of the pairs are given, they must be near-duplicates as well.

    Hashes are sorted in several random orders of their bits, which brings similar ones close to
    each other (Charikar 2002; Ravichandran, Pantel and Hovy 2005), and compared with neighbours.
    """
    hashes, rows = _hashes(pictures)
    label = np.arange(len(pictures))  # equal within a group
    left = _MOST_COMPARED
    for first, second in _near_pairs(hashes):
        one, two = rows[first], rows[second]
        is_new = label[one] != label[two]
        one, two = one[is_new][:left], two[is_new][:left]
        left -= len(one)
        for part in blocks(len(one)):
            is_alike = likeness(pictures[one[part]], pictures[two[part]]) > ALIKE
            if others is not None:
                is_alike &= likeness(others[one[part]], others[two[part]]) > ALIKE
            for a, b in zip(one[part][is_alike], two[part][is_alike], strict=True):
                label[label == label[b]] = label[a]
        if not left:
            break
    groups: dict[int, list[int]] = {}
    for row in np.flatnonzero(np.bincount(label)[label] > 1).tolist():
        groups.setdefault(int(label[row]), []).append(row)
    return [*groups.values()], left > 0


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


# The BITS lowest frequencies by the sum of both, except for the mean: (2, BITS), down and right
_LOW = np.stack(np.divmod(np.arange(SIDE * SIDE), SIDE))
_LOW = _LOW[:, np.lexsort((_LOW[0], _LOW.sum(axis=0)))[1 : BITS + 1]]
_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(_LOW.max() + 1), np.arange(SIDE) + 0.5)).astype(
    np.float32
)
