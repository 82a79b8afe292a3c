"""A person's way through the five verbs: a model that was trained here beats the baselines."""

import json

from sketchcli import images


def test_sketches_in_at_one_end_and_photos_with_scores_out_at_the_other(home, tmp_path, sketch2img):
    run, photos = tmp_path / "run", tmp_path / "photos"

    def result(*arguments):
        done = sketch2img(*arguments, "--json")
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)["data"]

    result("fetch-data", "demo", "--count", 40, "--size", 32)
    result("preprocess", "demo", "--size", 32, "--test", 0.2)
    narrow = [f"--set=model.{kind}_options.width=16" for kind in ("generator", "discriminator")]
    brief = ("--epochs", 6, "--batch-size", 4, "--set", "optimizer.lr=5e-4")
    trained = result("train", *brief, *narrow, "--run-dir", run)
    assert trained["epochs"] == 6
    result("generate", home / "raw" / "demo" / "sketches", photos, "--model", run)
    assert len(list(photos.glob("*.png"))) == 40
    assert images.read_rgb(photos / "00000.png").shape == (32, 32, 3)
    scores = result("eval", "--model", run)["scores"]
    errors = {score["predictor"]: score["figures"]["mae"]["value"] for score in scores}
    assert errors["model"] < min(v for name, v in errors.items() if name != "model")
    folders = result("eval", home / "raw" / "demo" / "photos", photos, "--size", 32)
    assert folders["count"] == 40
    assert len(list((home / "evaluations").glob("*/report.html"))) == 2
