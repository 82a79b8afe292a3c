"""The charts: in a page without styles, links and repeated IDs; in files that show every method."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from sketchcli import images
from sketchcli.engine.reporting import evaluation_report
from sketchcli.engine.reporting.charts import SERIES, Chart, Line, write_png
from sketchcli.engine.reporting.evaluation_report import ROC
from sketchcli.metrics.faces import Roc

EVIL = """</svg><script>alert("1")</script><img src=x onerror='alert(2)'>"""


def colours(path):
    """How many pixels are not grey."""
    picture = images.read_rgb(path).astype(int)
    return int((np.ptp(picture, axis=2) > 60).sum())


def line(name="curve", count=50, **options):
    x = np.arange(float(count))
    return Line(name, np.stack([x, np.sin(x)], axis=1), 1, **options)


def paths(chart, series):
    """The drawn lines of a colour, each as its coordinates."""
    found = ET.fromstring(chart.svg()).iter("path")  # noqa: S314 - our own
    return [p.get("d") for p in found if p.get("stroke") == f"var(--series-{series})"]


_DRAWING = """
from sketchcli.engine.reporting.charts import Chart, Line
import numpy as np
print(Chart("t", [Line("a", np.array([[0.0, 1.0], [1.0, 2.0]]), 1)]).svg(), end="")
"""


def test_neither_a_notebook_nor_the_users_style_changes_a_chart(tmp_path):
    """`!sketch2img train` in a notebook has its MPLBACKEND."""
    (tmp_path / "matplotlibrc").write_text("lines.linestyle: :\naxes.xmargin: 0.4\n")
    wrong = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run(
        [sys.executable, "-c", _DRAWING],
        cwd=tmp_path,
        env=os.environ | wrong | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    plain = Chart("t", [Line("a", np.array([[0.0, 1.0], [1.0, 2.0]]), 1)]).svg()
    assert (done.stdout, done.returncode) == (plain, 0), done.stderr


# -- in a page


@pytest.mark.parametrize("title", ["Losses", EVIL, "$\\frac{", "_hidden"])
def test_a_chart_fits_into_a_page_with_a_strict_policy(title):
    drawn = Chart(title, [line(title, is_dashed=True), line(dot=(1.0, 0.5))], x_label="epoch").svg()
    elements = list(ET.fromstring(drawn).iter())  # noqa: S314 - our own
    assert {element.tag for element in elements} <= {"svg", "g", "path", "text"}
    names = {name for element in elements for name in element.attrib}
    assert not names & {"style", "id", "href", "clip-path"}
    assert not re.search(r"url\(|https?:|:href|<style|<script", drawn)
    assert elements[0].get("role") == "img"
    assert elements[0].get("aria-label") == f"{title}: {title}, curve"


def test_a_chart_has_the_page_s_colours_and_no_others():
    drawn = Chart("t", [replace(line(), series=index) for index in range(10)], "x", "y").svg()
    used = set(re.findall(r'(?:stroke|fill)="([^"]+)"', drawn))
    variables = {f"var(--series-{index})" for index in range(len(SERIES))}
    assert used == {"none", "var(--faint)", "var(--line)"} | variables


def test_a_chart_is_the_same_whenever_it_is_drawn():
    chart = Chart("t", [line(dot=(3.0, 0.5))], is_unit_square=True)
    assert chart.svg() == chart.svg()


def test_a_single_point_is_a_dot(tmp_path):
    chart = Chart("t", [Line("one", np.array([[1.0, 2.0]]), 3)])
    *_, dot = paths(chart, 3)
    start, end = (float(x) for x in re.findall(r"[ML] ([\d.]+) [\d.]+", dot))
    assert start == end
    write_png(tmp_path / "one.png", [chart])
    assert colours(tmp_path / "one.png") > 100  # the legend has 88


def test_a_long_curve_is_drawn_with_few_points(evaluation):
    _, evidence, _ = evaluation(5)
    rates = np.linspace(1, 0, 200_001)
    long = Roc(rates, (1 - rates) ** 2, np.linspace(-1, 1, len(rates)))
    chart = evaluation_report.roc_chart(replace(evidence, rocs={"modern": long}))
    assert len(chart.svg()) < 40_000
    curve = paths(chart, 0)[0].replace("M ", "").split(" L ")
    assert (curve[0], curve[-1]) == ("352.8 14.4", "48 318")  # all accepted; none accepted


# -- in files


def test_the_file_is_written_and_no_image_is_read(tmp_path, evaluation):
    _, evidence, drawn = evaluation()
    for one in evidence.measured:
        one.values.pop("mae")
    write_png(tmp_path / ROC, [evaluation_report.roc_chart(evidence)])
    assert colours(tmp_path / ROC) > 500
    assert drawn.reads == []


def test_without_curves_there_is_no_chart_and_no_file(tmp_path, evaluation):
    _, evidence, _ = evaluation(5)
    empty = Roc(np.empty(0), np.empty(0), np.empty(0))
    for rocs in ({}, {"modern": empty}):
        assert evaluation_report.roc_chart(replace(evidence, rocs=rocs)) is None
    write_png(tmp_path / ROC, [])
    assert not (tmp_path / ROC).exists()


def test_names_that_mean_something_to_matplotlib_are_only_names(tmp_path, evaluation):
    kinds = {"$\\frac{": "model", "_hidden": "folder", "caf\udce9": "baseline"}
    _, evidence, _ = evaluation(5, kinds=kinds)
    write_png(tmp_path / ROC, [evaluation_report.roc_chart(evidence)])
    assert (tmp_path / ROC).is_file()
