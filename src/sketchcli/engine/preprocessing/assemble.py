"""Assemble the made pairs: decide on channels and which to keep, write arrays, and audit them."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.config import Domain, Domains
from sketchcli.data import colour
from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES
from sketchcli.data.audit.terms import Audit, Check, Finding
from sketchcli.data.pairing import Exclusions
from sketchcli.data.prepared import ArrayWriter, Pair, PreparedSet, pair_hash, picture_hash
from sketchcli.data.splits import SplitRule
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.preprocessing.chunks import ChunkStore, Outcome
from sketchcli.engine.preprocessing.pair_builder import Job, MadePair
from sketchcli.engine.reporting import audit_report
from sketchcli.images import Pixels


@dataclass(frozen=True)
class Side:
    """What is known of all sketches, or of all photos, before they are looked at."""

    name: str = ""
    channels: int | None = None
    reason: str = ""  # for its channels


# Of sketches and of photos, why they are grey, and why they are in colour
REASONS = (
    ("as colour tells no parts apart", "as colour tells parts apart"),
    ("as they have no colour", "as they have colours"),
)


@dataclass
class Assembly:
    """The pairs that were kept, with their audit records; sketches and photos are the source's."""

    sides: list[Side]  # of sketches and photos; `assemble` completes them
    is_reversed: bool = False  # whether photos are stored as the inputs
    pairs: list[Pair] = field(default_factory=list)
    features: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FEATURES))  # (N,)
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why

    @property
    def channels(self) -> tuple[int | None, int | None]:
        """The channels of sketches and photos, as far as they are decided."""
        return self.sides[0].channels, self.sides[1].channels

    @property
    def domains(self) -> Domains:
        """What sketches and photos are."""
        return Domains(*(Domain(side.name, side.channels or 1) for side in self.sides))

    def as_stored(self) -> tuple[tuple[Pair, ...], Domains, tuple[str, str]]:
        """Return the pairs, what inputs and targets are, and the reasons for their channels."""
        reasons = self.sides[0].reason, self.sides[1].reason
        if not self.is_reversed:
            return tuple(self.pairs), self.domains, reasons
        pairs = (replace(pair, sketch=pair.photo, photo=pair.sketch) for pair in self.pairs)
        return tuple(pairs), self.domains.reversed, reasons[::-1]


def assemble(
    store: ChunkStore,
    chunks: Iterable[int],
    assembly: Assembly,
    exclusions: Exclusions,
    reporter: Reporter,
) -> None:
    """Write the arrays of all pairs that may be kept into the store's folder `assembled`.

    The test pairs come first: an image in both splits is dropped from the training split. `chunks`
    yields the numbers of all chunks, each as soon as it is finished. The exclusions decide which
    pairs are kept, and record the skipped files.
    """
    chunks = _decided(assembly, chunks, store)
    done, count, path = 0, len(store.jobs), store.folder / "features"
    kept = ""  # the id of the first sketch of the photo that was kept last
    with contextlib.ExitStack() as stack:
        features = stack.enter_context(path.open("wb"))

        @cache
        def writer(stem: str) -> ArrayWriter:
            path = store.assembled / f"{stem}.npy"
            return stack.enter_context(contextlib.closing(ArrayWriter(path)))

        for job, outcome, pair in (found for number in chunks for found in store.read(number)):
            done += 1
            if done % 1000 == 0 or done == count:
                reporter(Advanced("stored", done, count))
            if pair is None:
                exclusions.leave_out(f"unreadable pair: {outcome.error}", *job.files)
                continue
            stored = _stored(pair, outcome, assembly.channels)
            given = _identities(job, (stored[0][1], stored[1][1]), assembly.domains)
            # Further sketches of a photo are kept if the first was.
            if not (kept == job.first if job.draw else exclusions.takes(given, job.split)):
                continue
            kept = job.first
            (sketch, first), (photo, second) = stored[:: -1 if assembly.is_reversed else 1]
            writer(f"{job.split}-sketches").append(sketch)
            writer(f"{job.split}-photos").append(photo)
            features.write(pair.features.tobytes())
            names = str(job.sketch or ""), str(job.photo)
            sha256 = pair_hash(first, second)
            assembly.pairs.append(Pair(job.id, job.split, sha256, *names, job.style))
            for file, why in outcome.unaligned.items():  # a photo's first sketch tells the most
                assembly.unaligned.setdefault(file, why)
    if assembly.pairs:  # mapped only now, as writing to a map of a full disk kills the process
        assembly.features = np.memmap(path, FEATURES, "r")


def _decided(assembly: Assembly, chunks: Iterable[int], store: ChunkStore) -> Iterable[int]:
    """Complete what the images are; if they must be seen for that, wait for all chunks."""
    is_open = None in assembly.channels
    chunks = list(chunks) if is_open else chunks
    colours = map(store.colours, chunks if is_open else ())
    assembly.sides = decide(assembly.sides, colours, is_reversed=assembly.is_reversed)
    return chunks


