"""A person's way through the five verbs, in processes of their own."""

import json
import os
import subprocess
import sys
import time

from sketchcli import images

LIMIT_SECONDS = 60


def test_sketches_in_at_one_end_and_photos_with_scores_out_at_the_other(home, tmp_path):
    started = time.monotonic()
    environment = os.environ | {"SKETCH2IMG_HOME": str(home), "OMP_NUM_THREADS": "1"}

    def sketch2img(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "sketchcli", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )

    sketch2img("fetch-data", "demo", "--count", 40, "--size", 32)
    sketch2img("preprocess", "demo", "--size", 32, "--test", 0.2)
    trained = sketch2img("train", "--epochs", 6, "--batch-size", 4, "--run-dir", "run", "--json")
    assert json.loads(trained.stdout)["data"]["epochs"] == 6
    sketch2img("generate", home / "raw" / "demo" / "sketches", "photos", "--model", "run")
    assert len(list((tmp_path / "photos").glob("*.png"))) == 40
    assert images.read_rgb(tmp_path / "photos" / "00000.png").shape == (32, 32, 3)
    scored = json.loads(sketch2img("eval", "--model", "run", "--json").stdout)["data"]
    errors = {score["predictor"]: score["figures"]["mae"]["value"] for score in scored["scores"]}
    assert errors["model"] < min(v for name, v in errors.items() if name != "model")
    folders = sketch2img("eval", home / "raw" / "demo" / "photos", "photos", "--size", 32, "--json")
    assert json.loads(folders.stdout)["data"]["count"] == 40
    assert len(list((home / "evaluations").glob("*/report.html"))) == 2
    assert time.monotonic() - started < LIMIT_SECONDS
