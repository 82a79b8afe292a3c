"""The report: complete, self-contained, harmless."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sketchcli.config.domains import SKETCH_TO_PHOTO, Domain, Domains
from sketchcli.data.audit.terms import Audit, Check, Finding
from sketchcli.data.prepared import Pair
from sketchcli.engine.reporting import audit_report

CHECKS = (Check(("wrong-pair",), 30, "outlines compared", "median 5.1"), Check(("blank",), 0, "-"))


def pictures(row):
    random = np.random.default_rng(row)
    sketch = random.integers(0, 256, (200, 100), np.uint8)
    return sketch, random.integers(0, 256, (200, 100, 3), np.uint8)


def finding(row, *, kind="wrong-pair", message="", other=None):
    files = (f"s/{row}.png", f"p/{row}.png")
    return Finding(kind, files, message or f"pair {row} is wrong", 1.0, row, other)


@pytest.fixture
def report(tmp_path):
    """Write a report on 30 pairs, and read it."""

    def write(
        findings=(),
        *,
        left_out=(),
        repeated=(),
        title="set",
        count=30,
        look=pictures,
        domains=SKETCH_TO_PHOTO,
    ):
        path = tmp_path / "audit.html"
        names = [Pair(f"pair-{i}", "train", "", f"s/{i}.png", f"p/{i}.png") for i in range(count)]
        audit_report.write(
            path,
            title=title,
            facts={"size": "128x128", "licence": "MIT & more"},
            audit=Audit(count, tuple(findings), CHECKS),
            names=names,
            left_out=dict(left_out),
            repeated=dict(repeated),
            pair_pictures=look,
            domains=domains,
        )
        return path.read_text(encoding="utf-8")

    return write


class Outline(HTMLParser):
    """Open tags, and whether each was closed."""

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for key, value in attributes if key in {"src", "href", "srcset"}]
        if tag not in {"img", "br", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_clean_set_is_called_clean(report):
    page = report()
    assert "no problems found in 30 pairs" in page
    assert 'class="verdict good"' in page
    assert "no files skipped" in page


def test_the_headline_counts_and_names_what_holds_for_the_whole_set():
    whole = Finding("mispaired-set", (), "the set looks mis-paired", 3)
    faint = finding(2, kind="low-contrast")
    headline = audit_report.headline(Audit(30, (whole, finding(1), faint), ()))
    assert headline == "2 errors and 1 warning in 30 pairs; the set looks mis-paired"
    assert audit_report.headline(Audit(1, (faint,), ())) == "no errors and 1 warning in 1 pair"


def test_it_needs_nothing_but_itself(report):
    page = report([finding(1, other=2)], left_out={"a.txt": "not a picture"})
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in outline.links)
    assert not re.search(r"url\(|@import|<script|<link", page)


def test_facts_checks_and_files_are_shown(report):
    page = report([finding(1)], left_out={"a.txt": "no picture"}, repeated={"b.png": "as c.png"})
    for text in ("128x128", "MIT &amp; more", "median 5.1", "not checked", "s/1.png", "a.txt"):
        assert text in page
    assert "no picture" in page
    assert "as c.png" in page


def test_the_better_photo_is_shown_beside_a_wrong_pair(report):
    assert "photo of pair-7" in report([finding(1, other=7)])
    assert "photo of pair-7" not in report([finding(1)])


def test_a_colour_map_and_a_grey_photo_are_shown_by_their_names(report):
    domains = Domains(Domain("map", 3), Domain("aerial photo", 1))
    same = finding(1, kind="same-picture", other=7)
    page = report([same], look=lambda row: pictures(row)[::-1], domains=domains)
    for text in ("<figcaption>map<", "<figcaption>aerial photo of pair-7<"):
        assert text in page
    assert "Aerial photos used as maps" in page
    assert "Photos used as sketches" in report([same])


def test_a_pair_with_two_faults_is_one_card(report):
    page = report([finding(1), finding(1, kind="tinted")])
    assert "Findings in 1 pair" in page


def test_the_worst_twenty_and_some_hundred_lines_are_enough(report):
    many = [finding(row % 30, message="x" * 200) for row in range(5000)]
    left_out = {f"/somewhere/{'long/' * 20}{index}.png": "unpaired" for index in range(5000)}
    page = report(many, left_out=left_out)
    assert "The worst 20 of 30 pairs" in page
    assert page.count("and 4,800 more") == 2
    assert len(page) < 3_000_000


def test_nothing_that_a_stranger_named_gets_out_of_its_place(report):
    evil = '<script>alert("1")</script>'
    page = report([finding(1, message=evil)], left_out={evil: evil}, title=evil)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    outline = Outline()
    outline.feed(page)
    assert outline.open == []


def test_a_name_that_is_no_unicode_is_shown_all_the_same(report):
    assert "caf?.png" in report(left_out={"caf\udce9.png": "unpaired"})


def test_no_pairs_make_a_report_too(report):
    assert "no problems found in 0 pairs" in report(count=0)


def test_chromium_shows_it_without_a_complaint(tmp_path, report, chromium):
    evil = """</p><script>alert("1")</script><img src=x onerror='alert(2)'>"""
    report([finding(1, message=evil, other=2)], left_out={evil: evil}, title=evil)
    dom, complaints = chromium(tmp_path / "audit.html", "--dump-dom")
    assert complaints == []
    assert "<script" not in dom
