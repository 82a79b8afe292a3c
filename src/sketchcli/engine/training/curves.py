"""Curves of a run as drawings inside a page, which take its colours."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from sketchcli.engine.web_page import escape

WIDTH, HEIGHT = 300, 120
POINTS = 200  # of a curve, at most: a long run has more epochs than a drawing has pixels
COLOURS = 6

Item = TypeVar("Item")
Points = Sequence[tuple[float, float]]


def chart(title: str, lines: Mapping[str, Points]) -> str:
    """Some lines over the epochs in one drawing, with their names; nothing where none has points.

    Args:
        title: What it shows.
        lines: Name -> (epoch, value), in order.
    """
    drawn = {name: thinned(points, POINTS) for name, points in lines.items() if points}
    if not drawn:
        return ""
    values = [y for points in drawn.values() for _, y in points]
    low, high = min(values), max(values)
    last = max(x for points in drawn.values() for x, _ in points)
    spread = (high - low) or abs(high) or 1.0
    paths = "".join(
        f'<path class="line-{index % COLOURS}" d="{_path(points, low, spread, last)}"/>'
        for index, points in enumerate(drawn.values())
    )
    names = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true"><path class="line-{index % COLOURS}" '
        f'd="M0 4H24"/></svg>{escape(name)} {number(points[-1][1])}</li>'
        for index, (name, points) in enumerate(drawn.items())
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT + 16}" '
        f'role="img" aria-label="{escape(title)}"><path class="axis" d="M0 0V{HEIGHT}H{WIDTH}"/>'
        f'<text x="4" y="10">{number(high)}</text><text x="4" y="{HEIGHT - 4}">{number(low)}</text>'
        f'<text y="{HEIGHT + 14}">epoch 1</text><text x="{WIDTH}" y="{HEIGHT + 14}" '
        f'text-anchor="end">{last:g}</text>{paths}</svg><ul>{names}</ul></figure>'
    )


def thinned(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of the items, evenly chosen, the last one among them.

    >>> thinned(range(1, 1001), 4)
    [250, 500, 750, 1000]
    """
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]


def number(value: float) -> str:
    """Three significant digits.

    >>> number(0.12345), number(1234.5), number(2e-4)
    ('0.123', '1234', '0.0002')
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value and abs(value) < 1e-4 else f"{_rounded(value):g}"


def _rounded(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(abs(value)))) if value else 0.0


def _path(points: Points, low: float, spread: float, last: float) -> str:
    """A line through points; one alone becomes a short stroke."""
    width = max(1.0, last - 1)
    places = [
        ((x - 1) / width * WIDTH, HEIGHT - (y - low) / spread * (HEIGHT - 16)) for x, y in points
    ]
    if len(places) == 1:
        (x, y) = places[0]
        places = [(x - 2, y), (x + 2, y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
