"""The verification curves and histograms as image files, for papers and slides."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sketchcli import files
from sketchcli.engine.reporting.evidence import Evidence
from sketchcli.engine.reporting.wording import BASELINE, title
from sketchcli.engine.results import EvalResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROC, HISTOGRAMS = "roc.png", "histograms.png"
COLUMNS = 3
FAINT = 0.45


def write(folder: Path, result: EvalResult, evidence: Evidence) -> None:
    """Write `roc.png` if there are curves, and `histograms.png` if there are values."""
    if any(len(roc.thresholds) for roc in evidence.rocs.values()):
        _write_roc(folder / ROC, evidence)
    metrics = [name for name in evidence.metrics if len(evidence.edges(name))]
    if metrics:
        _write_histograms(folder / HISTOGRAMS, metrics, result, evidence)


def _write_roc(path: Path, evidence: Evidence) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - takes a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [1, 0], color="grey", linewidth=0.5)  # equal error rates lie on this line
    for index, predictor in enumerate(evidence.predictors):
        roc = evidence.rocs.get(predictor.name)
        if roc is not None and len(roc.thresholds):
            axes.plot(
                roc.false_accepts,
                1 - roc.false_rejects,
                label=f"{_plain(predictor.name)} (EER {roc.equal_error_rate:.3f})",
                **_look(index, predictor.kind),
            )
    axes.set(
        xlabel="impostors accepted", ylabel="genuine pairs accepted", title="verification", aspect=1
    )
    axes.legend(loc="lower right", fontsize="small")
    files.write_whole(path, FigureCanvasAgg(figure).print_png)


def _write_histograms(
    path: Path, metrics: list[str], result: EvalResult, evidence: Evidence
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = -(-len(metrics) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, metric in zip(grid, metrics, strict=False):
        _draw_histogram(axes, metric, evidence)
        axes.set_title(_plain(title(metric, result)), fontsize="medium")
    for axes in grid[len(metrics) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=COLUMNS, fontsize="small")
    files.write_whole(path, FigureCanvasAgg(figure).print_png)


def _draw_histogram(axes: "Axes", metric: str, evidence: Evidence) -> None:
    edges = evidence.edges(metric)
    for index, predictor in enumerate(evidence.predictors):
        values = evidence.finite(index, metric)
        shares = np.histogram(values, edges)[0] / max(1, len(values))
        axes.stairs(shares, edges, label=_plain(predictor.name), **_look(index, predictor.kind))
    axes.set_ylim(0)


def _look(index: int, kind: str) -> dict[str, Any]:
    # A method has the same colour in both charts.
    colour = f"C{index % 10}"
    if kind == BASELINE:
        return {"color": colour, "alpha": FAINT, "linestyle": "--"}
    return {"color": colour, "linewidth": 1.8}


def _plain(name: str) -> str:
    # matplotlib reads two dollars as a formula, and hides names that start with an underscore.
    shown = name.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
