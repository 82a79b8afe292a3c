"""The docs say what the program does."""

import re
from dataclasses import fields, is_dataclass

import pytest
import typer
import write_reference
from pages import DOCS, ROOT, arguments, command_lines

from sketchcli.cli.app import REMOVED, app
from sketchcli.cli.render import envelope
from sketchcli.cli.train_settings import setting_names
from sketchcli.engine import results
from sketchcli.errors import ExitCode

PAGES = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")), *DOCS]
WRITTEN = [page for page in PAGES if page.name != "cli.md"]  # which shows forms, not commands


@pytest.mark.parametrize("name", write_reference.PAGES)
def test_generated_pages_are_what_the_program_says(name):
    page = (write_reference.REFERENCE / name).read_text(encoding="utf-8")
    assert page == write_reference.PAGES[name](), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        todo += [page.parent / link for link in links if (page.parent / link).exists()]
    assert {page.resolve() for page in DOCS} <= seen


def test_every_option_in_the_docs_exists():
    known = set(re.findall(r"--[a-z][a-z-]+", write_reference.cli_page()))
    known |= {
        "--constraint",
        "--pip-args",
        "--extra-index-url",
        "--no-deps",
        "--no-python",
        "--nproc-per-node",
        "--nnodes",
        "--rdzv-id",
        "--rdzv-backend",
        "--rdzv-endpoint",
        "--ntasks-per-node",
        "--gpus-per-node",
        "--cpus-per-task",
        "--nodes",
        "--array",
        "--wrap",
        "--signal",
        "--kill-on-bad-exit",
        "--value",
        "--scale",
        "--rounds",
        "--cuhk",
        "--closed",
        "--minutes",  # scripts/torture.py
        "--only",
        "--number",
        "--keep",
        "--jobs",
        "--build-arg",
        "--cpuset-cpus",
        "--gpus",
        "--ipc",
        "--rm",
        "--user",
    }
    removed = {option for options in REMOVED.values() for option in options}
    for page in PAGES:
        used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
        assert used <= known | (removed if page.name == "CHANGELOG.md" else set()), page


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_every_command_in_the_docs_is_understood(page):
    group = typer.main.get_command(app)
    for line in command_lines(page):
        verb, *words = arguments(line)
        if verb.startswith("-"):  # asked of the program itself
            continue
        shown = [word for word in words if word != "--help"]
        group.commands[verb].make_context(verb, shown, obj=words)


def test_every_verb_and_every_setting_has_its_place():
    verbs = (write_reference.REFERENCE / "cli.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f"## `sketch2img {name}`" in verbs
        section = verbs.partition(f"## `sketch2img {name}`")[2].partition("\n## ")[0]
        options = [word for p in command.params for word in p.opts if word.startswith("--")]
        assert [word for word in options if not re.search(rf"{word}\b", section)] == []
    settings = (write_reference.REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert [name for name in setting_names() if f"| `{name}` |" not in settings] == []


def test_every_exit_code_has_its_line():
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {int(code)} | `{code.name}` |" in page


def test_every_field_of_a_result_is_documented():
    page = (ROOT / "docs/reference/json-output.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(results).values() if is_dataclass(kind)]
    assert len(kinds) > 15
    for kind in kinds:
        assert [f.name for f in fields(kind) if f"`{f.name}`" not in page] == []
    for key in re.findall(r'"(\w+)":', envelope("x")):
        assert f'"{key}"' in page


def test_no_picture_of_the_research_data_is_committed(shared):
    import hashlib

    theirs = {hashlib.sha256(p.read_bytes()).digest() for p in shared.rglob("*.jpg")}
    ours = [p for p in ROOT.glob("docs/images/*") if p.is_file()]
    assert ours
    assert not [p for p in ours if hashlib.sha256(p.read_bytes()).digest() in theirs]
