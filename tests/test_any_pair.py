"""All commands on the four kinds of datasets: inputs and targets in colour, or grey."""

import json
import shutil
from pathlib import Path

import colour_pairs
import cv2
import numpy as np
import pytest
import torch
from engine.training.interrupting import interrupt_after

from sketchcli import checkpoint, images, load_generator
from sketchcli import config as settings
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.lookup import find_prepared
from sketchcli.engine.training.train import train
from sketchcli.errors import ExitCode, InterruptedRunError
from sketchcli.weights_header import read_about

SIDE, COUNT = 32, 12
NARROW = ["--batch-size", "4", "--precision", "fp32"]
for setting in (
    "loss.perceptual_weight=0",
    "model.generator_options.width=4",
    "model.generator_options.blocks=1",
    "model.discriminator_options.width=4",
):
    NARROW += ["--set", setting]
KINDS = {  # channels of inputs and targets, and what they are called without options
    "colour-to-colour": ((3, 3), ("input", "photo")),
    "colour-to-grey": ((3, 1), ("input", "target")),
    "grey-to-colour": ((1, 3), ("sketch", "photo")),
    "grey-to-grey": ((1, 1), ("sketch", "photo")),
}


def draw(kind, index):
    if kind == "colour-to-colour":
        return colour_pairs.coast(index)
    if kind == "colour-to-grey":
        return colour_pairs.square(index)
    sketch, photo = draw_pair(index, size=SIDE)
    return sketch, photo if kind == "grey-to-colour" else images.luma(photo), None


