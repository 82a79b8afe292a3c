"""Red stays red, from the first file to the last figure; the files are Pillow's, not ours."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

ORANGE = (220, 120, 40)


@pytest.fixture
def pairs(tmp_path):
    """Squares: as outlines on paper, and as orange photos with a dark outline."""
    for kind, paper, mode in (("sketches", 255, "L"), ("photos", ORANGE, "RGB")):
        (tmp_path / kind).mkdir()
        for index in range(12):
            picture = Image.new(mode, (32, 32), paper)
            corner = 3 + index
            place = (corner, 5, corner + 12, 24)
            ink = 0 if mode == "L" else (60, 30, 10)
            ImageDraw.Draw(picture).rectangle(place, outline=ink, width=2)
            picture.save(tmp_path / kind / f"{index}.png")
    return tmp_path


def test_a_red_photo_is_red_from_file_to_file(sketch2img, pairs):
    def run(*arguments):
        done = sketch2img(*arguments)
        assert done.code == 0, done.stderr
        return done

    given = ("--sketches", pairs / "sketches", "--photos", pairs / "photos")
    run("preprocess", *given, "--size", 32, "--test", 0.3, "--out", pairs / "set", "--workers", 1)
    narrow = [
        "model.generator_options.width=4",
        "model.generator_options.blocks=1",
        "model.discriminator_options.width=4",
        "loss.perceptual_weight=0",
    ]
    settings = [word for setting in narrow for word in ("--set", setting)]
    options = ("--epochs", 25, "--batch-size", 4, "--lr", 0.01, "--validate-every", 25)
    run("train", pairs / "set", "--run-dir", pairs / "run", *options, *settings)
    run("generate", pairs / "sketches/0.png", pairs / "photo.png", "--model", pairs / "run")
    with Image.open(pairs / "photo.png") as photo:
        pixels = np.asarray(photo.convert("RGB"))
    assert np.abs(np.median(pixels.reshape(-1, 3), axis=0) - ORANGE).max() < 40
    scored = run(
        *("eval", "--model", pairs / "run", "--data", pairs / "set", "--metric", "colour-shift"),
        *("--no-report", "--json"),
    ).json["data"]
    shifts = {s["predictor"]: s["figures"]["colour-shift"]["value"] for s in scored["scores"]}
    assert shifts["model"] < 12 < shifts["the sketch itself"]
