"""The report: whole, self-contained, harmless and small."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest

from sketchcli.engine.evaluating.features import Measured
from sketchcli.engine.reporting.evaluation_report import Verdict
from sketchcli.engine.results import (
    DiscriminatorScore,
    Figure,
    MemorisationScore,
    MetricInfo,
    PredictorScore,
)

EVIL = """</script><script>alert("1")</script><img src=x onerror='alert(2)'>"""
LOADING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class Outline(HTMLParser):
    """The tags of a page, each closed, what it loads, and the words that it shows."""

    def __init__(self, page):
        super().__init__()
        self.open, self.links, self.tags, self.words, self.policy = [], [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.links += [named[key] for key in LOADING & named.keys()]
        assert not any(key.startswith("on") or key == "style" for key in named)
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"]
        if tag not in {"img", "br", "meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in {"img", "br", "meta"}:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)


def words(page):
    return " ".join(" ".join(Outline(page).words).split())


def album(page):
    return json.loads(re.search(r'id="album">(.*?)</script>', page, re.DOTALL).group(1))


def shown(page, predictor, metric, end):
    (found,) = [one for one in album(page)["predictors"] if one["name"] == predictor]
    return [row for row, _ in found["shown"][metric][end]]


def changed(score, **changes):
    """A score with other figures."""
    return replace(score, figures=score.figures | changes)


# -- what it says ------------------------------------------------------------------------------


def test_the_headline_says_how_a_model_stands_against_the_best_baseline(evaluation, written):
    result, evidence, _ = evaluation()
    said = words(written(result, evidence))
    beaten = "On 50 images, “modern” clearly beats the best baseline on all 3 leading metrics"
    assert f"✓ {beaten}: SSIM, LPIPS (AlexNet) and MAE." in said


def test_what_overlaps_is_not_called_a_win(evaluation, written):
    result, evidence, _ = evaluation()
    model, baseline = result.scores
    close = {"ssim": Figure(0.61, 0.55, 0.67, 50, 1), "mae": Figure(50.0, 45.0, 55.0, 50, 2)}
    said = words(written(replace(result, scores=(changed(model, **close), baseline)), evidence))
    assert "beats the best baseline on 1 of 3 leading metrics: LPIPS (AlexNet)." in said
    assert "On MAE it is clearly worse." in said
    assert "On SSIM the difference may be due to chance." in said


def test_one_win_does_not_make_up_for_two_losses(evaluation, written):
    result, evidence, _ = evaluation(5)
    model, baseline = result.scores
    lost = {"ssim": Figure(0.4, 0.39, 0.41, 5, 2), "mae": Figure(50.0, 45.0, 55.0, 5, 2)}
    page = written(replace(result, scores=(changed(model, **lost), baseline)), evidence)
    said = words(page)
    assert "✗ On 5 images, “modern” is clearly worse than the best baseline on 2 of 3" in said
    assert "leading metrics: SSIM and MAE. On LPIPS (AlexNet) it clearly beats" in said
    assert 'class="verdict error"' in page


@pytest.mark.parametrize(
    ("better", "worse", "unsure", "mark"),
    [(3, 0, 1, "good"), (2, 0, 2, "warning"), (3, 1, 0, "warning"), (2, 2, 0, "warning")],
)
def test_a_good_verdict_needs_most_metrics_and_no_loss(better, worse, unsure, mark):
    score = PredictorScore("modern", "model", {})
    assert Verdict(score, ["m"] * better, ["m"] * worse, ["m"] * unsure, []).mark == mark


def test_without_an_interval_nothing_is_called_a_win(evaluation, written):
    result, evidence, _ = evaluation()
    unsure = {name: Figure(0.99, None, None, 1, 1) for name in result.metrics}
    scores = (changed(result.scores[0], **unsure), result.scores[1])
    said = words(written(replace(result, scores=scores), evidence))
    assert "≈ On 50 images, “modern” does not clearly beat the best baseline on any of 3" in said


def test_the_best_of_several_baselines_counts(evaluation, written):
    result, evidence, _ = evaluation(
        kinds={"modern": "model", "poor": "baseline", "strong": "baseline"}
    )
    model, poor, strong = result.scores
    better = changed(strong, ssim=Figure(0.9, 0.89, 0.91, 50, 1))
    said = words(written(replace(result, scores=(model, poor, better)), evidence))
    assert "On SSIM it is clearly worse." in said


def test_what_was_trained_on_is_no_fair_test(evaluation, written):
    result, evidence, _ = evaluation()
    learnt = replace(result.scores[0], trained_on=50)
    page = written(replace(result, scores=(learnt, result.scores[1])), evidence)
    assert "trained on 50 of these images, so this is not a fair test." in words(page)
    assert 'class="verdict error"' in page
    assert "trained on 50 of 50" in page


def test_two_folders_have_no_baseline_to_be_compared_with(evaluation, written):
    result, evidence, _ = evaluation(kinds={"outputs": "folder"}, has_sketches=False)
    page = written(result, evidence)
    assert "“outputs” was scored on 50 images: SSIM 0.7" in words(page)
    assert "A baseline is" not in words(page)
    assert {row["sketch"] for row in album(page)["rows"].values()} == {None}


def test_only_baselines_are_said_to_be_just_that(evaluation, written):
    result, evidence, _ = evaluation(kinds={"mean photo": "baseline"})
    assert "Only baselines were scored" in words(written(result, evidence))


def test_figures_have_intervals_ranks_and_a_mark_for_the_best(evaluation, written):
    result, evidence, _ = evaluation()
    ssim = Figure(0.7412, 0.7301, 0.7523, 49, 1)
    scores = (changed(result.scores[0], ssim=ssim), result.scores[1])
    page = written(replace(result, scores=scores), evidence)
    said = words(page)
    assert "0.741 #1 0.730 to 0.752 on 49 images" in said
    assert "SSIM ↑" in said
    assert "MAE ↓" in said
    assert page.count(" best") >= 3


def test_warnings_gaps_checks_commands_and_protocol_are_all_there(evaluation, written):
    result, evidence, _ = evaluation()
    whole = replace(
        result.scores[0],
        on_training={"ssim": 0.9},
        discriminator=DiscriminatorScore(0.91, 0.92, 0.93, 0.94),
        memorisation=MemorisationScore(0.12, 0.34),
    )
    warned = replace(result, scores=(whole, result.scores[1]), warnings=("few pictures for FID",))
    said = words(written(warned, evidence))
    assert said.index("few pictures for FID") < said.index("clearly beats") < said.index("Scores")
    for told in ("0.900", "0.910 0.920 0.930 0.940", "12% 34%", "INTER_AREA", "sketch2img eval"):
        assert told in said
    assert "kid sketch2img fetch-data fid-inception" in said
    assert "7x7 uniform window" in said
    assert "32x32" in said


def test_a_figure_that_is_missing_is_a_dash(evaluation, written):
    result, evidence, _ = evaluation()
    missing = changed(result.scores[0], ssim=Figure(None, None, None, 0, None))
    said = words(written(replace(result, scores=(missing, result.scores[1])), evidence))
    assert "SSIM ↑ -" in said


def test_a_score_keeps_its_place_in_the_table(evaluation, written):
    result, evidence, _ = evaluation()
    empty = PredictorScore("modern", "model", {})
    page = written(replace(result, scores=(empty, result.scores[1])), evidence)
    assert page.count('<td data-label="modern"') == len(result.metrics)


# -- the pictures ------------------------------------------------------------------------------


def test_best_and_worst_follow_the_metrics_direction(evaluation, written):
    result, evidence, _ = evaluation()
    page = written(result, evidence)
    for metric, sign in (("ssim", -1), ("mae", 1)):
        order = np.argsort(sign * evidence.measured[0].values[metric]).tolist()
        assert shown(page, "modern", metric, "best") == order[:20]
        assert shown(page, "modern", metric, "worst") == order[::-1][:20]


def test_pictures_without_a_value_are_neither_best_nor_worst(evaluation, written):
    result, evidence, _ = evaluation(30)
    evidence.measured[0].values["ssim"][5:] = np.nan
    evidence.measured[0].values["mae"][:] = np.nan
    page = written(result, evidence)
    assert sorted(shown(page, "modern", "ssim", "best")) == [0, 1, 2, 3, 4]
    stored = page.split('id="album">')[1].split("</script>")[0]
    assert not re.search(r"[:,\[ ]NaN", stored)  # images in base64 may contain these letters
    (modern,) = [one for one in album(page)["predictors"] if one["name"] == "modern"]
    assert "mae" not in modern["shown"]


def test_a_single_picture_makes_a_report(evaluation, written):
    result, evidence, _ = evaluation(1)
    page = written(result, evidence)
    assert shown(page, "modern", "ssim", "best") == shown(page, "modern", "ssim", "worst") == [0]
    assert "1 image of 32x32" in words(page)


def test_a_picture_is_stored_once(evaluation, written):
    result, evidence, drawn = evaluation(24)
    mean = replace(evidence.predictors[1], read=drawn.photos)  # pictures that are there already
    page = written(result, replace(evidence, predictors=(evidence.predictors[0], mean)))
    pictures = album(page)["images"]
    assert len(set(pictures)) == len(pictures) == 24 + 2 * 12  # 12 faces are drawn twice


def test_without_values_there_are_no_pictures(evaluation, written):
    result, evidence, drawn = evaluation(5)
    bare = tuple(Measured({}, {}, one.thumbnails) for one in evidence.measured)
    page = written(result, replace(evidence, measured=bare))
    assert 'id="album"' not in page
    assert "Histograms" not in words(page)
    assert drawn.reads == []


def test_a_huge_set_is_read_in_few_places_models_first(evaluation, written):
    kinds = {"mean photo": "baseline", **{f"model-{number}": "model" for number in range(3)}}
    result, evidence, drawn = evaluation(50_000, size=16, kinds=kinds)
    page = written(result, evidence)
    assert sum(len(rows) for _, rows in drawn.reads) <= 1000
    assert len(page) < 1_500_000
    assert re.search(r"it shows \d+ of 12 combinations", words(page))
    found = {one["name"]: list(one["shown"]) for one in album(page)["predictors"]}
    assert list(found) == ["model-0", "model-1", "model-2"]
    assert all("ssim" in metrics for metrics in found.values())


def test_neighbours_are_read_together(evaluation, written):
    result, evidence, drawn = evaluation(32)
    written(result, evidence)
    assert [rows for what, rows in drawn.reads if what == "modern"] == [range(16), range(16, 32)]


def test_large_noisy_pictures_of_many_predictors_stay_under_8_megabytes(evaluation, written):
    names = [f"model-{number}" for number in range(5)]
    metrics = {f"m{i}": MetricInfo(f"M{i}", "lower", "") for i in range(6)}
    result, evidence, _ = evaluation(100, kinds=dict.fromkeys(names, "model"))
    columns = np.random.default_rng(1).normal(size=(len(metrics), 100))
    values = dict(zip(metrics, columns, strict=True))
    noise = np.random.default_rng(2).integers(0, 256, (116, 256, 256, 3), np.uint8)

    def noisy(rows):
        return noise[rows.start : rows.stop]

    page = written(
        replace(result, metrics=metrics, size=(256, 256)),
        replace(
            evidence,
            reference=replace(evidence.reference, read=noisy, read_sketches=None, size=(256, 256)),
            predictors=tuple(
                replace(one, read=lambda rows, seed=seed: noisy(rows) ^ np.uint8(seed + 1))
                for seed, one in enumerate(evidence.predictors)
            ),
            measured=tuple(replace(one, values=values) for one in evidence.measured),
        ),
    )
    assert len(page.encode()) < 8_000_000
    told = re.search(r"it shows (\d+) of 30 combinations", words(page))
    assert 0 < int(told.group(1)) < 30


# -- what it must never do ---------------------------------------------------------------------


def test_it_needs_nothing_but_itself(evaluation, written):
    page = written(*evaluation()[:2])
    outline = Outline(page)
    assert outline.open == []
    assert outline.links == []  # the script makes the pictures, of data in the page
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(outline.tags)
    assert not re.search(r"url\(|@import|https?:", page)
    assert outline.policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in outline.policy


def test_the_policy_names_the_style_and_the_script_that_are_there(evaluation, written):
    page = written(*evaluation()[:2])
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in Outline(page).policy


def test_only_our_style_script_and_charts_are_not_escaped():
    templates = resources.files("sketchcli.engine.reporting").joinpath("templates").iterdir()
    text = "".join(path.read_text(encoding="utf-8") for path in templates)
    unescaped = re.findall(r"\{\{ ([^{}]+)\|safe", text)
    assert sorted(unescaped) == ["drawn.svg()", "script", "style"]
    assert "autoescape" not in text


def test_nothing_that_a_stranger_named_gets_out_of_its_place(evaluation, written):
    result, evidence, _ = evaluation(
        3, kinds={EVIL: "model", f"{EVIL} 2": "baseline"}, ids=[f"{EVIL}{i}" for i in range(3)]
    )
    hostile = replace(
        result,
        real=EVIL,
        metrics={key: replace(m, title=EVIL, protocol=EVIL) for key, m in result.metrics.items()},
        unavailable={EVIL: EVIL},
        warnings=(EVIL,),
        protocol={EVIL: EVIL},
    )
    page = written(hostile, evidence)
    outline = Outline(page)
    assert outline.open == []
    assert outline.tags.count("script") == 2
    assert "img" not in outline.tags
    assert outline.links == []


def test_a_name_that_is_no_unicode_is_shown_all_the_same(evaluation, written):
    page = written(*evaluation(2, kinds={"caf\udce9": "model"}, ids=["a\udce9", "b"])[:2])
    assert "caf?" in words(page)
    assert album(page)["rows"]["0"]["id"] == "a?"