@pytest.fixture(scope="module", params=KINDS)
def made(request, tmp_path_factory, leave_out):
    """The home of a dataset and of a run of two epochs that was trained on it, made once."""
    from sketchcli.cli.main import main

    root = tmp_path_factory.mktemp(request.param)
    colour_pairs.write_pairs(root / "raw", lambda index: draw(request.param, index), COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKETCH2IMG_HOME", str(root / "home"))
        leave_out(patch)
        prepare = ["preprocess", root / "raw", "--size", SIDE, "--name", "set", "--test", "0.3"]
        assert main([str(word) for word in prepare]) == 0
        assert main(["train", "set", "--epochs", "2", "--run-dir", str(run(root)), *NARROW]) == 0
    return request.param, root


def run(root):
    return root / "home" / "runs" / "run"


@pytest.fixture
def kind(made, tmp_path, monkeypatch):
    """A copy of that home, which commands now use."""
    shutil.copytree(made[1] / "home", tmp_path / "home")
    return made[0]


def inputs(kind):
    return [draw(kind, index)[0] for index in range(2)]


def test_the_images_decide_on_channels_and_names(kind, home):
    about = json.loads((home / "prepared" / "set" / "dataset.json").read_text())
    channels, names = KINDS[kind]
    domains = [about["domains"][side] for side in ("input", "target")]
    assert [(d["name"], d["channels"]) for d in domains] == list(zip(names, channels, strict=True))
    stored = np.load(home / "prepared" / "set" / "train-photos.npy")
    assert stored.shape[1:] == ((SIDE, SIDE, 3) if channels[1] == 3 else (SIDE, SIDE))
    weights = run(home.parent) / "weights.safetensors"
    assert read_about(weights)["domains"] == about["domains"]


def test_photos_have_the_channels_of_the_targets(kind, home, tmp_path, sketch2img):
    folder = tmp_path / "in"
    for index, sketch in enumerate(inputs(kind)):
        images.write(folder / f"{index}.png", sketch)
    outcome = sketch2img("generate", folder, tmp_path / "out", "--grid", tmp_path / "grid.png")
    assert outcome.code == 0, outcome.stderr
    found = [images.read(path) for path in sorted((tmp_path / "out").iterdir())]
    shape = (SIDE, SIDE, 3)[: 1 + KINDS[kind][0][1]] if KINDS[kind][0][1] == 3 else (SIDE, SIDE)
    assert [photo.shape for photo in found] == [shape, shape]
    for photo, again in zip(load_generator()(inputs(kind)), found, strict=True):
        assert np.array_equal(photo, again)


@pytest.mark.parametrize("options", [("--tile",), ("--compare",), ("--variations", "2")])
def test_photos_are_tiled_and_compared(kind, home, tmp_path, sketch2img, options):
    images.write(tmp_path / "in.png", np.tile(inputs(kind)[0], (2, 2, 1)[: inputs(kind)[0].ndim]))
    outcome = sketch2img("generate", tmp_path / "in.png", tmp_path / "out.png", *options)
    if "--variations" in options:
        assert outcome.code == ExitCode.USAGE  # the network has no dropout
        return
    assert outcome.code == 0, outcome.stderr
    photo = images.read(tmp_path / "out.png")
    assert (photo.shape[1] > photo.shape[0]) == ("--compare" in options)


def test_models_and_baselines_are_scored_and_reported(
    kind, home, tmp_path, sketch2img, plain_curves
):
    outcome = sketch2img(
        "eval", "--data", "set", "--model", "run", "--out", tmp_path / "report", "--json"
    )
    assert outcome.code == 0, outcome.stderr
    scores = {s["predictor"]: s["figures"] for s in outcome.json["data"]["scores"]}
    assert len(scores) == 4
    assert all(0 <= figures["ssim"]["value"] <= 1 for figures in scores.values())
    assert outcome.json["data"]["scores"][0]["discriminator"] is not None
    assert (tmp_path / "report" / "report.html").is_file()


def test_a_run_is_resumed_to_the_same_weights(kind, home, tmp_path, tiny, cpu, plain_curves):
    dataset = find_prepared(Path("set"))
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(tiny, dataset, run_dir=whole, device=cpu)
    with pytest.raises(InterruptedRunError):
        train(tiny, dataset, run_dir=halves, device=cpu, reporter=interrupt_after(3))
    train(tiny, dataset, run_dir=halves, device=cpu)
    expected, found = (
        checkpoint.load(folder / "state.safetensors")[0] for folder in (whole, halves)
    )
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_an_exported_model_generates_the_same(kind, home, tmp_path, sketch2img):
    pytest.importorskip("onnxruntime")
    outcome = sketch2img("export", "run", tmp_path / "model.onnx", "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["data"]["largest_difference"] < 1e-3


def test_initial_weights_of_other_channels_are_refused(kind, home, tmp_path, sketch2img):
    state = run(home.parent) / "weights.safetensors"
    tensors, about = checkpoint.load(state)
    side = about["domains"]["input"]
    side["channels"] = 4 - side["channels"]
    checkpoint.save(tmp_path / "other.safetensors", tensors, about)
    outcome = sketch2img(
        "train", "set", *NARROW, "--init-from", tmp_path / "other.safetensors", "--dry-run"
    )
    assert outcome.code == ExitCode.CHECKPOINT
    assert "but the dataset has" in outcome.stderr
    assert f"--input-channels {side['channels']}" in outcome.stderr
    outcome = sketch2img("train", "set", *NARROW, "--init-from", "run", "--dry-run")
    assert outcome.code == 0, outcome.stderr


def test_paper_and_polarity_are_judged_in_sketches_alone(kind, home, tmp_path, sketch2img):
    chalk = np.zeros((128, 128), np.uint8)
    for radius in (20, 35, 50):
        cv2.circle(chalk, (64, 64), radius, 255, 2)
    images.write(tmp_path / "in.png", chalk)
    outcome = sketch2img("generate", tmp_path / "in.png", tmp_path / "out.png")
    assert outcome.code == 0, outcome.stderr
    assert ("inverted" in outcome.stderr) == kind.startswith("grey")
    assert ("this model was trained on colour images" in outcome.stderr) == (kind[0] == "c")
    outcome = sketch2img("generate", tmp_path / "in.png", tmp_path / "b.png", "--invert", "yes")
    assert outcome.code == (0 if kind.startswith("grey") else ExitCode.USAGE)


def test_what_only_colour_tells_is_learned(tmp_path, home, tiny, cpu, plain_curves, sketch2img):
    """A square must become black or white by its colour; by its grey value, half would be right."""
    raw = colour_pairs.write_pairs(tmp_path / "raw", colour_pairs.square, 64)
    assert sketch2img("preprocess", raw, "--size", SIDE, "--name", "set").code == 0
    config = settings.merge(
        tiny,
        {
            "epochs": 20,
            "data": {"batch_size": 8},
            "validation": {"every": 20},
            "optimizer": {"lr": 4e-3},
            "model": {"generator_options": {"width": 6}},
        },
    )
    train(config, find_prepared(Path("set")), run_dir=tmp_path / "run", device=cpu)
    squares = [colour_pairs.square(index) for index in range(1000, 1192)]
    photos = load_generator(tmp_path / "run")([sketch for sketch, _, _ in squares])
    right = [
        colour_pairs.is_right(sketch, photo, is_green=is_green)
        for (sketch, _, is_green), photo in zip(squares, photos, strict=True)
    ]
    assert np.mean(right) >= 0.95


def test_equal_plain_targets_are_not_taken_for_training_pairs(tmp_path, home, sketch2img):
    for index in range(12):
        photo, chart, _ = colour_pairs.coast(index)
        if index % 2:
            chart = np.full_like(chart, colour_pairs.WATER)
        split = tmp_path / "raw" / ("train" if index < 8 else "test")
        images.write(split / "sketches" / f"{index}.png", photo)
        images.write(split / "photos" / f"{index}.png", chart)
    prepare = "preprocess", tmp_path / "raw", "--size", SIDE, "--name", "set"
    assert sketch2img(*prepare, "--input-name", "photo", "--target-name", "map").code == 0
    assert sketch2img("train", "set", "--epochs", 1, "--run-dir", run(tmp_path), *NARROW).code == 0
    evaluate = "eval", "--model", "run", "--data", "set", "--metric", "ssim", "--no-report"
    assert sketch2img(*evaluate).code == 0
    refused = sketch2img(*evaluate, "--split", "train")
    assert refused.code == ExitCode.DATA
    assert "was trained on" in refused.stderr


def test_a_run_is_not_resumed_on_images_of_another_kind(kind, home, tmp_path, sketch2img):
    """Whether the inputs are sketches decides on what is done to them in training."""
    index = home / "prepared" / "set" / "dataset.json"
    about = json.loads(index.read_text())
    about["domains"]["input"]["name"] = "depth"
    index.write_text(json.dumps(about))
    outcome = sketch2img("train", "set", *NARROW, "--epochs", 3, "--run-dir", run(home.parent))
    assert outcome.code == ExitCode.CHECKPOINT
    assert "was trained on another dataset" in outcome.stderr
