"""A dataset of night images to day images: nothing that a person reads calls them otherwise."""

import contextlib
import io
import json
import re
import shutil

import numpy as np
import pytest
from engine.training.test_doctor import FINE, epoch
from generating_fixtures import weights_of

from sketchcli import config as settings
from sketchcli import images, registry
from sketchcli.cli import render
from sketchcli.cli.main import main
from sketchcli.cli.progress import SafeConsole
from sketchcli.config import Domain, Domains
from sketchcli.engine import results
from sketchcli.engine.training.diagnosis import Doctor
from sketchcli.errors import ExitCode

NIGHT = Domains(Domain("night", 3), Domain("day", 3))
SMALL = (
    "--set=model.generator_options.width=4",
    "--set=model.generator_options.blocks=1",
    "--set=model.discriminator_options.width=4",
    "--set=loss.perceptual_weight=0",
    "--set=data.validation_pairs=2",
    "--batch-size=4",
    "--epochs=1",
    "--precision=fp32",
)
NAMED_OTHERWISE = re.compile(r"(?<![\w/-])(sketch|photo)(es|s|'s)?(?![\w/-])", re.IGNORECASE)


def words_of(page):
    """A page as it is read: its text, labels and titles, without settings, code and styles."""
    for element in ("style", "script", "pre", "code"):
        page = re.sub(rf"<{element}\b.*?</{element}>", "", page, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|title|alt|data-label)="(.*?)"', page)
    return "\n".join([re.sub(r"<[^>]+>", " ", page), *labels])


@pytest.fixture(scope="module")
def told(drawn_and_prepared, tmp_path_factory):
    """Everything that the commands say about a dataset with these domains, by its name."""
    root = tmp_path_factory.mktemp("words")
    prepared, home, runs = root / "prepared", root / "home", root / "home" / "runs"
    shutil.copytree(drawn_and_prepared / "prepared", prepared)
    about = prepared / "dataset.json"
    sides = {
        side: {"name": domain.name, "channels": domain.channels}
        for side, domain in (("input", NIGHT.input), ("target", NIGHT.target))
    }
    about.write_text(json.dumps(json.loads(about.read_text("utf-8")) | {"domains": sides}))
    for file in prepared.glob("*-sketches.npy"):
        np.save(file, np.stack([np.load(file)] * 3, axis=-1))
    (root / "in").mkdir()
    for index in range(2):
        noise = np.random.default_rng(index).integers(0, 256, (32, 32), np.uint8)
        images.write(root / "in" / f"{index}.png", noise)
    images.write(root / "in" / "strip.png", np.zeros((4, 400), np.uint8))

    def say(*words, code=ExitCode.OK):
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            assert main([str(word) for word in words]) == code
        for stream in streams:
            stream.seek(0)
        return "".join(stream.read() for stream in streams)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKETCH2IMG_HOME", str(home))
        found = {"train": say("train", prepared, "--run-dir", runs / "first", *SMALL)}
        generate = ["generate", root / "in", root / "out"]
        found["generate"] = say(*generate, code=ExitCode.SOME_FILES_FAILED)
        found["refusal"] = say(*generate, code=ExitCode.DATA)
        found["inside"] = say("generate", root / "in", root / "in" / "x", code=ExitCode.DATA)
        found["one"] = say(
            "generate", root / "in/0.png", root / "x.png", "--variations=2", code=ExitCode.USAGE
        )
        found["overwritten"] = say(
            "generate", root / "in/0.png", root / "in/0.png", code=ExitCode.DATA
        )
        found["eval"] = say("eval", "--data", prepared, "--out", root / "eval", "--metric=ssim")
        listed = say("models").splitlines()
        found["models"] = "\n".join(line for line in listed if "bundled" not in line)
    page = (root / "eval" / "report.html").read_text("utf-8")
    found["evaluation page"] = words_of(page)
    found["gallery"] = str(json.loads(re.search(r'id="album">(.*?)</', page)[1])["names"].values())
    found["run page"] = words_of((runs / "first" / "report.html").read_text("utf-8"))
    found["model card"] = (runs / "first" / "model-card.md").read_text("utf-8")
    return {what: text.replace(str(root), "") for what, text in found.items()}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("train", "next: sketch2img generate INPUT OUTPUT"),
        ("generate", "3 day images: 2 made, 1 failed"),
        ("generate", "night images: 3"),
        ("generate", "are a strip, not a night image"),
        ("refusal", "to keep existing day images"),
        ("inside", "so day images and night images would be mixed"),
        ("one", "generates only one day image per night image"),
        ("overwritten", "would overwrite a night image"),
        ("eval", "nearest night image's day image"),
        ("eval", "of its day images are as close to a training day image as a copy"),
        ("models", "night images (colour) to day images (colour)"),
        ("evaluation page", "the night image itself"),
        ("evaluation page", "fraction of day images that are as close to one training day image"),
        ("gallery", "'night image', 'day image'"),
        ("run page", "Each row: night image, generated day image, real day image."),
        ("run page", "on generated day images"),
        ("model card", "Generates day images of 32x32 pixels from night images"),
    ],
)
def test_messages_and_pages_name_images_as_the_dataset_does(told, what, said):
    text = told[what]
    assert said in " ".join(text.split())
    assert NAMED_OTHERWISE.findall(text) == []


