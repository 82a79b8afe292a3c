"""`preprocess` as a user runs it: each failure is one line, one code, and changes nothing."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.failing import assert_fails, tree

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.cli.main import main
from sketchcli.errors import ExitCode

SIZE, COUNT, TESTED = 64, 30, 6  # of 30 pairs, 6 are to test on

USAGE, DATA = ExitCode.USAGE, ExitCode.DATA


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A tree of right pairs with splits of its own."""
    root = tmp_path_factory.mktemp("drawn")
    for index in range(COUNT):
        for of, pixels in zip((sketch_of, photo_of), draw_pair(index, size=SIZE), strict=True):
            of(root, index).parent.mkdir(parents=True, exist_ok=True)
            of(root, index).write_bytes(images.encode(pixels, ".png"))
    return root


@pytest.fixture
def root(tmp_path, drawn):
    return shutil.copytree(drawn, tmp_path / "set")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, drawn):
    """What a strict call makes of the right pairs."""
    out = tmp_path_factory.mktemp("prepared") / "mine"
    assert main(["preprocess", str(drawn), "--out", str(out), "--size", str(SIZE), "--strict"]) == 0
    return out


@pytest.fixture
def older(home, prepared):
    """What is there already, under the name that the next command gives."""
    shutil.copytree(prepared, home / "prepared" / "mine")
    return tree(home / "prepared")


def sketch_of(root: Path, index: int) -> Path:
    return root / ("test" if index < TESTED else "train") / "sketches" / f"{index:02}.png"


def photo_of(root: Path, index: int) -> Path:
    return root / ("test" if index < TESTED else "train") / "photos" / f"{index:02}.png"


def change(path, make):
    path.write_bytes(images.encode(np.asarray(make(images.read(path)), np.uint8), ".png"))


def copy(root, first, second):
    """Put a copy of a pair in another's place."""
    for of in (sketch_of, photo_of):
        of(root, second).write_bytes(of(root, first).read_bytes())


def brighter_copy(root, first, second):
    copy(root, first, second)
    for of in (sketch_of, photo_of):
        change(of(root, second), lambda pixels: np.clip(pixels.astype(int) + 6, 0, 255))


def swap(root, *places):
    paths = [photo_of(root, place) for place in places]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


