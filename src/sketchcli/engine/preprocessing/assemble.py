"""Assemble the made pairs: decide which to keep, write their arrays, and audit them."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES
from sketchcli.data.audit.terms import Audit, Check, Finding
from sketchcli.data.pairing import Exclusions
from sketchcli.data.prepared import Pair, PreparedSet, ShardedWriter, pair_hash
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
    store: ChunkStore, chunks: Iterable[int], exclusions: Exclusions, reporter: Reporter
) -> Assembly:
    """Write the arrays of all pairs that may be kept into the store's folder `assembled`.

    The test pairs come first: an image in both splits is dropped from the training split. `chunks`
    yields the numbers of all chunks, each as soon as it is finished. The exclusions decide which
    pairs are kept, and record the skipped files.
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
            given = {} if job.sketch is None else {outcome.sketch_hash: job.sketch}
            given[outcome.photo_hash] = job.photo
            # Further sketches of a photo are kept if the first was.
            is_kept = kept == job.first if job.draw else exclusions.takes(given, job.split)
            if not is_kept:
                continue
            kept = job.first
            for kind, pixels in (("sketches", pair.sketch), ("photos", pair.photo)):
                stem = f"{job.split}-{kind}"
                if stem not in writers:
                    writers[stem] = ShardedWriter(store.assembled, stem)
                    stack.callback(writers[stem].close)
                writers[stem].append(pixels)
            features.write(pair.features.tobytes())
            sha256 = pair_hash(outcome.sketch_hash, outcome.photo_hash)
            sketch = str(job.sketch or "")
            assembly.pairs.append(
                Pair(job.id, job.split, sha256, sketch, str(job.photo), job.style)
            )
            for file, why in outcome.unaligned.items():  # a photo's first sketch tells the most
                assembly.unaligned.setdefault(file, why)
    if assembly.pairs:  # mapped only now, as writing to a map of a full disk kills the process
        assembly.features = np.memmap(path, FEATURES, "r")
    return assembly


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
