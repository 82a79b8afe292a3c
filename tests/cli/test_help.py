"""Every `--help`: an example that is right, within 80 columns; and hints at mistyped names."""

import shlex

import pytest
import typer

from sketchcli.cli.app import EXAMPLES, REMOVED, VERBS, app
from sketchcli.errors import ExitCode


@pytest.mark.parametrize("name", ["", *VERBS])
def test_help_fits_into_80_columns(sketch2img, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    shown = sketch2img(*filter(None, [name]), "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown  # nothing is cut off
    assert "<bool>" not in shown  # a flag takes no value


@pytest.mark.parametrize("name", VERBS)
def test_help_has_examples_and_the_options_that_all_share(sketch2img, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = sketch2img(name, "--help")
    shown = outcome.stdout
    assert outcome.code == 0
    assert all(f" {example} " in f"{shown} " for example in EXAMPLES[name])
    assert all(option in shown for option in ("--quiet", "--verbose", "--no-progress", "--json"))


def test_every_command_has_examples():
    assert EXAMPLES.keys() == VERBS.keys()


@pytest.mark.parametrize("example", sum(EXAMPLES.values(), ()))
def test_every_example_is_understood(example):
    program, name, *words = shlex.split(example.partition(" < ")[0].partition(" > ")[0])
    assert program == "sketch2img"
    command = typer.main.get_command(app).commands[name]
    with command.make_context(name, words) as context:  # raises where it is not understood
        assert context.params


@pytest.mark.parametrize(
    ("arguments", "code", "meant"),
    [
        (["trian"], ExitCode.USAGE, "did you mean 'train'"),
        (["train", "--epohcs", "3"], ExitCode.USAGE, "--epochs"),
        (["train", "--preset", "moden"], ExitCode.USAGE, "did you mean 'modern'?"),
        (["train", "--set", "loss.adverserial=lsgan"], ExitCode.USAGE, "loss.adversarial"),
        (["fetch-data", "cukh"], ExitCode.USAGE, "did you mean 'cuhk'?"),
        (["preprocess", "demmo"], ExitCode.DATA, "did you mean 'demo'?"),
        (["preprocess", "demo", "--style", "penicl"], ExitCode.USAGE, "did you mean 'pencil'"),
        (["train", "demo-23"], ExitCode.DATA, "did you mean 'demo-32'?"),
        (["train", "--resume", "fist"], ExitCode.CHECKPOINT, "did you mean 'first'?"),
        (["eval", "--model", "fisrt"], ExitCode.CHECKPOINT, "did you mean 'first'?"),
        (["eval", "--model", "bundeld"], ExitCode.CHECKPOINT, "did you mean 'bundled'?"),
        (["eval", "--split", "tset"], ExitCode.USAGE, "did you mean 'test'?"),
        (["eval", "a", "b", "--metric", "ssmi", "--size", "32"], ExitCode.USAGE, "'ssim'"),
        (["train", "--precision", "fp23"], ExitCode.USAGE, "did you mean 'fp32'"),
        (["train", "--loss", "hnige"], ExitCode.USAGE, "did you mean 'hinge'"),
    ],
)
def test_a_mistyped_name_gets_a_suggestion(sketch2img, home, folders, arguments, code, meant):
    run, raw, prepared = "runs/first/", "raw/demo/", "prepared/demo-32/"
    names = ("config.toml", "result.json", "weights.safetensors")
    for file in (*(run + name for name in names), raw + "source.json", prepared + "dataset.json"):
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text("")
    words = [str(folders / "photos") if word in {"a", "b"} else word for word in arguments]
    outcome = sketch2img(*words)
    assert outcome.code == code
    assert meant in outcome.stderr


MOST_SHOWN = {"train": 18, "generate": 24}  # options in --help


@pytest.mark.parametrize("name", VERBS)
def test_help_shows_common_options_and_help_all_shows_every_option(sketch2img, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    command = typer.main.get_command(app).commands[name]
    with command.make_context(name, [], resilient_parsing=True) as context:
        options = [p for p in command.get_params(context) if p.opts[0].startswith("-")]
    shown, everything = (sketch2img(name, word).stdout for word in ("--help", "--help-all"))
    rows = [line for line in shown.splitlines() if line.startswith("│ -")]
    assert "--help-all" in everything
    assert len(rows) == len(options) - len(command.rare) <= MOST_SHOWN.get(name, 99)
    for option in command.rare:
        assert f" {option.opts[0]} " not in shown
        assert f" {option.opts[0]} " in everything


@pytest.mark.parametrize(("name", "option"), [(n, o) for n in REMOVED for o in REMOVED[n]])
@pytest.mark.parametrize("value", ["", "=7"])
def test_a_removed_option_says_what_to_type_instead(sketch2img, name, option, value):
    outcome = sketch2img(name, f"{option}{value}", "x")
    assert outcome.code == ExitCode.USAGE
    assert outcome.stderr == (
        f"error: the option {option} no longer exists\nhint: {REMOVED[name][option]}\n"
    )


def test_a_file_may_have_the_name_of_a_removed_option(sketch2img):
    outcome = sketch2img("generate", "--", "--raw", "x.png")
    assert outcome.code == ExitCode.DATA
    assert "--raw" in outcome.stderr
    assert "no longer" not in outcome.stderr


def test_rare_options_are_completed():
    command = typer.main.get_command(app).commands["train"]
    with command.make_context("train", [], resilient_parsing=True) as context:
        found = {item.value for item in command.shell_complete(context, "--")}
    assert command.rare
    assert {option.opts[0] for option in command.rare} < found
