"""What a person should know of a set that was just made."""

from sketchcli.data import splits
from sketchcli.data.audit.terms import Audit
from sketchcli.data.prepared import Description
from sketchcli.data.sources import Source
from sketchcli.data.splits import SplitBy, SplitRule
from sketchcli.engine import audit_report
from sketchcli.engine.events import Note, Reporter

MOST_TOLD = 20  # files of one fate that are named on the screen


def tell(
    description: Description, audit: Audit, source: Source, rule: SplitRule, reporter: Reporter
) -> None:
    """Tell of errors in the set, of files that were not simply taken, of groups and splits."""
    if audit.errors:
        where = f"look at {audit_report.NAME} before you train on this set"
        reporter(Note(f"{audit_report.headline(audit)}: {where}", is_warning=True))
    for verb, about in (
        ("left out", description.left_out),
        ("kept", description.repeated | description.unaligned),
    ):
        for file, reason in list(about.items())[:MOST_TOLD]:
            reporter(Note(f"{verb} {file}: {reason}", is_warning=True))
        if len(about) > MOST_TOLD:
            where = f"{audit_report.NAME} and dataset.json list them"
            rest = f"{verb} {len(about) - MOST_TOLD} more files: {where}"
            reporter(Note(rest, is_warning=True))
    if rule.group:
        groups = list(filter(None, (rule.group_of(pair.id) for pair in description.pairs)))
        found = f"{len(set(groups))} groups in {len(groups)} of {len(description.pairs)} names"
        reporter(Note(f"--group-by: {found}", is_warning=not groups))
    is_asked = {splits.TRAIN: True, splits.VAL: rule.val > 0, splits.TEST: rule.test > 0}
    is_drawn = rule.by is SplitBy.SHARES or (
        rule.by is SplitBy.GIVEN and any(pair.split is None for pair in source.pairs)
    )
    for split, is_wanted in is_asked.items():
        if is_drawn and is_wanted and split not in description.counts:
            message = f"no pair fell to '{split}': choose other shares (--val, --test) or --seed"
            reporter(Note(message, is_warning=True))
