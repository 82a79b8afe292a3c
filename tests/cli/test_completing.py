"""Shell completion: the names that there are, for each shell, quickly."""

import os
import subprocess
import sys
from functools import partial

import pytest
from processes import COMPILED, heavy_imports, seconds

from sketchcli import registry

LIMIT_SECONDS = 0.3  # of processor time: a person waits for it


@pytest.fixture
def filled(home):
    """A home with a fetched set, a prepared one and a run."""
    for file in (
        *("raw/demo/source.json", "prepared/demo-32/dataset.json", "prepared/.x.new/dataset.json"),
        *("runs/first/config.toml", "runs/first/weights.safetensors", "runs/second/config.toml"),
    ):
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text("")
    return home


def variables(line, shell="bash"):
    """What a shell sets for a line whose last word is to be completed."""
    return {
        "_SKETCH2IMG_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


@pytest.fixture
def complete(sketch2img, monkeypatch):
    """What the shell gets for a line."""

    def run(line, shell="bash"):
        with monkeypatch.context() as shells:
            for name, value in variables(line, shell).items():
                shells.setenv(name, value)
            outcome = sketch2img()
        assert not outcome.stderr
        return outcome.stdout

    return run


CASES = [
    ("sketch2img pre", ["preprocess"]),
    ("sketch2img doc", ["doctor"]),
    ("sketch2img train --pres", ["--preset"]),
    ("sketch2img train ", ["demo-32"]),
    ("sketch2img train --preset p", ["paper", "pix2pix"]),
    ("sketch2img train --resume ", ["first", "second"]),
    ("sketch2img train --set loss.adv", ["loss.adversarial=", "loss.adversarial_weight="]),
    ("sketch2img train --generator res", ["resnet", "resunet"]),
    ("sketch2img generate in.png out.png --model ", ["first", "bundled"]),
    ("sketch2img eval --model fi", ["first"]),
    ("sketch2img eval --metric lpips", ["lpips-alex", "lpips-vgg"]),
    ("sketch2img eval --data d", ["demo-32"]),
    ("sketch2img eval --split t", ["train", "test"]),
    ("sketch2img preprocess ", ["demo"]),
    ("sketch2img preprocess --style pe", ["pen", "pencil"]),
    ("sketch2img fetch-data cu", ["cufsf", "cuhk"]),
    ("sketch2img export ", ["first", "bundled"]),
]


@pytest.mark.parametrize(("line", "names"), CASES)
def test_bash_gets_the_names_that_there_are(filled, complete, line, names):
    assert complete(line).split() == names


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_them_too(filled, complete, shell):
    for line, names in CASES[3:9]:
        shown = complete(line, shell)
        assert all(name in shown for name in names), (shell, line, shown)


def test_a_path_is_left_to_the_shell(filled, complete):
    assert complete("sketch2img generate drawings/") == "\n"
    assert complete("sketch2img generate drawings/", "zsh") == "_files\n"


def test_completion_imports_nothing_heavy_and_is_quick(filled):
    for line in ("sketch2img train --set ", "sketch2img eval --metric ", "sketch2img train a "):
        assert heavy_imports(**variables(line)) == (0, set())
    command = [sys.executable, "-c", "from sketchcli.cli.main import main; main()"]
    shell = os.environ | COMPILED | variables("sketch2img train --resume ")
    completing = partial(subprocess.run, command, env=shell, stdout=subprocess.DEVNULL, check=True)
    assert min(seconds(completing) for _ in range(3)) < LIMIT_SECONDS


def test_the_names_are_those_of_real_sets_and_runs(sketch2img, complete, home):
    assert sketch2img("fetch-data", "demo", "--count", 4, "--size", 32).code == 0
    assert sketch2img("preprocess", "demo", "--size", 32).code == 0
    assert complete("sketch2img preprocess ").split() == ["demo"]
    assert complete("sketch2img train ").split() == ["demo-32"]
    assert complete("sketch2img fetch-data ").split() == registry.names(registry.ASSETS)


@pytest.mark.parametrize(
    ("shell", "file"), [("bash", ".bashrc"), ("fish", None), ("zsh", ".zshrc")]
)
def test_completion_can_be_installed(sketch2img, monkeypatch, tmp_path, shell, file):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = sketch2img("--install-completion", shell)
    assert done.code == 0
    assert f"{shell} completion installed in" in done.stdout
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_SKETCH2IMG_COMPLETE" in path.read_text() for path in written)
    if file:
        assert (tmp_path / file) in written
