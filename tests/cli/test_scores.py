from dataclasses import replace

import pytest
from rich.console import Console

from sketchcli.cli import render
from sketchcli.engine.results import EvalResult, Figure, MetricInfo, PredictorScore

SSIM = Figure(0.71234, 0.69, 0.73, 100, 1)
RANK = Figure(0.5, 0.4, 0.6, 97, 2)
COSINE = Figure(0.4, 0.3, 0.5, 97, 1)
METRICS = {
    "ssim": MetricInfo("SSIM", "higher", "7x7 window"),
    "rank-1": MetricInfo("rank-1 of 97", "higher", "cosine"),
    "face-similarity": MetricInfo("face similarity", "higher", "cosine"),
}


@pytest.fixture
def shown(capsys):
    """The lines of a table of two predictors."""

    def show(**changes):
        first = {"ssim": SSIM, "rank-1": RANK, "face-similarity": COSINE} | changes
        model = PredictorScore("model", "model", first, source="runs/m/weights.safetensors")
        plain = PredictorScore("the sketch itself", "baseline", first)
        told = {"pictures": "100"}
        result = EvalResult("cuhk", 100, (128, 128), METRICS, (model, plain), {}, (), told)
        render.show_scores(result, Console(width=120))
        return capsys.readouterr().out.splitlines()

    return show


def line(lines, start):
    return next(" ".join(line.split()) for line in lines if line.startswith(start))


def test_a_value_has_its_rank_and_that_of_a_model_its_interval(shown):
    assert line(shown(), "SSIM") == "SSIM (higher) 0.712 #1 [0.690, 0.730] 0.712 #1"


def test_a_metric_is_told_how_many_pictures_it_is_of_where_not_of_all(shown):
    lines = shown()
    assert line(lines, "rank-1").startswith("rank-1 of 97 (higher) 0.500 #2 [")
    assert line(lines, "face").startswith("face similarity of 97 (higher) 0.400 #1 [")


def test_a_predictor_says_where_it_has_fewer_than_the_others():
    model = PredictorScore("a", "model", {"ssim": replace(SSIM, count=90)})
    other = PredictorScore("b", "model", {"ssim": SSIM})
    few = {"ssim": METRICS["ssim"]}
    table = render._table(EvalResult("x", 100, (8, 8), few, (model, other), {}, (), {}), " ")
    cells = [list(column.cells) for column in table.columns]
    assert "(90 images)" in cells[1][0]
    assert "images)" not in cells[2][0]


def test_a_missing_value_is_a_dash(shown):
    nothing = Figure(None, None, None, 0, None)
    assert line(shown(ssim=nothing), "SSIM") == "SSIM of 0 (higher) - -"


def test_models_say_which_weights_they_are_and_the_protocol_is_printed(shown):
    lines = shown()
    assert "model: runs/m/weights.safetensors" in lines
    assert "  pictures: 100" in lines
    assert "  ssim: 7x7 window" in lines


def test_what_several_metrics_share_is_told_once(capsys):
    figures = {"ssim": SSIM, "rank-1": RANK}
    metrics = {
        name: replace(METRICS[name], protocol=f"{name} of grey. 95% confidence interval: bootstrap")
        for name in figures
    }
    model = PredictorScore("m", "model", figures)
    absent = {"kid": "get inception", "fid": "get inception", "rank-5": "get sface"}
    result = EvalResult("x", 100, (8, 8), metrics, (model,), absent, (), {})
    render.show_scores(result, Console(width=120))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-6:] == [
        "not available: kid, fid: get inception",
        "not available: rank-5: get sface",
        "protocol:",
        "  ssim: ssim of grey",
        "  rank-1: rank-1 of grey",
        "  95% confidence intervals of ssim, rank-1: bootstrap",
    ]


def test_a_narrow_terminal_breaks_nothing_within_a_word(capsys):
    model = PredictorScore("model", "model", {"ssim": SSIM}, source="runs/mine/weights.safetensors")
    long = {"ssim": replace(METRICS["ssim"], protocol="window and border " * 9)}
    console = Console(width=40, force_terminal=True, no_color=True, color_system=None)
    render.show_scores(EvalResult("x", 100, (8, 8), long, (model,), {}, (), {}), console)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert any(line.endswith("0.712 #1") for line in map(str.rstrip, lines))
    assert any(line.strip() == "[0.690, 0.730]" for line in lines)
    words = " ".join(lines).split()
    assert words.count("window") == words.count("border") == 9
