"""The README, the tutorials and what else can be typed as it stands: every command is run.

A few options are added to make it quick; those that the page gives are kept, or overridden by
smaller numbers.
"""

import contextlib
import json
import os
import re

import pytest
from pages import ROOT, arguments, blocks, lines_to_run, outside_fences, shell

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.weights_header import read_about, read_header

# What is typed on a page, and what is there when all of it was typed.
PAGES = {
    "README.md": ("out.png", "out/monday/a.png", "out/tuesday/b.png"),
    "docs/tutorial/first-portrait.md": ("portrait.png", "faces/00003.png", "me.png"),
    "docs/tutorial/first-model.md": ("photos/00004.png", "first-model/prepared/demo-64/audit.html"),
    "docs/tutorial/new-domain.md": ("leaf-photos/005.png", "leaf.png", "leaf-model/report.html"),
    "docs/how-to/change-settings.md": ("home/prepared/faces/audit.html",),
}
SERVED = "docs/tutorial/draw-a-face.md"  # until Ctrl-C; tests/serving/ has its page
NOT_RUN = ("make ", "pipx install ", "sketch2img draw")  # they install, or run until Ctrl-C
NARROW = ("model.generator_options.width=4", "model.discriminator_options.width=4")
QUICK = {
    ("fetch-data", "demo"): ["--count", "24", "--size", "64"],
    ("train",): ["--epochs", "1", *(word for setting in NARROW for word in ("--set", setting))],
}


@pytest.fixture
def desk(tmp_path, home, sketch2img, monkeypatch):
    """A folder with everything that a reader of these pages has, and the programs at hand."""
    folder = tmp_path / "desk"
    for index in range(24):
        sketch, photo = draw_pair(index, size=64)
        images.write(folder / "drawings" / f"{index:05d}.png", sketch)
        images.write(folder / "portraits" / f"{index:05d}.png", photo)
    for name in ("in.png", "my-drawing.jpg", "batch/monday/a.png", "batch/tuesday/b.png"):
        images.write(folder / name, sketch)
    monkeypatch.setenv("PWD", str(folder))
    return folder


def options_to_be_quick(words):
    return next((more for verb, more in QUICK.items() if tuple(words[: len(verb)]) == verb), [])


def type_in(line, desk, programs, sketch2img, monkeypatch):
    """Do what a line says; what went wrong."""
    if line.startswith("export "):
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, os.path.expandvars(value.strip('"')))
        return ""
    if line.startswith("sketch2img "):
        words = arguments(line)
        done = sketch2img(*words, *options_to_be_quick(words))
        return done.stderr if done.code else ""
    done = shell(line, desk, programs)
    return done.stderr if done.returncode else ""


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_page_works(
    name, desk, home, programs, sketch2img, monkeypatch, plain_curves
):
    if name.endswith("change-settings.md"):  # a reader of it has a set
        folders = ("--sketches", desk / "drawings", "--photos", desk / "portraits")
        assert sketch2img("preprocess", *folders, "--name", "faces", "--size", 32).code == 0
        (desk / "home").symlink_to(home)
    found = blocks(ROOT / name)
    with contextlib.chdir(desk):
        for block in found:
            if block.file:
                (desk / block.file).write_text(block.text)
            for line in lines_to_run(block) if block.is_to_be_run else ():
                assert type_in(line, desk, programs, sketch2img, monkeypatch) == "", line
    assert any(block.is_to_be_run for block in found)
    assert [file for file in PAGES[name] if not (desk / file).is_file()] == []
    if (desk / "leaf-model").exists():
        check_the_page_on_checkpoints(desk / "leaf-model", programs)


def check_the_page_on_checkpoints(run, programs):
    """What `checkpoint-format.md` says of a run's files is what is in them."""
    page = ROOT / "docs/reference/checkpoint-format.md"
    text = page.read_text(encoding="utf-8")
    weights, state = read_about(run / "weights.safetensors"), read_about(run / "state.safetensors")
    assert set(state) - set(weights) == {"progress"}
    keys = {*state, *state["dataset"], *state["looks"], *state["looks"]["ranges"]}
    assert [key for key in keys if f"`{key}`" not in text] == []
    parts = {name.partition(".")[0] for name in read_header(run / "state.safetensors").shapes}
    assert [part for part in parts if f"`{part}.`" not in text] == []
    (code,) = (block.text for block in blocks(page) if block.language == "python")
    (run / "read.py").write_text(code)
    done = shell("python3 read.py", run, programs)
    assert done.stdout.startswith("resunet [64, 64] "), done.stderr


@pytest.mark.parametrize("name", ["README.md", *sorted(PAGES)[1:]])
def test_only_what_installs_or_never_ends_is_left_out(name):
    left_out = [block.text for block in blocks(ROOT / name) if block.not_run]
    lines = [line for text in left_out for line in text.splitlines()]
    assert [line for line in lines if not line.startswith(NOT_RUN)] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs/tutorial").glob("*.md")), ids=str)
def test_every_tutorial_is_run(page):
    assert page.relative_to(ROOT).as_posix() in {*PAGES, SERVED}


@pytest.mark.parametrize("name", [name for name in PAGES if "how-to" not in name])
def test_no_command_escapes_in_an_indented_block(name):
    assert re.findall(r"^    \S.*", outside_fences(ROOT / name), re.MULTILINE) == []


def test_the_first_block_on_python_works(desk, home):
    first = blocks(ROOT / "docs/how-to/use-from-python.md")[0]
    for name in ("sketch.png", "a.png", "b.png"):
        images.write(desk / name, images.luma(images.read(desk / "in.png")))
    names = {"pixels": images.luma(images.read(desk / "in.png"))}
    with contextlib.chdir(desk):
        exec(first.text, names)  # noqa: S102 - the page's own code
    assert [photo.shape for photo in names["photos"]] == [(192, 192, 3)] * 3
    assert json.dumps(names["photo"].shape) == "[192, 192, 3]"
