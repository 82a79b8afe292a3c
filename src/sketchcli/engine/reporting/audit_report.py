"""`audit.html`: the findings of the pair audit on one self-contained page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sketchcli.config.domains import SKETCH_TO_PHOTO, Domains
from sketchcli.data.audit.terms import ERRORS, TITLES, Audit, Finding, has_sketches
from sketchcli.data.prepared import Pair
from sketchcli.engine.reporting import web_page
from sketchcli.engine.wording import counted
from sketchcli.images import Pixels

NAME = "audit.html"
WORST = 20  # pairs that are shown with their images
CONTACTS = 24  # pairs on the contact sheet


def write(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],  # such as `size` -> `128x128`, in the order to show them
    audit: Audit,
    names: Sequence[Pair],  # in the audit's order
    left_out: Mapping[str, str],  # file that is in no pair -> reason
    repeated: Mapping[str, str],  # file that was kept although it is identical to another -> reason
    pair_pictures: Callable[[int], tuple[Pixels, Pixels]],  # row -> sketch, photo
    domains: Domains = SKETCH_TO_PHOTO,  # what these sketches and photos are
) -> None:
    """Write the report, whole or not at all; it is smaller than 3 MB for any dataset."""
    by_pair: dict[int, list[Finding]] = {}
    for finding in audit.findings:
        if finding.pair is not None:
            by_pair.setdefault(finding.pair, []).append(finding)
    count = min(CONTACTS, len(names))
    contacts = [index * len(names) // count for index in range(count)]
    worst, sides = [], (domains.input.one, domains.target.one)
    same = f"{domains.target.many} used as {domains.input.many}"
    titles = TITLES if has_sketches(domains) else TITLES | {"same-picture": same}
    for row, found in list(by_pair.items())[:WORST]:
        # The images of the pair, and of the pairs that its findings compare it with.
        others = dict.fromkeys(finding.other for finding in found if finding.other is not None)
        places = [(row, ""), *((other, f" of {names[other].id}") for other in others)]
        shown = [
            (pixels, f"{kind}{whose}")
            for index, whose in places
            for pixels, kind in zip(pair_pictures(index), sides, strict=True)
        ]
        worst.append({"images": shown, "findings": found})
    web_page.write(
        path,
        "audit.html",
        title=f"{title}: pair audit",
        headline=headline(audit),
        audit=audit,
        titles=titles,
        about=facts,
        faulty=len(by_pair),
        worst=worst,
        contacts=[(names[row], *pair_pictures(row)) for row in contacts],
        found=[sum(audit.counts.get(kind, 0) for kind in check.kinds) for check in audit.checks],
        left_out=left_out,
        repeated=repeated,
        most_rows=200,  # of a table
        most_named=4,  # files per finding
        side=128,  # longest side of an image, in pixels
    )


def headline(audit: Audit) -> str:
    """Return the result of the audit as a sentence.

    >>> headline(Audit(12, (), ()))
    'no problems found in 12 pairs'
    """
    if not audit.findings:
        return f"no problems found in {counted(audit.pairs, 'pair')}"
    found = [counted(audit.errors, "error")] if audit.errors else ["no errors"]
    found += [counted(audit.warnings, "warning")] if audit.warnings else []
    whole = [f.message for f in audit.findings if f.pair is None and f.kind in ERRORS]
    return "; ".join([f"{' and '.join(found)} in {counted(audit.pairs, 'pair')}", *whole])
