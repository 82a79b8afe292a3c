"""The pair audit of a set that is being made, and its report."""

from dataclasses import replace
from pathlib import Path

from sketchcli.data.audit.findings import Audit, AuditedPair, Finding, Severity, examine
from sketchcli.data.audit.terms import LEAKAGE
from sketchcli.data.prepared import Pair, PreparedSet
from sketchcli.data.splits import SPLITS, SplitRule
from sketchcli.engine import audit_report
from sketchcli.engine.preprocessing.assembling import Assembly
from sketchcli.images import Pixels


def audit(assembly: Assembly, rule: SplitRule) -> Audit:
    """Look for wrong pairs, bad pictures and leaks among the pairs that were kept.

    Args:
        assembly: Those pairs.
        rule: How they were divided; where the source did that, its groups may be torn apart.
    """
    is_drawn = any(pair.style for pair in assembly.pairs)
    found = examine(assembly.features, _names(assembly.pairs), is_drawn=is_drawn)
    torn = _torn_groups(assembly.pairs, rule)
    return replace(found, findings=(*torn, *found.findings)) if torn else found


def write_report(path: Path, dataset: PreparedSet, audit: Audit) -> None:
    """Write the report, `audit.html`."""
    description = dataset.description
    height, width = description.size
    counts = ", ".join(f"{count} {split}" for split, count in description.counts.items())
    facts = {
        "size": f"{width}x{height}, fit: {description.fit}, align: {description.align}",
        "pairs": counts,
        "paired by": description.pairing,
        "licence": description.licence,
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
    """Sketch and photo of a pair, by its position among all pairs."""

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
    """Groups, such as persons, of which some pictures train and others judge."""
    homes: dict[str, dict[str, int]] = {}
    for row, pair in enumerate(pairs):
        if group := rule.group_of(pair.id):
            homes.setdefault(group, {}).setdefault(pair.split, row)
    return tuple(
        Finding(
            LEAKAGE,
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
