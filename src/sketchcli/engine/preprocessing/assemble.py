"""Assemble the made pairs: decide on channels and which to keep, write arrays, and audit them."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import images
from sketchcli.config import SKETCH, Domain, Domains
from sketchcli.data import colour
from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES
from sketchcli.data.audit.terms import Audit, Check, Finding
from sketchcli.data.pairing import Exclusions
from sketchcli.data.prepared import Pair, PreparedSet, ShardedWriter, pair_hash, picture_hash
from sketchcli.data.splits import SplitRule
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.preprocessing.chunks import ChunkStore
from sketchcli.engine.reporting import audit_report
from sketchcli.images import Pixels


@dataclass
class Assembly:
    """The pairs that were kept, with their audit records."""

    pairs: list[Pair] = field(default_factory=list)
    features: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FEATURES))  # (N,)
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why


def assemble(
    store: ChunkStore,
    chunks: Iterable[int],
    exclusions: Exclusions,
    channels: tuple[int, int],
    reporter: Reporter,
    *,
    is_reversed: bool = False,
) -> Assembly:
    """Write the arrays of all pairs that may be kept into the store's folder `assembled`.

    The test pairs come first: an image in both splits is dropped from the training split. `chunks`
    yields the numbers of all chunks, each as soon as it is finished. The exclusions decide which
    pairs are kept, and record the skipped files. Sketches and photos get the `channels`; reversed,
    the photos are stored as inputs.
    """
    done, count, path = 0, len(store.jobs), store.folder / "features"
    assembly, kept = Assembly(), ""  # the id of the first sketch of the photo that was kept last
    writers: dict[str, ShardedWriter] = {}
    with contextlib.ExitStack() as stack:
        features = stack.enter_context(path.open("wb"))
        for job, outcome, pair in (found for number in chunks for found in store.read(number)):
            done += 1
            if done % 1000 == 0 or done == count:
                reporter(Advanced("stored", done, count))
            if pair is None:
                exclusions.leave_out(f"unreadable pair: {outcome.error}", *job.files)
                continue
            sketch, sketch_hash = _stored(pair.sketch, outcome.sketch_hash, channels[0])
            photo, photo_hash = _stored(pair.photo, outcome.photo_hash, channels[1])
            given = {} if job.sketch is None else {sketch_hash: job.sketch}
            given[photo_hash] = job.photo
            # Further sketches of a photo are kept if the first was.
            is_kept = kept == job.first if job.draw else exclusions.takes(given, job.split)
            if not is_kept:
                continue
            kept = job.first
            order = -1 if is_reversed else 1
            for kind, pixels in zip(("sketches", "photos"), (sketch, photo)[::order], strict=True):
                stem = f"{job.split}-{kind}"
                if stem not in writers:
                    writers[stem] = ShardedWriter(store.assembled, stem)
                    stack.callback(writers[stem].close)
                writers[stem].append(pixels)
            features.write(pair.features.tobytes())
            sha256 = pair_hash(*(sketch_hash, photo_hash)[::order])
            names = str(job.sketch or ""), str(job.photo)
            assembly.pairs.append(Pair(job.id, job.split, sha256, *names, job.style))
            for file, why in outcome.unaligned.items():  # a photo's first sketch tells the most
                assembly.unaligned.setdefault(file, why)
    if assembly.pairs:  # mapped only now, as writing to a map of a full disk kills the process
        assembly.features = np.memmap(path, FEATURES, "r")
    return assembly


def _stored(pixels: Pixels, known: str, channels: int) -> tuple[Pixels, str]:
    """Return an image with these channels, and its hash, which is `known` if they are its own."""
    stored = images.luma(pixels) if channels == 1 else images.to_rgb(pixels)
    return stored, known if stored is pixels else picture_hash(stored)


# This section decides what sketches and photos are called, and whether they are grey or in colour.

ASKED, USUAL, DRAWN = "as asked", "as usual for this dataset", "drawn by sketch2img"
GREY, COLOUR = "as colour tells no parts apart", "which tells parts apart"


@dataclass(frozen=True)
class Side:
    """What is known of all sketches, or of all photos, before they are looked at."""

    name: str = ""
    channels: int | None = None
    reason: str = ""  # why it has these channels


def plan_sides(
    known: Domains | None,
    channels: tuple[int | None, int | None],
    names: tuple[str, str],
    *,
    is_drawn: bool,
) -> tuple[Side, Side]:
    """Return what options, the known dataset and drawn sketches say of sketches and photos."""
    usual = [
        Side(domain.name, domain.channels, USUAL) if domain else Side()
        for domain in (known and known.input, known and known.target)
    ]
    if is_drawn:
        usual[0] = Side(SKETCH.name, SKETCH.channels, DRAWN)
    sides = []
    for side, number, name in zip(usual, channels, names, strict=True):
        asked = replace(side, channels=number, reason=ASKED) if number else side
        sides.append(replace(asked, name=name or side.name))
    return sides[0], sides[1]


def decide(
    sides: tuple[Side, Side], statistics: NDArray[np.float64]
) -> tuple[Domains, tuple[str, str]]:
    """Return the domains of sketches and photos, and the reasons for their channels."""
    channels, reasons = [], []
    for side, measured in zip(sides, statistics, strict=True):
        is_colour = colour.strength(measured) >= colour.LEAST
        channels.append(side.channels or (3 if is_colour else 1))
        reasons.append(side.reason or (COLOUR if is_colour else GREY))
    names = ("sketch", "photo") if channels[0] == 1 else ("input", "photo")
    names = ("input", "target") if channels == [3, 1] else names
    found = (
        Domain(side.name or name, number)
        for side, name, number in zip(sides, names, channels, strict=True)
    )
    return Domains(*found), (reasons[0], reasons[1])


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
            part = examine(examined, [pairs[row] for row in rows], is_drawn=is_drawn)
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
