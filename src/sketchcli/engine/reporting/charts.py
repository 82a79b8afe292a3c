"""Line charts, drawn by matplotlib: as SVG in a page, and as PNG files for papers and slides."""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from sketchcli import files
from sketchcli.engine.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, SQUARE = 300, 150, 360  # sizes of a chart in a page, in pixels
# The page's colours in light mode. In a page, each is replaced by its variable in style.css, so
# that the charts follow the dark mode.
SERIES = ("#0b62c4", "#c2410c", "#15803d", "#8b2fd6", "#0e7490", "#be185d", "#854d0e", "#4b5563")
FAINT, RULE = "#5b6470", "#d5dae0"
_VARIABLES = {colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)}
_VARIABLES |= {FAINT: "var(--faint)", RULE: "var(--line)"}


@contextlib.contextmanager
def in_our_style() -> Iterator[None]:
    """Draw in the block as always, whatever MPLBACKEND and the user's matplotlibrc say.

    Notebooks set MPLBACKEND for the commands in them, to a module that need not be installed here.
    """
    if "matplotlib" not in sys.modules:
        os.environ["MPLBACKEND"] = "agg"
    from matplotlib import rc_context, rcdefaults  # noqa: PLC0415 - takes a second

    with rc_context():
        rcdefaults()
        yield


@dataclass(frozen=True, eq=False)
class Line:
    """A named line; a single point is drawn as a dot."""

    name: str
    points: NDArray[np.float64]  # `(N, 2)`: x and y
    series: int  # number of its colour
    is_dashed: bool = False
    dot: tuple[float, float] | None = None

    @property
    def colour(self) -> int:
        """The number of the colour variable in style.css."""
        return self.series % len(SERIES)


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines over one pair of axes."""

    title: str
    lines: Sequence[Line]
    x_label: str = ""
    y_label: str = ""
    is_unit_square: bool = False  # whether both axes go from 0 to 1, with the falling diagonal
    has_whole_steps: bool = False  # whether x counts something

    @in_our_style()
    def svg(self) -> str:
        """Return the chart as an element for a page, with a description for screen readers."""
        from matplotlib import rc_context  # noqa: PLC0415 - takes a second
        from matplotlib.figure import Figure  # noqa: PLC0415

        size = (SQUARE, SQUARE) if self.is_unit_square else (WIDTH, HEIGHT)
        left, bottom = 48 / size[0], (42 if self.x_label else 22) / size[1]
        figure = Figure((size[0] / 72, size[1] / 72), dpi=72)
        figure.patch.set_visible(False)
        self.draw(figure.add_axes((left, bottom, 0.98 - left, 0.96 - bottom)))
        written = io.StringIO()
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": self.title}):
            figure.savefig(written, format="svg", metadata={"Date": None})
        names = ", ".join(line.name for line in self.lines if line.name)
        return _for_page(written.getvalue(), f"{self.title}: {names}" if names else self.title)

    def draw(self, axes: "Axes") -> None:
        """Draw everything but the title and the legend."""
        axes.patch.set_visible(False)
        axes.grid(color=RULE, linewidth=0.6, clip_on=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False, bottom=False, labelsize=10, labelcolor=FAINT)
        axes.locator_params(nbins=4)
        axes.locator_params("x", integer=self.has_whole_steps)
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        for line in self.lines:
            _draw(axes, line)
        if self.is_unit_square:
            axes.plot([0, 1], [1, 0], color=FAINT, linewidth=0.6, zorder=1, clip_on=False)
            axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_xlabel(self.x_label, color=FAINT, size=11)
        axes.set_ylabel(self.y_label, color=FAINT, size=11)


@in_our_style()
def write_png(path: Path, charts: Sequence[Chart]) -> None:
    """Write charts in rows of three, whole or not at all; without charts, nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - takes a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    if not charts:
        return
    columns, tall = min(3, len(charts)), 5 if charts[0].is_unit_square else 2.6
    rows = -(-len(charts) // columns)
    figure = Figure((max(6, 4 * columns), tall * rows + 0.6), dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, chart in zip(grid, charts, strict=False):
        chart.draw(axes)
        axes.set_title(_plain(chart.title), fontsize="medium")
    for axes in grid[len(charts) :]:
        axes.set_axis_off()
    if len({tuple(line.name for line in chart.lines) for chart in charts}) == 1:
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    else:
        for axes in grid[: len(charts)]:
            axes.legend(fontsize="small")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a script that the font lacks is a box
        files.write_whole(path, FigureCanvasAgg(figure).print_png)


def _draw(axes: "Axes", line: Line) -> None:
    look: dict[str, Any] = {"color": SERIES[line.colour], "clip_on": False}
    dash = {"linewidth": 1.2, "linestyle": "--"} if line.is_dashed else {"linewidth": 1.8}
    axes.plot(*line.points.T, label=_plain(line.name), **dash, **look)
    dots = [line.dot] if line.dot else list(line.points) if len(line.points) == 1 else []
    for x, y in dots:
        # A short line with round ends, because a marker would refer to another part of the SVG.
        axes.update_datalim([(x - 1, y), (x + 1, y)])
        axes.plot([x, x + 1e-4], [y, y], linewidth=6, solid_capstyle="round", snap=False, **look)


def _plain(name: str) -> str:
    # matplotlib reads two dollars as a formula, and hides names that start with an underscore.
    shown = printable(name).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _for_page(svg: str, description: str) -> str:
    """Return matplotlib's SVG as a page may contain it.

    The page's policy forbids style attributes, so they become presentation attributes. IDs,
    metadata and the style sheet, which would hold for the whole page, are removed.
    """
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib wrote it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}defs")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text, element.tail = (element.text or "").strip(), None
        element.attrib.pop("id", None)
        for rule in filter(None, element.attrib.pop("style", "").split(";")):
            name, _, value = rule.strip().partition(": ")
            if not name.startswith("font-family"):
                element.set(name, _VARIABLES.get(value, value))
        for name in element.attrib.keys() & {"d", "x", "y", "transform"}:
            element.set(name, re.sub(r"(\.\d)\d+", r"\1", " ".join(element.attrib[name].split())))
    kept = {"viewBox": root.attrib["viewBox"], "class": "chart", "role": "img"}
    root.attrib.clear()
    root.attrib.update(kept | {"aria-label": description})
    return ET.tostring(root, encoding="unicode")
