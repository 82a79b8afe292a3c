"""Assemble the made pairs: decide which to keep, write their arrays, and audit them."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES
from sketchcli.data.audit.terms import TORN_GROUP, Audit, AuditedPair, Finding, Severity
from sketchcli.data.pairing import Exclusions
from sketchcli.data.prepared import Pair, PreparedSet, ShardedWriter
from sketchcli.data.splits import SPLITS, SplitRule
from sketchcli.engine.events import Advanced, Reporter
from sketchcli.engine.preprocessing.chunks import ChunkStore, Outcome
from sketchcli.engine.preprocessing.pair_builder import Job
from sketchcli.engine.reporting import audit_report
from sketchcli.images import Pixels

FEATURES_FILE = "features"


@dataclass
class Assembly:
    """The pairs that were kept, with their audit records."""

    exclusions: Exclusions
    pairs: list[Pair] = field(default_factory=list)
    features: NDArray[np.void] = field(default_factory=lambda: np.empty(0, FEATURES))  # (N,)
    unaligned: dict[str, str] = field(default_factory=dict)  # file -> why
    sitting: str = ""  # id of the first sketch of the photo that was kept last


def assemble(
    store: ChunkStore,
    chunks: Iterable[int],
    folder: Path,
    exclusions: Exclusions,
    reporter: Reporter,
) -> Assembly:
    """Write the arrays of all pairs that may be kept into `folder`.

    The test pairs come first: an image in both splits is dropped from the training split. `chunks`
    yields the numbers of all chunks, each as soon as it is finished. The exclusions decide which
    pairs are kept, and record the skipped files.
    """
    count, path = len(store.jobs), store.folder / FEATURES_FILE
    assembly = Assembly(exclusions)
    with contextlib.ExitStack() as stack:
        features = stack.enter_context(path.open("wb"))
        writers: dict[str, ShardedWriter] = {}
        for done, (job, outcome, made) in enumerate(store.outcomes(chunks), 1):
            if done % 1000 == 0 or done == count:
                reporter(Advanced("stored", done, count))
            if made is None:
                exclusions.leave_out(f"unreadable pair: {outcome.error}", *job.files)
                continue
            if not _is_taken(assembly, job, outcome):
                continue
            for kind, pixels in (("sketches", made.sketch), ("photos", made.photo)):
                stem = f"{job.split}-{kind}"
                if stem not in writers:
                    writers[stem] = stack.enter_context(ShardedWriter(folder, stem))
                writers[stem].append(pixels)
            features.write(made.features.tobytes())
            _keep(assembly, job, outcome)
    if assembly.pairs:  # mapped only now, as writing to a map of a full disk kills the process
        assembly.features = np.memmap(path, FEATURES, "r")
    return assembly


def _is_taken(assembly: Assembly, job: Job, outcome: Outcome) -> bool:
    """Return whether to keep a pair; further sketches of a photo follow the first."""
    if job.draw:
        return assembly.sitting == job.first
    return assembly.exclusions.takes(_pictures(job, outcome), job.split)


def _pictures(job: Job, outcome: Outcome) -> dict[str, Path]:
    photo = {outcome.photo_hash: job.photo}
    return photo if job.sketch is None else {outcome.sketch_hash: job.sketch} | photo


def _keep(assembly: Assembly, job: Job, outcome: Outcome) -> None:
    sketch = "" if job.sketch is None else str(job.sketch)
    pair = Pair(job.id, job.split, outcome.pair_hash, sketch, str(job.photo), job.style)
    assembly.pairs.append(pair)
    assembly.sitting = job.first
    for file, why in outcome.unaligned.items():  # only the first sketch of a photo tells all
        assembly.unaligned.setdefault(file, why)


# This section audits the pairs of a new dataset and writes the report.


def audit(assembly: Assembly, rule: SplitRule, *, threads: int = 1) -> Audit:
    """Look for wrong pairs, bad images and leakage among the pairs that were kept.

    Splits that the source has chosen may tear apart the groups of `rule`; this is found as well.
    """
    drawn = _first_drawn(assembly.pairs)
    found = _examine(assembly, drawn, threads)
    torn = _torn_groups(assembly.pairs, rule)
    return replace(found, findings=(*torn, *found.findings)) if torn else found


def _examine(assembly: Assembly, drawn: Sequence[int], threads: int) -> Audit:
    """Examine pairs with drawn sketches, which cannot be wrong, separately from all others."""
    names, features = _names(assembly.pairs), assembly.features
    came = [row for row, pair in enumerate(assembly.pairs) if not pair.style]
    if len(drawn) in {0, len(names)}:
        return examine(features, names, is_drawn=bool(drawn), threads=threads)
    parts = [
        (
            rows,
            examine(features[rows], [names[r] for r in rows], is_drawn=is_drawn, threads=threads),
        )
        for rows, is_drawn in ((came, False), (list(drawn), True))
        if rows
    ]
    return Audit(
        len(names),
        tuple(_at(finding, rows) for rows, part in parts for finding in part.findings),
        tuple(check for _, part in parts for check in part.checks),
    )


def _first_drawn(pairs: Sequence[Pair]) -> list[int]:
    """Return the first drawn pair of each photo, as its other sketches are similar on purpose."""
    first = {pair.photo: row for row, pair in reversed(list(enumerate(pairs))) if pair.style}
    return sorted(first.values())


def _at(finding: Finding, rows: Sequence[int]) -> Finding:
    """Return a finding about some of the pairs with its rows among all pairs."""
    pair, other = (None if r is None else rows[r] for r in (finding.pair, finding.other))
    return replace(finding, pair=pair, other=other)


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
        names=_names(description.pairs),
        left_out=description.left_out,
        repeated=description.repeated | description.unaligned,
        pair_pictures=_Pictures(dataset),
    )


class _Pictures:
    """A lookup of a pair's sketch and photo by its position among all pairs."""

    def __init__(self, dataset: PreparedSet) -> None:
        self.splits = {name: dataset.split(name) for name in dataset.description.counts}
        seen = dict.fromkeys(SPLITS, 0)
        self.places: list[tuple[str, int]] = []
        for pair in dataset.description.pairs:
            self.places.append((pair.split, seen[pair.split]))
            seen[pair.split] += 1

    def __call__(self, position: int) -> tuple[Pixels, Pixels]:
        split, row = self.places[position]
        return self.splits[split].sketches[row], self.splits[split].photos[row]


def _names(pairs: list[Pair] | tuple[Pair, ...]) -> list[AuditedPair]:
    return [AuditedPair(p.id, p.split, p.sketch or p.photo, p.photo) for p in pairs]


def _torn_groups(pairs: list[Pair], rule: SplitRule) -> tuple[Finding, ...]:
    """Return one finding per group, such as a person, whose pairs are in several splits."""
    homes: dict[str, dict[str, int]] = {}
    for row, pair in enumerate(pairs):
        if group := rule.group_of(pair.id):
            homes.setdefault(group, {}).setdefault(pair.split, row)
    return tuple(
        Finding(
            TORN_GROUP,
            Severity.ERROR,
            tuple(pairs[row].photo for row in rows.values()),
            f"the group '{group}' is in several splits: {', '.join(rows)}",
            score=float(len(rows)),
            pair=min(rows.values()),
            other=max(rows.values()),
        )
        for group, rows in homes.items()
        if len(rows) > 1
    )
