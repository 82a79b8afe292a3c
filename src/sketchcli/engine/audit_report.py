"""`audit.html`: what the pair audit found, as one page that needs no other file.

All text goes through `_text`, which escapes it: names of files and pairs are a stranger's.
"""

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sketchcli import files, images
from sketchcli.data.audit.terms import TITLES, Audit, AuditedPair, Check, Finding, Severity
from sketchcli.images import Pixels

NAME = "audit.html"
WORST = 20  # pairs shown with their pictures
CONTACTS = 24  # pairs of the contact sheet
ROWS = 200  # lines of a table
_NAMED_FILES = 4  # of one finding
_SIDE = 128  # of a picture, pixels, at most

PairPictures = Callable[[int], tuple[Pixels, Pixels]]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #5b6470; --line: #d5dae0;
  --ground: #fff; --panel: #f4f6f8; --good: #1a7f37; --error: #c4281c; --warning: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --faint: #9aa4af; --line: #39424c;
  --ground: #14181c; --panel: #1e242a; --good: #4cc46a; --error: #ff7b6e; --warning: #e0ac3a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 70rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; } h2 { margin: 2.5rem 0 .6rem; font-size: 1.2rem; }
h3 { margin: 1.5rem 0 .4rem; font-size: 1rem; }
p { margin: .3rem 0; } .faint { color: var(--faint); }
.verdict { margin: 1rem 0; padding: .8rem 1rem; border-left: .4rem solid; background: var(--panel);
  font-size: 1.15rem; font-weight: 600; }
.good { border-color: var(--good); } .error { border-color: var(--error); }
.warning { border-color: var(--warning); }
b.error { color: var(--error); } b.warning { color: var(--warning); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 1rem 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: break-word; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17.5rem, 1fr)); gap: 1rem; }
.card { padding: .6rem; border: 1px solid var(--line); border-radius: .4rem; font-size: .85rem;
  overflow-wrap: anywhere; break-inside: avoid; }
.pictures { display: flex; flex-wrap: wrap; gap: .4rem; }
figure { margin: 0; } figcaption { color: var(--faint); font-size: .75rem; max-width: 8rem; }
img { display: block; max-width: 8rem; background: #fff; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  table, tbody, tr, td { display: block; } th { display: none; } tr { padding: .5rem 0;
  border-bottom: 1px solid var(--line); } td { padding: 0; border: 0; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--faint); } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; }
  .cards { grid-template-columns: repeat(3, 1fr); } tr { break-inside: avoid; } }