# What is done to the set, and what the audit or the exclusions calls it.
FAULTS = {
    "a sketch without a photo": (lambda r: photo_of(r, 9).unlink(), "1 skipped"),
    "a picture that is none": (lambda r: photo_of(r, 9).write_bytes(b"x"), "2 skipped"),
    "a cut picture": (
        lambda r: os.truncate(sketch_of(r, 9), sketch_of(r, 9).stat().st_size // 2),
        "2 skipped",
    ),
    "another file": (lambda r: (r / "notes.txt").write_text("x"), "1 skipped"),
    "the same pair twice": (lambda r: copy(r, 9, 10), "2 skipped"),
    "the same pair in both splits": (lambda r: copy(r, 1, 10), "2 skipped"),
    "two sketches of a photo": (
        lambda r: photo_of(r, 10).write_bytes(photo_of(r, 9).read_bytes()),
        "1 repeated",
    ),
    "nearly the same pair twice": (lambda r: brighter_copy(r, 9, 10), "near-duplicate"),
    "nearly the same pair in both splits": (lambda r: brighter_copy(r, 1, 10), "leakage"),
    "two photos in each other's place": (lambda r: swap(r, 9, 20), "2 wrong-pair"),
    "sorted wrongly": (lambda r: swap(r, *range(TESTED, COUNT)), "1 mispaired-set"),
    "a shifted photo": (
        lambda r: change(photo_of(r, 9), lambda p: np.pad(p, ((0, 0), (7, 0), (0, 0)), "edge")),
        "1 misaligned",
    ),
    "a blank sketch": (lambda r: change(sketch_of(r, 9), lambda p: 0 * p + 255), "1 blank"),
    "a blank photo": (lambda r: change(photo_of(r, 9), lambda p: 0 * p), "1 blank"),
    "a tinted sketch": (
        lambda r: change(sketch_of(r, 9), lambda p: images.to_rgb(p) // np.array([1, 1, 2])),
        "1 tinted",
    ),
    "an inverted sketch": (lambda r: change(sketch_of(r, 9), lambda p: 255 - p), "1 inverted"),
    "a faint sketch": (lambda r: change(sketch_of(r, 9), lambda p: 230 + p // 12), "low-contrast"),
    "a tiny sketch": (lambda r: change(sketch_of(r, 9), lambda p: p[::4, ::4]), "1 enlarged"),
    "the photo for the sketch": (
        lambda r: sketch_of(r, 9).write_bytes(photo_of(r, 9).read_bytes()),
        "1 same-picture",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_strict_call_refuses_every_fault_and_leaves_the_old_set(
    sketch2img, home, root, older, fault
):
    spoil, said = FAULTS[fault]
    spoil(root)
    call = ("preprocess", root, "--name", "mine", "--size", SIZE, "--overwrite")
    assert_fails(sketch2img(*call, "--strict"), DATA, "not clean", said, "mine.audit.html")
    now = tree(home / "prepared")
    assert {name: now.get(name) for name in older} == older
    report = home / "prepared" / "mine.audit.html"
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    lenient = sketch2img(*call)
    assert lenient.code == 0, lenient.stderr
    assert not report.exists()


def test_groups_torn_apart_are_refused_too(sketch2img, home, root, older):
    call = ("preprocess", root, "--name", "mine", "--size", SIZE, "--overwrite", "--strict")
    outcome = sketch2img(*call, "--group-by", r"\d$")
    assert_fails(outcome, DATA, "torn-group")
    assert {name: tree(home / "prepared").get(name) for name in older} == older


def listed(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    return ("--manifest", path)


FAILURES = {
    "no such place": (lambda r: (r / "nowhere",), DATA, "neither a raw dataset nor a folder"),
    "no such folder": (lambda r: ("--photos", r / "nowhere"), DATA, "does not exist"),
    "a file": (lambda r: ("--photos", sketch_of(r, 9)), DATA, "is a file, but a folder is needed"),
    "no kinds": (lambda r: (r / "train" / "photos",), DATA, "both a folder of sketches and"),
    "one in the other": (
        lambda r: ("--sketches", r / "train", "--photos", r / "train" / "photos"),
        DATA,
        "overlap",
    ),
    "strangers": (
        lambda r: ("--sketches", r / "train" / "sketches", "--photos", r / "test" / "photos"),
        DATA,
        "no pair can be used",
    ),
    "no list": (lambda r: ("--manifest", r / "nowhere.csv"), DATA, "No such file"),
    "an empty list": (lambda r: listed(r, "photo\n"), DATA, "lists no images"),
    "a list without photos": (lambda r: listed(r, "a,b\n1,2\n"), DATA, "no column 'photo'"),
    "a list of nothing": (lambda r: listed(r, "photo\nx.png\n"), DATA, "file not found (line 2)"),
    "an unknown split": (
        lambda r: listed(r, "photo,split\nx.png,monday\n"),
        DATA,
        "unknown split 'monday'",
    ),
    "an open quotation": (lambda r: listed(r, 'photo\n"x.png\n' + "y" * 200_000), DATA, "line"),
    "no way": (lambda _: (), USAGE, "in exactly one way"),
    "two ways": (lambda r: (r, "--photos", r), USAGE, "in exactly one way"),
    "sketches alone": (lambda r: ("--sketches", r), USAGE, "needs --photos"),
    "sketches and a style": (
        lambda r: ("--sketches", r / "test", "--photos", r / "train", "--style", "pen"),
        USAGE,
        "--style",
    ),
    "an unknown style": (lambda r: (r, "--style", "crayon"), USAGE, "unknown style 'crayon'"),
    "no size": (lambda r: (r, "--size", "large"), USAGE, "'large'"),
    "too large a size": (lambda r: (r, "--size", "9000"), USAGE, "out of range"),
    "nothing to train on": (lambda r: (r, "--val", ".6", "--test", ".6"), USAGE, "train on"),
    "a direction for nothing": (
        lambda r: ("--photos", r, "--direction", "photo-left"),
        USAGE,
        "--direction",
    ),
    "no pattern": (lambda r: (r, "--group-by", "("), USAGE, "--group-by"),
    "two names": (lambda r: (r, "--out", r / "out"), USAGE, "cannot be combined"),
    "no detector": (lambda r: (r, "--align", "face"), DATA, "fetch-data yunet"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_the_old_set(sketch2img, home, root, older, failure):
    arguments, code, said = FAILURES[failure]
    call = ("preprocess", *arguments(root), "--name", "mine", "--overwrite")
    assert_fails(sketch2img(*call), code, said)
    assert tree(home / "prepared") == older


def test_a_set_that_is_there_is_not_replaced_unasked(sketch2img, home, root, older):
    assert_fails(sketch2img("preprocess", root, "--name", "mine"), DATA, "exists", "--overwrite")
    now = tree(home / "prepared")
    assert {name: now.get(name) for name in older} == older


def test_a_folder_of_somebody_else_is_left_alone(sketch2img, root, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    call = ("preprocess", root, "--out", tmp_path / "thesis", "--overwrite")
    assert_fails(sketch2img(*call), DATA, "was not made by this command")
    assert tree(tmp_path / "thesis") == {"chapter.txt": b"years of work"}


@pytest.mark.parametrize(
    ("size", "near"),
    [
        *(("33x17", "33x24"), ("16x512", "24x512"), ("16", "24x24"), ("1024x23", "1024x24")),
        *(("2000x100", "1024x100"), ("5x5000", "24x1024")),
    ],
)
def test_a_size_that_cannot_be_trained_on_is_refused_where_it_is_asked_for(
    sketch2img, folders, size, near, home
):
    done = sketch2img("preprocess", folders, "--size", size)
    assert done.code == ExitCode.USAGE
    assert f"--size {near}" in done.stderr
    assert not (home / "prepared").exists()


def test_the_smallest_size_can_be_trained_on(sketch2img, folders, tmp_path):
    out = tmp_path / "set"
    assert sketch2img("preprocess", folders, "--size", "24x25", "--out", out).code == 0
    narrow = "--set=model.generator_options.width=4", "--set=model.discriminator_options.width=4"
    for preset in ("modern", "pix2pix"):
        done = sketch2img("train", out, "--preset", preset, *narrow, "--dry-run")
        assert done.code == 0, done.stderr
    done = sketch2img("train", out, "--preset", "paper", "--dry-run")
    assert done.code == ExitCode.USAGE
    assert "--size 46x46" in done.stderr


NAMINGS = {
    "labels": ("{}_edges", "{}_photo"),
    "letters": ("{}_A", "{}_B"),
    "copies": ("{} - Copy", "{}"),
    "prefixes": ("drawing of {}", "IMG {}"),
    "padding": ("sketch{}", "image0{}"),
}


@pytest.mark.parametrize("naming", NAMINGS.values(), ids=NAMINGS.keys())
@pytest.mark.parametrize("layout", ["two folders", "one folder"])
def test_names_that_no_rule_pairs_get_a_draft_to_check(
    sketch2img, folders, tmp_path, naming, layout
):
    for kind, pattern in zip(("sketches", "photos"), naming, strict=True):
        for number, path in enumerate(sorted((folders / kind).iterdir()), start=101):
            new = folders / ("all" if layout == "one folder" else kind)
            new.mkdir(exist_ok=True)
            path.rename(new / f"{pattern.format(number)}.png")
    two = ("--sketches", folders / "sketches", "--photos", folders / "photos")
    where = two if layout == "two folders" else (folders / "all",)
    refused = sketch2img("preprocess", *where, "--size", 32)
    is_paired = layout == "two folders" and refused.code == 0  # a rule may do
    if not is_paired:
        assert "--draft-manifest pairs.csv" in refused.stderr
        assert "--manifest" in refused.stderr
    draft = tmp_path / "pairs.csv"
    done = sketch2img("preprocess", *where, "--draft-manifest", draft, "--json")
    assert done.json["data"] == {"manifest": str(draft), "pairs": 8, "unpaired": 0}
    lines = draft.read_text().splitlines()
    assert lines[0] == "sketch,photo,split,without a partner"
    assert {len(set(re.findall("1[0-9][0-9]", line))) for line in lines[1:]} == {1}
    made = sketch2img("preprocess", "--manifest", draft, "--size", 32, "--out", tmp_path / "set")
    assert made.code == 0, made.stderr
    again = sketch2img("preprocess", *where, "--draft-manifest", draft)
    assert_fails(again, DATA, "already exists")


def test_a_draft_lists_what_has_no_partner_and_reads_as_no_formula(sketch2img, folders, tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    for index in range(4):
        for label in "AB":
            copy_of = next((folders / "photos").iterdir())
            shutil.copy(copy_of, folder / f"=cmd {index}_{label}.png")
    (folder / "=cmd 3_B.png").rename(folder / "+stranger.png")
    done = sketch2img("preprocess", folder, "--draft-manifest", folder / "pairs.csv", "--json")
    assert done.json["data"]["pairs"] == 3
    assert done.json["data"]["unpaired"] == 2
    text = (folder / "pairs.csv").read_text()
    assert ",,,'+stranger.png" in text
    assert not re.search("(^|,)[=+@-]", text, re.MULTILINE)