def _identities(job: Job, hashes: tuple[str, str], domains: Domains) -> dict[str, Path]:
    """Return by what each file of a pair is recognised: its image, or both if it may be plain.

    Two maps of the sea are equal, and their pairs are not, unless the photos are equal, too.
    """
    sides = zip(hashes, hashes[::-1], (domains.input, domains.target), strict=True)
    keys = [own + other if domain.may_be_plain else own for own, other, domain in sides]
    return {key: file for key, file in zip(keys, (job.sketch, job.photo), strict=True) if file}


def _stored(
    pair: MadePair, outcome: Outcome, channels: Sequence[int | None]
) -> list[tuple[Pixels, str]]:
    """Return sketch and photo with the channels of all others, each with its hash."""
    found = []
    hashes = outcome.sketch_hash, outcome.photo_hash
    for pixels, known, number in zip((pair.sketch, pair.photo), hashes, channels, strict=True):
        stored = images.luma(pixels) if number == 1 else images.to_rgb(pixels)
        found.append((stored, known if stored is pixels else picture_hash(stored)))
    return found


def decide(
    sides: Sequence[Side], colours: Iterable[NDArray[np.float64]], *, is_reversed: bool
) -> list[Side]:
    """Complete what sketches and photos are by the colour statistics of all chunks."""
    sketches, photos = sum(colours, np.zeros((2, colour.LENGTH)))
    is_colour = (
        colour.strength(sketches) >= colour.LEAST,
        colour.amount(photos) >= colour.LEAST_OF_PHOTOS,
    )
    found = [
        side if side.channels else Side(side.name, 3 if has_it else 1, reasons[has_it])
        for side, has_it, reasons in zip(sides, is_colour, REASONS, strict=True)
    ]
    labels, results = ("target", "input") if is_reversed else ("input", "target")
    is_map, is_grey = found[0].channels == 3, found[1].channels == 1
    names = labels if is_map else "sketch", results if is_map and is_grey else "photo"
    return [replace(s, name=s.name or name) for s, name in zip(found, names, strict=True)]


# This section audits the pairs of a new dataset and writes the report.


def audit(assembly: Assembly, rule: SplitRule) -> Audit:
    """Look for wrong pairs, bad images and leakage among the pairs that were kept.

    Pairs with drawn sketches, which cannot be wrong, are examined separately from all others; of
    each photo only the first drawn pair, as its other sketches are similar on purpose. Splits that
    the source has chosen may tear apart the groups of `rule`; this is found as well.
    """
    pairs, features = assembly.pairs, assembly.features
    own = [row for row, pair in enumerate(pairs) if not pair.style]
    first = {pair.photo: row for row, pair in reversed([*enumerate(pairs)]) if pair.style}
    found = _torn_groups(pairs, rule)
    checks: list[Check] = []
    for rows, is_drawn in ((own, False), (sorted(first.values()), True)):
        if rows:
            examined = features if len(rows) == len(pairs) else features[rows]
            names = [pairs[row] for row in rows]
            part = examine(examined, names, is_drawn=is_drawn, domains=assembly.domains)
            for finding in part.findings:  # its rows are those among the examined pairs
                pair, other = (r if r is None else rows[r] for r in (finding.pair, finding.other))
                found.append(replace(finding, pair=pair, other=other))
            checks += part.checks
    return Audit(len(pairs), tuple(found), tuple(checks))


def _torn_groups(pairs: Sequence[Pair], rule: SplitRule) -> list[Finding]:
    """Return one finding per group, such as a person, whose pairs are in several splits."""
    homes: dict[str, dict[str, int]] = {}
    for row, pair in enumerate(pairs):
        if group := rule.group_of(pair.id):
            homes.setdefault(group, {}).setdefault(pair.split, row)
    return [
        Finding(
            "torn-group",
            tuple(pairs[row].photo for row in rows.values()),
            f"the group '{group}' is in several splits: {', '.join(rows)}",
            score=float(len(rows)),
            pair=min(rows.values()),
            other=max(rows.values()),
        )
        for group, rows in homes.items()
        if len(rows) > 1
    ]


def write_report(path: Path, dataset: PreparedSet, audit: Audit) -> None:
    """Write the audit report, `audit.html`."""
    description = dataset.description
    height, width = description.size
    counts = ", ".join(f"{count} {split}" for split, count in description.counts.items())
    facts = {
        "inputs and targets": str(description.domains),
        "size": f"{width}x{height}, fit: {description.fit}, align: {description.align}",
        "pairs": counts,
        "paired by": description.pairing,
        "licence": description.licence,
        **({"notice": description.notice} if description.notice else {}),
        "citation": description.citation,
        "command": description.command,
    }
    audit_report.write(
        path,
        title=description.name,
        facts=facts,
        audit=audit,
        names=description.pairs,
        left_out=description.left_out,
        repeated=description.repeated | description.unaligned,
        pair_pictures=_pictures(dataset),
        domains=description.domains,
    )


def _pictures(dataset: PreparedSet) -> Callable[[int], tuple[Pixels, Pixels]]:
    """Return a function that returns a pair's sketch and photo by its position among all pairs."""
    splits = {name: dataset.split(name) for name in dataset.description.counts}
    rows = {name: itertools.count() for name in splits}
    places = [(splits[p.split], next(rows[p.split])) for p in dataset.description.pairs]

    def look(position: int) -> tuple[Pixels, Pixels]:
        split, row = places[position]
        return split.sketches[row], split.photos[row]

    return look
