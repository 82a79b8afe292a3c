"""Three hundred odd pictures through one folder run."""

from pathlib import Path

import numpy as np
from odd_pictures import COUNT, odd_pictures

from sketchcli import images
from sketchcli.errors import ExitCode


def test_all_good_ones_are_converted_and_all_bad_ones_reported(sketch2img, weights, tmp_path):
    made = list(odd_pictures())
    assert len(made) == COUNT
    assert [odd.data for odd in odd_pictures()] == [odd.data for odd in made]
    folder, out = tmp_path / "odd", tmp_path / "out"
    folder.mkdir()
    for odd in made:
        (folder / odd.name).write_bytes(odd.data)
    outcome = sketch2img("generate", folder, out, "--model", weights, "--json")
    assert outcome.code == ExitCode.SOME_FILES_FAILED, outcome.stderr[-2000:]
    assert "Traceback" not in outcome.stderr
    files = {Path(file["source"]): file for file in outcome.json["data"]["files"]}
    assert len(files) == COUNT
    surprises = []
    for odd in made:
        file = files[folder / odd.name]
        expected = {"good": {"made"}, "bad": {"failed"}}.get(odd.fate, {"made", "failed"})
        is_told = (file["output"] is not None) == (file["error"] is None)
        is_animated = " animated " in odd.name
        is_noted = any("only the first is used" in warning for warning in file["warnings"])
        if file["status"] not in expected or not is_told or is_animated != is_noted:
            surprises.append((odd.name, file))
    assert surprises == []
    photos = sorted(Path(file["output"]) for file in files.values() if file["status"] == "made")
    assert photos == sorted(path for path in out.rglob("*") if path.is_file())
    assert all(min(images.read_rgb(photo).shape[:2]) == 32 for photo in photos)


def test_a_blank_page_and_a_strip_fail_by_name(sketch2img, weights, tmp_path):
    images.write(tmp_path / "in/blank.png", np.full((90, 70), 250, np.uint8))
    images.write(tmp_path / "in/strip.png", np.zeros((10, 900), np.uint8))
    outcome = sketch2img("generate", tmp_path / "in", tmp_path / "out", "--model", weights)
    assert outcome.code == ExitCode.DATA
    assert "blank.png is blank: nothing is drawn on it" in " ".join(outcome.stderr.split())
    assert "900x10 pixels are a strip" in " ".join(outcome.stderr.split())
    assert not any((tmp_path / "out").glob("*"))