"""


def write(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    audit: Audit,
    names: Sequence[AuditedPair],
    left_out: Mapping[str, str],
    repeated: Mapping[str, str],
    pair_pictures: PairPictures,
) -> None:
    """Write the report, whole or not at all; it stays under 3 MB whatever the set.

    Args:
        path: The file to write.
        title: What the set is called.
        facts: What is said of the set, in the order to show it: `size` -> `128x128`.
        audit: What was found.
        names: The audited pairs, in the audit's order.
        left_out: Files that are in no pair, and why.
        repeated: Files that were kept although they hold another's picture.
        pair_pictures: Sketch (H, W) and photo (H, W, 3) of a pair, by its row.

    Raises:
        DataError: A picture cannot be encoded, or the file cannot be written.
    """
    parts = [
        f"<h1>{_text(title)}: pair audit</h1>",
        _verdict(audit, len(left_out)),
        _facts(facts),
        _worst(audit, names, pair_pictures),
        _contact_sheet(names, pair_pictures),
        _checks(audit),
        *(_table_of(kind, audit) for kind in audit.counts),
        _table_of_files("Left out", left_out),
        _table_of_files("Kept, but with another file's picture", repeated),
    ]
    page = _page(f"{title}: pair audit", "\n".join(part for part in parts if part))
    files.write_whole(path, lambda part: part.write_bytes(page.encode()))


def headline(audit: Audit) -> str:
    """What the audit comes to, in a sentence.

    >>> headline(Audit(12, (), ()))
    'nothing wrong found in 12 pairs'
    """
    if not audit.findings:
        return f"nothing wrong found in {_count(audit.pairs, 'pair')}"
    found = [_count(audit.errors, "error")] if audit.errors else ["no errors"]
    found += [_count(audit.warnings, "warning")] if audit.warnings else []
    whole = [f.message for f in audit.findings if f.pair is None and f.severity is Severity.ERROR]
    return "; ".join([f"{' and '.join(found)} in {_count(audit.pairs, 'pair')}", *whole])


def _verdict(audit: Audit, left_out: int) -> str:
    mark = "error" if audit.errors else "warning" if audit.warnings else "good"
    sign = {"error": "✗", "warning": "!", "good": "✓"}[mark]
    counts = "; ".join(f"{TITLES[kind]}: {count}" for kind, count in audit.counts.items())
    more = f"{_count(left_out, 'file')} left out" if left_out else "no file left out"
    return (
        f'<p class="verdict {mark}">{sign} {_text(headline(audit))}</p>'
        f'<p class="faint">{_text("; ".join(filter(None, (counts, more))))}.</p>'
    )


def _facts(facts: Mapping[str, str]) -> str:
    lines = (f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in facts.items())
    return f"<dl>{''.join(lines)}</dl>"


def _checks(audit: Audit) -> str:
    rows = (_check(check, audit.counts) for check in audit.checks)
    columns = ("looked for", "found", "pairs", "how")
    return f"<h2>What was checked</h2>{_table(columns, rows)}"


def _check(check: Check, counts: Mapping[str, int]) -> list[str]:
    looked_for = ", ".join(TITLES[kind] for kind in check.kinds)
    found = sum(counts.get(kind, 0) for kind in check.kinds)
    note = f'<p class="faint">{_text(check.note)}</p>' if check.note else ""
    shown = str(found) if check.examined else "not judged"
    return [_text(looked_for), shown, f"{check.examined:,}", _text(check.how) + note]


def _worst(audit: Audit, names: Sequence[AuditedPair], pair_pictures: PairPictures) -> str:
    """The pairs that the worst findings are about, each once, with all that was found of it."""
    of_pair: dict[int, list[Finding]] = {}
    for finding in audit.findings:
        if finding.pair is not None:
            of_pair.setdefault(finding.pair, []).append(finding)
    if not of_pair:
        return ""
    worst = list(of_pair.items())[:WORST]
    cards = "".join(_card(names, row, found, pair_pictures) for row, found in worst)
    whole = _count(len(of_pair), "pair")
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
    pictures = "".join(_figure(pixels, caption) for pixels, caption in shown)
    lines = "".join(f"<p>{_severity(f)} {_text(f.message)}</p>" for f in found)
    return f'<div class="card"><div class="pictures">{pictures}</div>{lines}</div>'


def _contact_sheet(names: Sequence[AuditedPair], pair_pictures: PairPictures) -> str:
    """Evenly sampled pairs."""
    if not names:
        return ""
    count = min(CONTACTS, len(names))
    rows = [index * len(names) // count for index in range(count)]
    cards = "".join(_contact(names[row], *pair_pictures(row)) for row in rows)
    shown = f"{count} of {_count(len(names), 'pair')}, evenly sampled"
    return f'<h2>Contact sheet</h2><p class="faint">{shown}</p><div class="cards">{cards}</div>'


def _contact(pair: AuditedPair, sketch: Pixels, photo: Pixels) -> str:
    pictures = _figure(sketch, "") + _figure(photo, "")
    text = f"{_text(pair.id)} <span class='faint'>({_text(pair.split)})</span>"
    return f'<div class="card"><div class="pictures">{pictures}</div>{text}</div>'


def _figure(pixels: Pixels, caption: str) -> str:
    """A picture inside the page."""
    largest = max(pixels.shape[:2])
    if largest > _SIDE:
        height, width = (max(1, side * _SIDE // largest) for side in pixels.shape[:2])
        pixels = images.resize(pixels, (height, width))
    data = base64.b64encode(images.encode(pixels, ".jpg")).decode()
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{_text(caption)}">{below}</figure>'
    )


def _table_of(kind: str, audit: Audit) -> str:
    found = [finding for finding in audit.findings if finding.kind == kind]
    rows = ([_severity(f), _text(f.message), _file_names(f.files)] for f in found[:ROWS])
    return _listing(TITLES[kind].capitalize(), ("", "what", "files"), rows, len(found))


def _table_of_files(heading: str, reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    rows = ([_text(file), _text(reason)] for file, reason in list(reasons.items())[:ROWS])
    return _listing(heading, ("file", "why"), rows, len(reasons))


def _listing(
    heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], count: int
) -> str:
    """A table that shows the first of many rows, and says how many there are."""
    more = f'<p class="faint">and {count - ROWS:,} more</p>' if count > ROWS else ""
    return f"<h2>{_text(heading)} ({count:,})</h2>{_table(columns, rows)}{more}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join(_row(columns, cells) for cells in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _row(columns: Sequence[str], cells: Sequence[str]) -> str:
    """A row that names its columns, since a narrow screen shows no head."""
    labels = (f' data-label="{name}"' if name else "" for name in columns)
    shown = (f"<td{label}>{cell}</td>" for label, cell in zip(labels, cells, strict=True))
    return f"<tr>{''.join(shown)}</tr>"


def _severity(finding: Finding) -> str:
    return f'<b class="{finding.severity.value}">{finding.severity.value}</b>'


def _file_names(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _NAMED_FILES} more"] if len(names) > _NAMED_FILES else []
    return "<br>".join(_text(name) for name in [*names[:_NAMED_FILES], *more])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _text(text: str) -> str:
    """Text for a page; what is no Unicode in a file's name becomes a question mark."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