def test_the_doctor_names_images_as_the_dataset_does():
    bad = {"real_accuracy": 1.0, "fake_accuracy": 1.0, "real_sign": 0.9}
    signs = {"sketch_use": 0.0, "diversity": 0.0, "colour_shift": 30.0, "real_sign_held_out": 0.0}
    doctor, found = Doctor(NIGHT), []
    for number in range(1, 11):
        doctor.read(epoch(number, **bad))
        line = {"kind": "validation", "epoch": number} | FINE | (signs if number > 8 else {})
        found += doctor.read(line)
    text = "\n".join(finding.message for finding in found)
    assert "the generated day images do not follow their night images" in text
    assert text.count("day images") == 5
    assert NAMED_OTHERWISE.findall(text) == []


def test_an_exported_network_was_compared_on_what_it_takes(capsys, tmp_path):
    path = tmp_path / "x"
    render.render(results.ExportResult(path, path, "onnx", (8, 8), 4, 7, 0.1, 0.1, NIGHT))
    assert "for 7 night images, torch" in capsys.readouterr().out


def test_a_metric_s_protocol_says_nothing_about_what_images_show():
    for name in registry.names(registry.METRICS):
        metric = registry.load(registry.METRICS, name)
        assert NAMED_OTHERWISE.findall(metric.TITLE + metric.PROTOCOL) == []


def test_the_models_table_says_what_they_turn_only_if_they_differ(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "_console", lambda: SafeConsole(width=160))
    values = {"is_finished": True, "dataset": "d", "size": (8, 8), "generator": "resnet"}
    values |= {"epochs": 1, "scores": {}, "licence": "", "is_default": False}
    usual = results.ModelListing("a", tmp_path, **values)
    render.render(results.ModelsResult((usual,)))
    assert "translates" not in capsys.readouterr().out
    other = results.ModelListing("b", tmp_path, **values, domains=NIGHT)
    render.render(results.ModelsResult((usual, other)))
    printed = capsys.readouterr().out
    assert "sketches (grey) to photos (colour)" in printed
    assert "night images (colour) to day images (colour)" in printed


@pytest.mark.parametrize("name", ["sketches", "Sketch ", "pencil  sketch", "drawings", "edges"])
def test_grey_images_whose_names_end_like_sketches_are_sketches(name):
    assert Domain(name, 1).is_sketch
    assert not Domain(name, 3).is_sketch
    assert not Domain(name, 1).many.endswith("ss")


@pytest.mark.parametrize(
    ("name", "many"),
    [("labels", "label images"), ("label maps", "label maps"), ("night", "night images")],
)
def test_names_become_plurals_that_people_say(name, many):
    assert Domain(name, 3).many == Domain(Domain(name, 3).name, 3).many == many


def test_both_directions_have_names_and_outputs_of_their_own(tmp_path, sketch2img):
    assert sketch2img("fetch-data", "demo", "--count", 4, "--size", 32).code == 0
    for direction in ((), ("--reverse",)):
        made = sketch2img("preprocess", "demo", "--size", 32, *direction, "--json")
        assert made.code == 0, made.stderr
    assert made.json["data"]["name"] == "demo-reversed-32"
    narrow = {"model": {"generator_options": {"width": 2}}}
    config = settings.merge(settings.preset("modern"), narrow)
    weights = weights_of(tmp_path / "run", config, domains=Domains().reversed)
    images.write(tmp_path / "anna.png", np.full((32, 32, 3), 90, np.uint8))
    outcome = sketch2img("generate", tmp_path / "anna.png", "--model", weights)
    assert outcome.code == 0, outcome.stderr
    assert (tmp_path / "anna-sketch.png").is_file()
