"""The pages on adding to the program, gone through in a copy of the source, command by command."""

import re
import shutil
import subprocess
import sys

import pytest
from forking import put_forked_programs
from pages import ROOT, blocks, shell

# What is added on a page.
PAGES = {
    "add-a-generator": ("subpixel",),
    "add-a-sketch-style": ("crayon",),
    "add-a-metric": ("contrast",),
    "add-a-data-set": ("rings", "shells"),
}
COPIED = ("src", "tests", "scripts", "docs", "pyproject.toml")


@pytest.fixture
def checkout(tmp_path, forking_server):
    """A copy of all that the pages touch."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    put_forked_programs(tmp_path / "bin", forking_server, folder / "src")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_step_of_the_page_works(name, checkout):
    found = blocks(ROOT / "docs/how-to" / f"{name}.md")
    files = [checkout / block.file for block in found if block.file]
    for file, block in zip(files, [b for b in found if b.file], strict=True):
        assert not file.exists()
        file.write_text(block.text, encoding="utf-8")
    script = "".join(block.text for block in found if block.is_to_be_run)
    done = shell(f"set -x\n{script}", checkout, checkout.parent / "bin")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(file.stem for file in files) == sorted(PAGES[name])
    (passed,) = re.findall(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert int(passed) > 3
    assert "failed" not in done.stdout
    if name != "add-a-data-set":
        assert PAGES[name][0] in (checkout / "docs/reference/cli.md").read_text()
    for rules in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *rules, *files]
        subprocess.run(ruff, cwd=checkout, check=True, capture_output=True)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_left_out_is_the_environment_alone(name):
    page = blocks(ROOT / "docs/how-to" / f"{name}.md")
    assert [block.text for block in page if block.not_run] == [". .venv/bin/activate\n"]


def test_every_page_on_adding_is_gone_through():
    pages = (ROOT / "docs/how-to").glob("add-a-*.md")
    assert sorted(page.stem for page in pages) == sorted(PAGES)
