"""Self-contained web pages, which load no other file.

Names from outside (files, pairs, folders) go through `escape`. If one is not escaped by mistake,
the content security policy of the page still stops it: only the script and the style that the page
was written with may run, identified by their hashes, and only images inside the page may load.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from sketchcli import images
from sketchcli.images import Pixels


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Return a page from a title (text), a body (HTML), and CSS and JavaScript to add to it."""
    rules = resource("sketchcli.engine.reporting", "web_page.css") + style
    running = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(rules, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{rules}</style>\n</head>\n"
        f"<body>\n{body}\n{running}</body>\n</html>\n"
    )


def resource(package: str, name: str) -> str:
    """Return the content of a text file in one of our packages."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def escape(words: str) -> str:
    """Escape text for HTML; invalid Unicode in a file name becomes a question mark.

    >>> escape('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return html.escape(_unicode(words))


def data_block(name: str, data: Any) -> str:  # noqa: ANN401 - any JSON value
    r"""Return an element with the ID `name` that holds data for the page's script, never HTML.

    >>> data_block("cards", ["</script>"])
    '<script type="application/json" id="cards">["\\u003c/script>"]</script>'
    """
    # Without a "<", neither a comment nor an end tag can begin.
    written = _unicode(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    escaped = written.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{escaped}</script>'


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "pair"), counted(1200, "pair")
    ('1 pair', '1,200 pairs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def facts(told: Mapping[str, str]) -> str:
    """Return names and their descriptions (both text) in two columns."""
    lines = (f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in told.items())
    return f"<dl>{''.join(lines)}</dl>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the column headings and the cells are HTML."""
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join(_row(columns, cells) for cells in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def figure(pixels: Pixels, caption: str, *, side: int) -> str:
    """Embed an image, `(H, W)` or `(H, W, 3)`, with no side longer than `side` pixels."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    source = f"data:image/jpeg;base64,{jpeg(pixels, side=side)}"
    return f'<figure><img src="{source}" alt="{escape(caption)}">{below}</figure>'


def jpeg(pixels: Pixels, *, side: int) -> str:
    """Encode an image as JPEG in base64, with no side longer than `side` pixels."""
    if max(pixels.shape[:2]) > side:
        pixels = images.resize(pixels, images.inner_size(pixels.shape, (side, side)))
    return base64.b64encode(images.encode(pixels, ".jpg")).decode()


def _row(columns: Sequence[str], cells: Sequence[str]) -> str:
    # Each cell names its column, because a narrow screen shows no table head.
    labels = (f' data-label="{name}"' if name else "" for name in columns)
    shown = (f"<td{label}>{cell}</td>" for label, cell in zip(labels, cells, strict=True))
    return f"<tr>{''.join(shown)}</tr>"


def _policy(style: str, script: str) -> str:
    allowed = f"'{_hash(script)}'" if script else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _unicode(words: str) -> str:
    return words.encode("utf-8", "replace").decode("utf-8")
