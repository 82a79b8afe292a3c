"""Find pairs whose images do not belong together, or are shifted against each other.

A pair is wrong if its sketch fits another pair's photo far better than its own. Each image becomes
a descriptor of its outlines minus the dataset's mean, since what all faces of a dataset share does
not identify anybody. The agreement of sketch i with photo j is the product of their descriptors, in
standard deviations of the agreement of a sketch with unrelated photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.config.domains import Domains
from sketchcli.data.audit import terms
from sketchcli.data.audit.records import FIELD, SIDE, Floats, Rows, descriptors, fields, outlined
from sketchcli.data.audit.terms import Check, Finding, blocks, each_block, panel
from sketchcli.data.prepared import Pair

Which = NDArray[np.bool_]  # (N,)
FEWEST_OUTLINES = 0.05  # fraction of a label map that outlines must cover if it is judged
FEWEST = 8  # pairs needed to estimate the agreement with unrelated photos, and the typical shift
MARGIN = 2.0  # deviations by which another photo must fit better than the sketch's own
MISPAIRED = 1.5  # least median agreement of a correct pairing: 2.6 to 9; a wrong one has -2 to 1
MANY = 0.25  # fraction of wrong pairs above which the whole dataset counts as mis-paired
STRONG = 3.0  # least median agreement at which low agreement makes a single pair doubtful
WEAK = 1.0  # agreement below which a pair is doubtful
FAR = 0.03  # shift from which a pair is misaligned, as a fraction of the image's side
SURE = 3.0  # deviations by which the shifted place must fit better than the typical one
UNDRAWN_SURE = 6.0  # the same without sketches: label maps in the right place reach 5.5
_DEVIATION = 1.4826  # standard deviation per median absolute deviation if values are normal
_REACH = SIDE // 4  # largest shift that is searched, in small pixels
_WHITENING = 0.5  # 0: plain correlation (robust, blunt); 1: phase correlation (sharp, noisy)
_WINDOW = np.hanning(FIELD + 2)[1:-1].astype(np.float32)


def examine(
    features: NDArray[Any], names: Sequence[Pair], *, is_drawn: bool, domains: Domains
) -> tuple[list[Finding], list[Check]]:
    """Find wrong, doubtful and misaligned pairs among (N,) FEATURES.

    If images of one colour are normal, those with few outlines are not judged.
    """
    count, photos = len(names), domains.target
    sure = SURE if terms.has_sketches(domains) else UNDRAWN_SURE
    matching, alignment = _checks(count, domains, sure)
    if is_drawn:
        why = f"the {domains.input.many} were drawn from their {photos.many}"
        return [], [matching.skipped(why), alignment.skipped(why)]
    plain = _plain(features, domains)
    shifts, sizes = _measure(features, plain, sure), features["size"]
    typical = f"Typical shift of {photos.a}: {_in_words(shifts.typical, sizes[0])}"
    alignment = replace(alignment, note=typical)
    if count - plain.sum() < FEWEST:
        why = f"{FEWEST} are needed to estimate the agreement of unrelated images"
        found = _shift_findings(shifts, names, sizes, shifts.far, domains)
        return found, [matching.skipped(why), alignment]
    right, down = np.rint(shifts.typical * SIDE).astype(int).tolist()
    matches = _match(features, plain, (down, right) if shifts.is_set_shifted else (0, 0))
    compared = int(np.isfinite(matches.margin).sum())
    note = f"Median agreement: {matches.typical:.1f}"
    if compared < count:
        least = f"the {compared} pairs that agree least were compared with all {count}"
        note += f"; {least} {photos.many}"
    if plain.any():
        note += f"; {int(plain.sum())} pairs with few outlines were not judged"
    if matches.is_mispaired:
        alignment = alignment.skipped("the dataset looks mis-paired")
        found = _match_findings(matches, names, matches.weak, domains)
    else:  # a shift explains low agreement, and in a wrong pair there is nothing to align
        found = _match_findings(matches, names, matches.weak & ~shifts.far, domains)
        found += _shift_findings(shifts, names, sizes, shifts.far & ~matches.wrong, domains)
    return found, [replace(matching, note=note), alignment]


def _checks(count: int, domains: Domains, sure: float) -> tuple[Check, Check]:
    both = f"The outlines of {domains.input.one} and {domains.target.one} are"
    matched = (
        f"{both} compared, in deviations of the agreement of unrelated images. A pair is wrong if "
        f"another {domains.target.one} fits better by {MARGIN:g}, and doubtful below {WEAK:g} if "
        f"the median is {STRONG:g} or more. The dataset is mis-paired if the median is below "
        f"{MISPAIRED:g} or more than {MANY:.0%} of the pairs are wrong."
    )
    aligned = (
        f"{both} correlated. A pair is misaligned if it fits better by {sure:g} deviations at a "
        f"place more than {FAR:.0%} of the side away from the typical place."
    )
    kinds = ("mispaired-set", "wrong-pair", "weak-pair")
    return Check(kinds, count, matched), Check(("misaligned",), count, aligned)


def _plain(features: NDArray[Any], domains: Domains) -> Which:
    """Return which pairs, (N,), have an image with few outlines, if that is normal."""
    plain = np.zeros(len(features), bool)
    for kind, domain in (("sketch", domains.input), ("photo", domains.target)):
        for part in blocks(len(features)) if domain.may_be_plain else ():
            plain[part] |= outlined(features[kind][part]) < FEWEST_OUTLINES
    return plain


# This section finds wrong and doubtful pairs.


@dataclass(frozen=True)
class Matches:
    """How well the sketches of a dataset fit their photos, in deviations."""

    agreement: Floats  # (N,)
    margin: Floats  # (N,), by how much the best other photo fits better; -inf: not compared
    better: Rows  # (N,), row of the best other photo
    typical: float  # median agreement
    wrong: Which  # whether each pair is wrong
    weak: Which  # whether each pair is doubtful, if the median allows this verdict
    is_mispaired: bool  # whether (many) sketches fit unrelated photos as well as their own


def _match(features: NDArray[Any], plain: Which, offset: tuple[int, int]) -> Matches:
    """Compare every sketch with its photo, and the least fitting sketches with all photos.

    Photo j is better for sketch i if it fits better than photo i does, and better than it fits its
    own sketch j; the margin is the lesser of the two gains.

    Of (N,) FEATURES, at least FEWEST must not be plain, which are not judged. `offset` is the
    typical shift of the photos, down and right, in small pixels.
    """
    drawn, shot = _Space(features["sketch"]), _Space(features["photo"], offset)
    fits = drawn.panel @ shot.panel.T
    unrelated = fits[~np.eye(len(fits), dtype=bool)]
    deviation = float(_DEVIATION * np.median(np.abs(unrelated - np.median(unrelated))))
    drawn.scale = np.float32(1 / (deviation + 1e-9))
    agreement: Floats = np.concatenate(
        [*each_block(len(features), lambda p: (drawn.place(p) * shot.place(p)).sum(axis=1))]
    )
    margin, better = _search(drawn, shot, agreement)
    typical, wrong = float(np.median(agreement[~plain])), (margin > MARGIN) & ~plain
    weak = (agreement < WEAK) & ~wrong & ~plain & (typical >= STRONG)
    is_mispaired = typical < MISPAIRED or float(wrong.mean()) > MANY
    return Matches(agreement, margin, better, typical, wrong, weak, is_mispaired)


def _search(drawn: "_Space", shot: "_Space", agreement: Floats) -> tuple[Floats, Rows]:
    """Return margin and better photo, (N,) each, for the at most PANEL pairs that agree least."""
    least = np.sort(np.argsort(agreement, kind="stable")[: terms.PANEL])
    sketches = drawn.place(least)
    margin = np.full(len(agreement), -np.inf, np.float32)
    better = np.zeros(len(agreement), np.intp)

    def best_of(part: slice) -> tuple[Floats, Rows]:
        gain = sketches @ shot.place(part).T
        gain -= np.maximum(agreement[least, None], agreement[None, part])
        gain[least[:, None] == np.arange(part.start, part.stop)] = -np.inf
        best = gain.argmax(axis=1)
        return gain[np.arange(len(least)), best], part.start + best

    for highest, best in each_block(len(agreement), best_of):
        is_higher = highest > margin[least]
        better[least] = np.where(is_higher, best, better[least])
        margin[least] = np.maximum(highest, margin[least])
    return margin, better


class _Space:
    """The normalised space of the descriptors of images uint8 (N, SIDE, SIDE) of one kind."""

    def __init__(self, pictures: NDArray[Any], offset: tuple[int, int] = (0, 0)) -> None:
        self.pictures, self.offset = pictures, offset
        self.scale = np.float32(1)
        found = self._describe(panel(len(pictures)))
        self.mean, self.spread = found.mean(axis=0), found.std(axis=0) + np.float32(1e-6)
        unit = self._unit(found)
        self.centre = unit.mean(axis=0)
        self.panel: Floats = unit - self.centre  # places of at most PANEL images, (M, D)

    def place(self, rows: slice | Rows) -> Floats:
        """Return the places of some of the images, (N, D)."""
        if len(self.panel) == len(self.pictures):
            places = self.panel[rows]
        else:
            places = self._unit(self._describe(rows)) - self.centre
        return np.asarray(places * self.scale)

    def _describe(self, rows: slice | Rows) -> Floats:
        down, right = self.offset
        return descriptors(np.roll(self.pictures[rows], (-down, -right), axis=(1, 2)))

    def _unit(self, found: Floats) -> Floats:
        vectors = (found - self.mean) / self.spread
        unit: Floats = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-9))
        return unit


def _match_findings(
    matches: Matches, names: Sequence[Pair], doubtful: Which, domains: Domains
) -> list[Finding]:
    found, sketch, photo = [], domains.input, domains.target.one
    typical = f"{matches.typical:.1f}"
    if matches.is_mispaired:
        compared = int(np.isfinite(matches.margin).sum())
        message = (
            f"the dataset looks mis-paired: {int(matches.wrong.sum())} of {compared} "
            f"{sketch.many} fit another pair's {photo} better (median agreement {typical}; it is "
            "0 for unrelated images and 3 to 6 for a correct pairing)"
        )
        found.append(Finding("mispaired-set", (), message, 2 + MISPAIRED - matches.typical))
    for row in np.flatnonzero(matches.wrong).tolist():
        pair, other, margin = names[row], int(matches.better[row]), float(matches.margin[row])
        message = (
            f"{pair.id}: the {sketch.one} fits the {photo} of {names[other].id} better by "
            f"{margin:.1f} deviations (agreement with its own {photo}: "
            f"{matches.agreement[row]:.1f}, median of the dataset: {typical})"
        )
        found.append(Finding("wrong-pair", pair.files, message, margin / MARGIN, row, other))
    for row in np.flatnonzero(doubtful).tolist():
        pair, agreement = names[row], float(matches.agreement[row])
        message = (
            f"{pair.id}: the {sketch.one} fits its {photo} no better than an unrelated {photo} "
            f"(agreement: {agreement:.1f} deviations, median of the dataset: {typical})"
        )
        found.append(Finding("weak-pair", pair.files, message, 1 + WEAK - agreement, row))
    return found


# This section finds misaligned pairs, whose photo is shifted against its sketch.


@dataclass(frozen=True)
class Shifts:
    """The shifts of a dataset's photos, as fractions of the image's width and height."""

    places: Floats  # (N, 2): to the right, down
    typical: Floats  # (2,), the median over the dataset
    is_set_shifted: bool  # whether the typical place itself is off the sketch
    distance: Floats  # (N,), distance of each photo from the typical place
    far: Which  # whether each photo is certainly off the typical place


def _measure(features: NDArray[Any], plain: Which, sure: float) -> Shifts:
    """Find where each photo of (N,) FEATURES fits its sketch best.

    The outline fields of both are correlated. The spectrum is divided by the root of its magnitude,
    half-way to phase correlation (Kuglin and Hines 1975), and the peak is refined by a parabola
    through its neighbours.
    """
    count, rows = len(features), panel(len(features))
    surfaces = [*each_block(len(rows), lambda part: _surfaces(features[rows[part]]))]
    typical: Floats = np.zeros(2, np.float32)
    if count >= FEWEST:
        typical = np.median(np.concatenate([_peaks(each)[0] for each in surfaces]), axis=0)

    def look(surfaces: Floats) -> tuple[Floats, Floats]:
        """Return each place and the deviations by which a photo fits better there."""
        places, highest = _peaks(surfaces)
        x, y = (int(v) for v in np.clip(np.rint(typical) + _REACH, 1, 2 * _REACH - 1))
        above = highest - surfaces[:, y - 1 : y + 2, x - 1 : x + 2].max(axis=(1, 2))
        return places, above / (surfaces.std(axis=(1, 2)) + np.float32(1e-9))

    if len(rows) == count:
        found = [look(each) for each in surfaces]
    else:
        found = [*each_block(count, lambda part: look(_surfaces(features[part])))]
    places, gain = (np.concatenate(parts) for parts in zip(*found, strict=True))
    places, typical = places / SIDE, typical / SIDE
    distance = np.hypot(*(places - typical).T)
    far = (distance > FAR) & (gain > sure) & ~plain
    return Shifts(places, typical, bool(np.hypot(*typical) > FAR), distance, far)


def _surfaces(features: NDArray[Any]) -> Floats:
    """Return how well each photo fits by its place, (N, down 2 REACH + 1, right 2 REACH + 1)."""
    spectra = []
    for kind in ("sketch", "photo"):
        found = fields(features[kind])
        found -= found.mean(axis=(2, 3), keepdims=True)
        spectra.append(np.fft.rfft2(found * _WINDOW[:, None] * _WINDOW, s=(SIDE, SIDE)))
    cross = spectra[1] * np.conj(spectra[0])
    cross = cross / (np.abs(cross) ** _WHITENING + 1e-9)
    surface = np.fft.irfft2(cross.sum(axis=1), s=(SIDE, SIDE))
    surface = np.fft.fftshift(surface, axes=(1, 2)).astype(np.float32, copy=False)
    near = slice(SIDE // 2 - _REACH, SIDE // 2 + _REACH + 1)
    return surface[:, near, near]


def _peaks(surfaces: Floats) -> tuple[Floats, Floats]:
    """Return each surface's peak, (N, 2) right and down in small pixels, and its height, (N,)."""
    rows, side = np.arange(len(surfaces)), surfaces.shape[1]
    down, right = np.divmod(surfaces.reshape(len(surfaces), -1).argmax(axis=1), side)
    y, x = np.clip(down, 1, side - 2), np.clip(right, 1, side - 2)
    highest = surfaces[rows, down, right]
    fine_x = _vertex(surfaces[rows, y, x - 1], surfaces[rows, y, x], surfaces[rows, y, x + 1])
    fine_y = _vertex(surfaces[rows, y - 1, x], surfaces[rows, y, x], surfaces[rows, y + 1, x])
    return np.stack([x + fine_x, y + fine_y], axis=1) - np.float32(_REACH), highest


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Return the offset of the peak of the parabola through three neighbours, in [-1, 1]."""
    bend = before - 2 * at + after
    offset = (before - after) / np.where(bend < 0, 2 * bend, -1)
    return np.clip(np.where(bend < 0, offset, 0), -1, 1)


def _shift_findings(
    shifts: Shifts, names: Sequence[Pair], sizes: NDArray[Any], shifted: Which, domains: Domains
) -> list[Finding]:
    """Return the findings of shifted pairs, (N,), and of a dataset that is shifted as a whole.

    `sizes`, (N, 2), are the stored heights and widths.
    """
    found = []
    if shifts.is_set_shifted:
        place, score = _in_words(shifts.typical, sizes[0]), float(np.hypot(*shifts.typical)) / FAR
        message = (
            f"all pairs: the {domains.target.many} are typically shifted against their "
            f"{domains.input.many} by {place}"
        )
        found.append(Finding("misaligned", (), message, score))
    for row in np.flatnonzero(shifted).tolist():
        message = (
            f"{names[row].id}: the {domains.target.one} is shifted against its "
            f"{domains.input.one} by {_in_words(shifts.places[row], sizes[row])} (typical of the "
            f"dataset: {_in_words(shifts.typical, sizes[row])})"
        )
        score = float(shifts.distance[row] / FAR)
        found.append(Finding("misaligned", names[row].files, message, score, row))
    return found


def _in_words(place: Floats, size: NDArray[Any]) -> str:
    """Return a shift of an image (height, width) in words, such as `8.0 px right, 0.2 px up`."""
    x, y = float(place[0]) * int(size[1]), float(place[1]) * int(size[0])
    across = f"{abs(x):.1f} px {'right' if x > 0 else 'left'}"
    return f"{across}, {abs(y):.1f} px {'down' if y > 0 else 'up'}"
