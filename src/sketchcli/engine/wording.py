"""Numbers and lists as people read them, in reports and on the terminal."""

from collections.abc import Iterable
from math import isfinite

from sketchcli.config import Domains
from sketchcli.engine.results import Figure


def number(value: float | None) -> str:
    """Format a number with about three significant digits; None, NaN and infinity become a dash.

    >>> [number(value) for value in (0.7412, 23.68, -3.05, 1234.5, 0, 0.00923, None)]
    ['0.741', '23.7', '-3.05', '1,234', '0.000', '0.00923', '-']
    """
    if value is None or not isfinite(value):
        return "-"
    if 0 < abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:,.{_decimals(value)}f}"


def interval(figure: Figure) -> str:
    """Format a 95% confidence interval as precisely as its score; empty if there is none."""
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    shown = _decimals(figure.value)
    return f"{figure.low:,.{shown}f} to {figure.high:,.{shown}f}"


def _decimals(value: float) -> int:
    return next((shown for shown, most in ((3, 1), (2, 10), (1, 100)) if abs(value) <= most), 0)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "pair"), counted(1200, "pair")
    ('1 pair', '1,200 pairs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def paths_of(domains: Domains) -> str:
    """Return the two paths of an example of `generate`."""
    is_usual = (domains.input.name, domains.target.name) == ("sketch", "photo")
    return "SKETCH PHOTO" if is_usual else "INPUT OUTPUT"


def joined(words: Iterable[str]) -> str:
    """Join words with commas and "and".

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    listed = list(words)
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def printable(text: str) -> str:
    r"""Escape what would move the cursor, ring, hide or turn the text around.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
