"""What reaches the engine, and what reaches the user."""

import json
import shutil

import pytest

from sketchcli import config as settings
from sketchcli.cli.options import parse_size
from sketchcli.cli.train import resolve_config
from sketchcli.cli.train_settings import parse_assignments
from sketchcli.engine.wording import number
from sketchcli.errors import ExitCode, UsageError


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The home of the first test that asks for a model, and what `train` said."""
    return {"home": tmp_path_factory.mktemp("trained") / "home"}


@pytest.fixture
def trained(sketch2img, tmp_path, home, kept, plain_curves):
    """A drawn set, fetched and prepared, and a model of one epoch."""
    if "outcome" in kept:
        shutil.copytree(kept["home"], home)
        return kept["outcome"]
    small = tmp_path / "small.toml"
    small.write_text("[model.generator_options]\nwidth = 4\nblocks = 1\n")
    for command in (
        "fetch-data demo --count 12 --size 32",
        "preprocess demo --size 32 --test 0.3",
        f"train --epochs 1 --config {small} --set model.discriminator_options.width=4",
    ):
        outcome = sketch2img(*command.split())
        assert outcome.code == 0, outcome.stderr
    shutil.copytree(home, kept["home"])
    kept["outcome"] = outcome
    return outcome


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("epochs = 7\nseed = 3\n")
    chosen = resolve_config("paper", file, {"epochs": 9, "data.batch_size": None})
    assert (chosen.epochs, chosen.seed, chosen.data.batch_size) == (9, 3, 30)
    assert chosen.loss == settings.preset("paper").loss


def test_the_files_preset_holds_unless_a_flag_names_another(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('preset = "paper"\nepochs = 7\n')
    assert resolve_config(None, file, {}).model.generator == "resnet"
    chosen = resolve_config("modern", file, {})
    assert (chosen.preset, chosen.model.generator, chosen.epochs) == ("modern", "resunet", 7)
    for unknown in ('"best"', "3", "[]", "[3]"):
        file.write_text(f"preset = {unknown}\n")
        with pytest.raises(UsageError):
            resolve_config(None, file, {})


def test_a_preset_can_be_set_as_every_other_setting():
    assert resolve_config(None, None, {}, assignments=["preset=paper"]) == settings.preset("paper")
    both = resolve_config("modern", None, {}, assignments=["preset=paper"])
    assert both == settings.preset("modern")


def test_a_networks_options_are_numbers_or_words():
    assert parse_assignments(["width=64", "dropout=0.5", "norm=batch"]) == {
        "width": 64,
        "dropout": 0.5,
        "norm": "batch",
    }
    for text in ("width", "=64"):
        with pytest.raises(UsageError, match="not KEY=VALUE"):
            parse_assignments([text])


def test_names_lead_nowhere_else(sketch2img, folders, home):
    outcome = sketch2img("preprocess", folders, "--name", "../../escaped")
    assert outcome.code == ExitCode.USAGE


def test_a_prepared_set_is_called_what_the_user_calls_it(sketch2img, folders):
    sketches, photos = folders / "sketches", folders / "photos"
    outcome = sketch2img(
        "preprocess", "--sketches", sketches, "--photos", photos, "--name", "mine", "--json"
    )
    assert outcome.json["data"]["name"] == "mine"


def test_when_all_files_fail_the_json_says_which_and_why(sketch2img, trained, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"broken")
    outcome = sketch2img("generate", tmp_path / "bad", tmp_path / "out", "--json")
    assert outcome.code == ExitCode.DATA
    assert outcome.json["status"] == "error"
    assert "a.png" in outcome.json["data"]["files"][0]["error"]


def test_unknown_settings_are_all_listed(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("epoch = 7\n[loss]\nl1 = 3\n")
    with pytest.raises(UsageError, match=r"'epoch'.*'loss\.l1'"):
        resolve_config("modern", file, {})


@pytest.mark.parametrize("text", ["", "0", "15", "12x", "x12", "2000", "128x128x3", "-1"])
def test_sizes_that_are_none(text):
    with pytest.raises(UsageError):
        parse_size(text)


def test_stdout_has_the_result_and_stderr_the_progress(trained):
    assert "weights.safetensors" in trained.stdout
    assert "epoch 1/1" in trained.stderr
    assert "epoch 1/1" not in trained.stdout
    assert "\x1b" not in trained.stdout + trained.stderr


def test_each_verb_says_what_comes_next(sketch2img):
    fetched = sketch2img("fetch-data", "demo", "--count", 4, "--size", 32)
    assert "next: sketch2img preprocess demo" in fetched.stdout
    prepared = sketch2img("preprocess", "demo", "--size", 32)
    assert "next: sketch2img train demo-32" in prepared.stdout


def test_json_is_the_only_thing_on_stdout(sketch2img, trained, home, tmp_path):
    sketches = home / "raw" / "demo" / "sketches"
    for command in (
        ["fetch-data", "--list"],
        ["generate", sketches, tmp_path / "out"],
        ["eval", "--metric", "ssim"],
    ):
        outcome = sketch2img(*command, "--json")
        assert outcome.json["status"] == "ok", outcome.stderr
        assert outcome.json["command"] == command[0]


def test_the_json_of_eval_has_every_figure(sketch2img, trained):
    data = sketch2img("eval", "--json", "--no-report").json["data"]
    score = data["scores"][0]
    assert (score["predictor"], score["kind"]) == ("model", "model")
    assert score["discriminator"].keys() == {"accuracy", "precision", "recall", "f1"}
    assert score["figures"].keys() == data["metrics"].keys()
    assert score["figures"]["ssim"].keys() == {"value", "low", "high", "count", "rank"}
    assert data["metrics"]["ssim"]["direction"] == "higher"
    assert data["unavailable"]["kid"] == "sketch2img fetch-data fid-inception"
    assert data["folder"] is None


def test_eval_shows_the_same_figures_to_people(sketch2img, trained):
    shown = sketch2img("eval", "--no-report", "--metric", "mae", "--metric", "psnr").stdout
    only = ("--metric", "mae", "--metric", "psnr", "--no-report", "--json")
    figures = sketch2img("eval", *only).json["data"]["scores"][0]["figures"]
    for title, name in (("MAE", "mae"), ("PSNR", "psnr")):
        line = next(line for line in shown.splitlines() if line.startswith(f"{title} ("))
        figure = figures[name]
        value = f"{number(figure['value'])} #{figure['rank']}"
        assert f"{value} [{number(figure['low'])}, {number(figure['high'])}]" in line
        assert all(f" #{rank}" in line for rank in (1, 2, 3, 4))
    assert "pictures: " in shown
    assert "size: 32x32 pixels" in shown
    assert "fitted by stretch" in shown
    assert "95% confidence intervals of mae, psnr: bias-corrected" in shown


def test_eval_writes_a_report_at_home(sketch2img, trained, home):
    outcome = sketch2img("eval", "--metric", "mae")
    (report,) = (home / "evaluations").glob("*/report.html")
    assert f"report: {report}" in outcome.stdout


def test_generate_says_which_model_it_used(sketch2img, trained, home, tmp_path):
    sketch = home / "raw" / "demo" / "sketches" / "00000.png"
    outcome = sketch2img("generate", sketch, tmp_path / "photo.png")
    assert "runs" in outcome.stderr
    assert (tmp_path / "photo.png").stat().st_size


def test_some_failed_files_are_code_7(sketch2img, trained, home, tmp_path):
    sketches = home / "raw" / "demo" / "sketches"
    (sketches / "00001.png").write_bytes(b"broken")
    outcome = sketch2img("generate", sketches, tmp_path / "out")
    assert outcome.code == ExitCode.SOME_FILES_FAILED
    assert "00001.png" in outcome.stderr
    assert len(list((tmp_path / "out").iterdir())) == 11


def test_the_exact_command_is_kept(sketch2img, home, monkeypatch):
    sketch2img("fetch-data", "demo", "--count", 4, "--size", 32)
    sketch2img("preprocess", "demo", "--size", "32")
    about = json.loads((home / "prepared" / "demo-32" / "dataset.json").read_text())
    assert about["command"] == "sketch2img preprocess demo --size 32"
    assert about["licence"].startswith("MIT")


def test_an_unknown_generator_is_named_with_the_known_ones(sketch2img, trained):
    outcome = sketch2img("train", "--generator", "vae")
    assert outcome.code == ExitCode.USAGE
    assert "choose from: cnn, resnet, resunet" in outcome.stderr


def test_with_nothing_prepared_training_draws_the_demo_set(sketch2img, monkeypatch, tmp_path):
    from sketchcli.engine.preprocessing import preprocess

    monkeypatch.setattr(preprocess, "SIDE", 32)
    monkeypatch.setattr(preprocess, "PAIRS", 8)
    small = tmp_path / "small.toml"
    small.write_text("[model.generator_options]\nwidth = 4\nblocks = 1\n")
    outcome = sketch2img("train", "--epochs", 1, "--config", small)
    assert outcome.code == 0, outcome.stderr
    assert "demo dataset" in outcome.stderr
