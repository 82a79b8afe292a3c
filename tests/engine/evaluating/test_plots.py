"""The plots: real pictures that show every predictor."""

from dataclasses import replace

import numpy as np

from sketchcli import images
from sketchcli.engine.reporting import gallery
from sketchcli.engine.reporting.charts import HISTOGRAMS, ROC, write
from sketchcli.metrics.faces import Roc


def colours(path):
    """How many pixels are not grey."""
    picture = images.read_rgb(path).astype(int)
    return int((np.ptp(picture, axis=2) > 60).sum())


def test_both_plots_are_drawn(tmp_path, evaluation):
    result, evidence, drawn = evaluation()
    write(tmp_path, result, evidence)
    assert {path.name for path in tmp_path.glob("*.png")} == {ROC, HISTOGRAMS}
    assert all(colours(path) > 500 for path in tmp_path.glob("*.png"))
    assert drawn.reads == []


def test_without_curves_there_is_no_roc(tmp_path, evaluation):
    result, evidence, _ = evaluation()
    empty = Roc(np.empty(0), np.empty(0), np.empty(0))
    for rocs in ({}, {"modern": empty}):
        write(tmp_path, result, replace(evidence, rocs=rocs))
        assert not (tmp_path / ROC).exists()
        assert gallery.roc(replace(evidence, rocs=rocs)) == ""


def test_names_that_mean_something_to_matplotlib_are_only_names(tmp_path, evaluation):
    kinds = {"$\\frac{": "model", "_hidden": "folder", "caf\udce9": "baseline"}
    result, evidence, _ = evaluation(5, kinds=kinds)
    write(tmp_path, result, evidence)
    assert (tmp_path / HISTOGRAMS).is_file()


def test_nan_and_constant_values_are_drawn_too(tmp_path, evaluation):
    result, evidence, _ = evaluation(6)
    evidence.measured[0].values["ssim"][:] = np.nan
    evidence.measured[1].values["ssim"][:] = 0.5
    for one in evidence.measured:
        one.values["mae"][:] = np.nan
    write(tmp_path, result, evidence)
    assert (tmp_path / HISTOGRAMS).is_file()
    drawn = gallery.histograms(result, evidence)
    assert drawn.count("<figure>") == 2
    assert "nan" not in drawn


def test_without_any_values_there_are_no_histograms(tmp_path, evaluation):
    result, evidence, _ = evaluation(3)
    for one in evidence.measured:
        one.values.clear()
    write(tmp_path, result, evidence)
    assert not (tmp_path / HISTOGRAMS).exists()


def test_a_histogram_has_every_picture_in_it(evaluation):
    _, evidence, _ = evaluation(40)
    edges = evidence.edges("ssim")
    assert len(edges) == 31
    for index in range(2):
        assert np.histogram(evidence.finite(index, "ssim"), edges)[0].sum() == 40


def test_a_long_curve_is_drawn_with_few_points(evaluation):
    _, evidence, _ = evaluation()
    rates = np.linspace(1, 0, 200_001)
    long = Roc(rates, (1 - rates) ** 2, np.linspace(-1, 1, len(rates)))
    drawn = gallery.roc(replace(evidence, rocs={"modern": long}))
    assert len(drawn) < 40_000
    assert "M300 0L" in drawn  # all accepted: no genuine pair is refused
    assert "L0 300" in drawn
