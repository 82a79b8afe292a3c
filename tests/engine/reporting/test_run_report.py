"""A run's page and its model card: honest, harmless, and whole whatever was logged."""

import re

import numpy as np
import pytest

from sketchcli import images
from sketchcli.config import Domains
from sketchcli.engine.reporting import run_report

EVIL = """</script><script>alert("1")</script><img src=x onerror='alert(2)'>"""
BASELINES = {"mean photo": {"ssim": 0.5, "mae": 40.0}, "sketch": {"ssim": 0.6, "mae": 60.0}}


def epoch(number, **more):
    return {"kind": "epoch", "epoch": number, "generator_loss": 2.0, "parts": {"l1": 1.0}} | more


def validation(number, *, is_held_out=True):
    scores = {"scores": {"ssim": 0.7}, "training_scores": {"ssim": 0.8}}
    return {"kind": "validation", "epoch": number, "is_held_out": is_held_out} | scores


def finding(name="overfitting", message="train for fewer epochs"):
    return {"kind": "finding", "epoch": 2, "name": name, "message": message}


@pytest.fixture
def written(tmp_path):
    """Write a run's page, and read it."""

    def write(log=(), figures=None, *, name="run", samples=(), domains=Domains()):
        path = tmp_path / "report.html"
        run_report.write(
            path,
            name=name,
            facts={"dataset": name},
            command=f"sketch2img train {name}",
            settings=f'preset = "{name}"',
            environment={"device": name},
            log=log,
            samples=samples,
            figures=figures or {},
            domains=domains,
        )
        return path.read_text(encoding="utf-8")

    return write


def headline(page):
    mark, text = re.search(r'<p class="verdict (\w+)">(.*?)</p>', page, re.DOTALL).groups()
    return mark, " ".join(text.split())


@pytest.mark.parametrize(
    ("ssim", "mae", "wins", "mark"),
    [(0.7, 30.0, 2, "good"), (0.7, 50.0, 1, "warning"), (0.55, 50.0, 0, "warning")],
)
def test_the_headline_is_good_only_if_most_baselines_are_beaten(written, ssim, mae, wins, mark):
    found, text = headline(written(figures={"this model": {"ssim": ssim, "mae": mae}} | BASELINES))
    assert found == mark
    assert "The training doctor found no problems." in text
    assert f"On held-out pairs, the model beats all baselines on {wins} of 2 metrics." in text


def test_without_baselines_the_headline_is_the_doctor_s(written):
    assert headline(written()) == ("good", "✓ The training doctor found no problems.")
    log = [finding("colour-drift"), finding(), finding()]
    told = "! The training doctor found these problems: colour drift, overfitting."
    assert headline(written(log)) == ("warning", told)


def test_scores_on_training_pairs_are_not_called_held_out():
    for is_held_out in (True, False):
        log = [epoch(1), validation(1, is_held_out=is_held_out)]
        (ssim,) = [chart for chart in run_report.charts(log, Domains()) if chart.title == "SSIM"]
        names = ["held-out 0.700"] * is_held_out + ["training 0.800"]
        assert [line.name for line in ssim.lines] == names


def test_an_empty_log_has_no_charts_and_no_file(tmp_path, written):
    assert list(run_report.charts([], Domains())) == []
    run_report.write_curves(tmp_path / "losses.png", [])
    assert not (tmp_path / "losses.png").exists()
    assert "Curves" not in written()


def test_a_long_run_has_a_small_page(written):
    log = [epoch(number, lr=1 / number) for number in range(1, 5001)]
    assert len(written(log)) < 100_000


def test_nothing_that_a_stranger_named_gets_out_of_its_place(tmp_path, written):
    sheet = tmp_path / f"{EVIL.replace('/', '')}.png"
    images.write(sheet, np.zeros((4, 6, 3), np.uint8))
    log = [epoch(1, parts={EVIL: 1.0}), finding(EVIL, EVIL)]
    page = written(log, {EVIL: {EVIL: 0.5}}, name=EVIL, samples=[sheet])
    assert "<script" not in page
    assert page.count("<img") == 1
    assert page.count("&lt;script&gt;") > 8


def test_the_card_says_what_the_model_is_and_what_it_is_not(tmp_path):
    data = {"name": "faces", "training_pairs": 8, "fingerprint": "0123456789abcdef0", "notice": ""}
    about = {
        "dataset": data | {"licence": "MIT & more", "citation": ""},
        "config": {"model": {"generator": "resnet"}, "preset": "modern"},
        "size": (32, 48),
        "epochs_done": 2,
        "images_seen": 1600,
        "version": "1",
    }
    card, figures = tmp_path / "card.md", {"this model": {"ssim": 0.7}}
    run_report.write_card(card, name="m", about=about, figures=figures, command="sketch2img train")
    text = card.read_text(encoding="utf-8")
    for words in (
        "48x32 pixels",
        "1,600 images",
        "* licence: MIT & more",
        "| this model | 0.700 |",
    ):
        assert words in text
    assert "not evidence of identity" in text
    assert "citation" not in text


def test_chromium_shows_it_without_a_complaint(tmp_path, written, chromium):
    written([epoch(1, lr=0.1), epoch(2), validation(2), finding(EVIL, EVIL)], name=EVIL)
    dom, complaints = chromium(tmp_path / "report.html", "--dump-dom")
    assert complaints == []  # the policy refuses no style of a chart
    assert "alert" in dom
    assert "<script" not in dom


TABLE = ("table", "thead", "tbody", "tr", "th", "td")
MARKDOWN = (
    "[x](javascript:alert(3)) ![i](https://e.org/p.png) `a` | b\n# c\n\n    d &lt; $x$ *e* \x1b[31m"
)


@pytest.mark.parametrize("text", [EVIL, MARKDOWN, "a; rm -rf ~"])
def test_nothing_that_others_named_gets_out_of_its_place_in_the_card(tmp_path, text):
    from markdown_it import MarkdownIt

    data = {"name": text, "training_pairs": 8, "fingerprint": text[:9], "notice": text}
    about = {
        "dataset": data | {"licence": text, "citation": text},
        "config": {"model": {"generator": text}, "preset": text},
        "size": (32, 48),
        "epochs_done": 2,
        "images_seen": 1600,
        "version": text,
    }
    card, figures = tmp_path / "card.md", {"this model": {"ssim": -0.7, text: 1.0}, text: {"a": 1}}
    run_report.write_card(card, name=text, about=about, figures=figures, command=f"train '{text}'")
    written = card.read_text(encoding="utf-8")
    assert "<script" not in written
    assert all(line.isprintable() for line in written.splitlines())
    shown = MarkdownIt("commonmark").enable("table").render(written)
    tags = set(re.findall(r"</?(\w+)", shown))
    assert tags <= {"h1", "h2", "p", "ul", "li", "strong", "code", *TABLE}
    assert [shown.count(f"<{tag}>") for tag in ("h1", *TABLE)] == [1, 1, 1, 1, 3, 3, 6]
    words = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    plain = " ".join(text.replace("\x1b", "\\x1b").split())
    assert words.replace("&amp;", "&").count(plain) >= 5  # a reader sees what it is
    if text.startswith("a;"):
        assert "--model 'a; rm -rf ~'" in shown
