"""`audit.html`: the findings of the pair audit on one self-contained page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sketchcli import files
from sketchcli.data.audit.terms import TITLES, Audit, AuditedPair, Check, Finding, Severity
from sketchcli.engine.reporting import web_page
from sketchcli.engine.reporting.web_page import counted, escape, figure, table
from sketchcli.images import Pixels

NAME = "audit.html"
WORST = 20  # pairs that are shown with their images
CONTACTS = 24  # pairs on the contact sheet
ROWS = 200  # maximum number of rows of a table
_NAMED_FILES = 4  # files that are named per finding, at most
_SIDE = 128  # longest side of an image, in pixels

PairPictures = Callable[[int], tuple[Pixels, Pixels]]  # row -> sketch (H, W), photo (H, W, 3)


def write(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],  # such as `size` -> `128x128`, in the order to show them
    audit: Audit,
    names: Sequence[AuditedPair],  # in the audit's order
    left_out: Mapping[str, str],  # file that is in no pair -> reason
    repeated: Mapping[str, str],  # file that was kept although it is identical to another -> reason
    pair_pictures: PairPictures,
) -> None:
    """Write the report, whole or not at all; it is smaller than 3 MB for any dataset."""
    parts = [
        f"<h1>{escape(title)}: pair audit</h1>",
        _verdict(audit, len(left_out)),
        web_page.facts(facts),
        _worst(audit, names, pair_pictures),
        _contact_sheet(names, pair_pictures),
        _checks(audit),
        *(_table_of(kind, audit) for kind in audit.counts),
        _table_of_files("Skipped files", left_out),
        _table_of_files("Kept, but identical to another file", repeated),
    ]
    page = web_page.page(f"{title}: pair audit", "\n".join(part for part in parts if part))
    files.write_whole(path, lambda part: part.write_bytes(page.encode(errors="backslashreplace")))


def headline(audit: Audit) -> str:
    """Return the result of the audit as a sentence.

    >>> headline(Audit(12, (), ()))
    'no problems found in 12 pairs'
    """
    if not audit.findings:
        return f"no problems found in {counted(audit.pairs, 'pair')}"
    found = [counted(audit.errors, "error")] if audit.errors else ["no errors"]
    found += [counted(audit.warnings, "warning")] if audit.warnings else []
    whole = [f.message for f in audit.findings if f.pair is None and f.severity is Severity.ERROR]
    return "; ".join([f"{' and '.join(found)} in {counted(audit.pairs, 'pair')}", *whole])


def _verdict(audit: Audit, left_out: int) -> str:
    mark = "error" if audit.errors else "warning" if audit.warnings else "good"
    sign = {"error": "✗", "warning": "!", "good": "✓"}[mark]
    counts = "; ".join(f"{TITLES[kind]}: {count}" for kind, count in audit.counts.items())
    more = f"{counted(left_out, 'file')} skipped" if left_out else "no files skipped"
    return (
        f'<p class="verdict {mark}">{sign} {escape(headline(audit))}</p>'
        f'<p class="faint">{escape("; ".join(filter(None, (counts, more))))}.</p>'
    )


def _checks(audit: Audit) -> str:
    rows = (_check(check, audit.counts) for check in audit.checks)
    columns = ("checked for", "found", "pairs", "how")
    return f"<h2>Checks</h2>{table(columns, rows)}"


def _check(check: Check, counts: Mapping[str, int]) -> list[str]:
    looked_for = ", ".join(TITLES[kind] for kind in check.kinds)
    found = sum(counts.get(kind, 0) for kind in check.kinds)
    note = f'<p class="faint">{escape(check.note)}</p>' if check.note else ""
    shown = str(found) if check.examined else "not checked"
    return [escape(looked_for), shown, f"{check.examined:,}", escape(check.how) + note]


def _worst(audit: Audit, names: Sequence[AuditedPair], pair_pictures: PairPictures) -> str:
    of_pair: dict[int, list[Finding]] = {}
    for finding in audit.findings:
        if finding.pair is not None:
            of_pair.setdefault(finding.pair, []).append(finding)
    if not of_pair:
        return ""
    worst = list(of_pair.items())[:WORST]
    cards = "".join(_card(names, row, found, pair_pictures) for row, found in worst)
    whole = counted(len(of_pair), "pair")
    heading = f"The worst {WORST} of {whole}" if len(of_pair) > WORST else f"Findings in {whole}"
    return f'<h2>{heading}</h2><div class="cards">{cards}</div>'


def _card(
    names: Sequence[AuditedPair], row: int, found: Sequence[Finding], pair_pictures: PairPictures
) -> str:
    sketch, photo = pair_pictures(row)
    shown = [(sketch, "sketch"), (photo, "photo")]
    for other in dict.fromkeys(finding.other for finding in found if finding.other is not None):
        shown += zip(
            pair_pictures(other),
            (f"sketch of {names[other].id}", f"photo of {names[other].id}"),
            strict=True,
        )
    pictures = "".join(figure(pixels, caption, side=_SIDE) for pixels, caption in shown)
    lines = "".join(f"<p>{_severity(f)} {escape(f.message)}</p>" for f in found)
    return f'<div class="card"><div class="pictures">{pictures}</div>{lines}</div>'


def _contact_sheet(names: Sequence[AuditedPair], pair_pictures: PairPictures) -> str:
    if not names:
        return ""
    count = min(CONTACTS, len(names))
    rows = [index * len(names) // count for index in range(count)]
    cards = "".join(_contact(names[row], *pair_pictures(row)) for row in rows)
    shown = f"{count} of {counted(len(names), 'pair')}, evenly sampled"
    return f'<h2>Contact sheet</h2><p class="faint">{shown}</p><div class="cards">{cards}</div>'


def _contact(pair: AuditedPair, sketch: Pixels, photo: Pixels) -> str:
    pictures = figure(sketch, "", side=_SIDE) + figure(photo, "", side=_SIDE)
    text = f"{escape(pair.id)} <span class='faint'>({escape(pair.split)})</span>"
    return f'<div class="card"><div class="pictures">{pictures}</div>{text}</div>'


def _table_of(kind: str, audit: Audit) -> str:
    found = [finding for finding in audit.findings if finding.kind == kind]
    rows = ([_severity(f), escape(f.message), _file_names(f.files)] for f in found[:ROWS])
    return _listing(TITLES[kind].capitalize(), ("", "what", "files"), rows, len(found))


def _table_of_files(heading: str, reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    rows = ([escape(file), escape(reason)] for file, reason in list(reasons.items())[:ROWS])
    return _listing(heading, ("file", "why"), rows, len(reasons))


def _listing(
    heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], count: int
) -> str:
    more = f'<p class="faint">and {count - ROWS:,} more</p>' if count > ROWS else ""
    return f"<h2>{escape(heading)} ({count:,})</h2>{table(columns, rows)}{more}"


def _severity(finding: Finding) -> str:
    return f'<b class="{finding.severity.value}">{finding.severity.value}</b>'


def _file_names(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _NAMED_FILES} more"] if len(names) > _NAMED_FILES else []
    return "<br>".join(escape(name) for name in [*names[:_NAMED_FILES], *more])
