"""From a zip of the official layout to 88 and 100 pairs: drawn ones anywhere, real ones here."""

import hashlib
from dataclasses import replace

import pytest
from engine.fetching.packing import zipped

from sketchcli import images
from sketchcli.assets import cuhk
from sketchcli.assets.demo import draw_pair
from sketchcli.data.pairing import cuhk as canonical
from sketchcli.engine.fetching import arrange

COUNTS = {"training": 8, "testing": 10}  # of drawn pairs; there are 88 and 100 real ones


@pytest.fixture(scope="module")
def drawn():
    """Pictures by their path in the official layout; sketches and photos sort differently."""
    found = {}
    for split, first in (("training", 0), ("testing", 8)):
        for number in range(COUNTS[split]):
            sketch, photo = draw_pair(first + number, size=48)
            person = f"{'fm'[number % 2]}-{first + number:03d}-01"
            prefix = person.replace("-", "2-", 1).upper() if number % 3 else person
            suffix = "-sz1" if number % 3 else ""
            names = (f"sketch/{prefix}{suffix}.png", f"photo/{person}.png")
            for name, pixels in zip(names, (sketch, photo), strict=True):
                kind = name.partition("/")[0]
                found[f"CUHK_{split}_{kind}/{name}"] = images.encode(pixels, ".png")
    return found


def prepare(sketch2img, folder, pictures, *more):
    """What becomes of a zip of pictures, given by their path in it."""
    archive = folder / "cuhk.zip"
    archive.write_bytes(zipped(pictures.items()))
    fetched = sketch2img("fetch-data", "cuhk", "--from", archive, "--accept-licence")
    assert fetched.code == 0, fetched.stderr
    outcome = sketch2img("preprocess", "cuhk", "--strict", "--json", *more)
    assert outcome.code == 0, outcome.stderr
    return outcome.json["data"]


def test_drawn_pairs_from_zip_to_prepared_set(sketch2img, tmp_path, drawn, monkeypatch):
    folder = {"sketch": "sketches", "photo": "photos"}
    manifest = {}
    for name, content in drawn.items():
        split, kind = name.partition("/")[0].split("_")[1:]
        place = f"{split}-{folder[kind]}/{name.rpartition('/')[2]}"
        manifest[place] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(arrange, "known_hashes", lambda _: manifest)
    monkeypatch.setattr(cuhk, "ASSET", replace(cuhk.ASSET, pairs=18))
    data = prepare(sketch2img, tmp_path, drawn, "--size", "48")
    assert data["counts"] == {"train": 8, "test": 10}
    assert data["findings"] == data["left_out"] == data["repeated"] == {}
    again = sketch2img("preprocess", "cuhk", "--splits", "cuhk", "--name", "official", "--json")
    assert again.json["data"]["counts"] == {"train": 8, "test": 10}


def test_the_real_pairs_from_zip_to_prepared_set(sketch2img, tmp_path, shared):
    pictures = {}
    for file in (shared / "cuhk-student").rglob("*.jpg"):
        split, kind = file.parent.name.split("-")
        kind = "sketch" if kind == "sketches" else "photo"
        pictures[f"CUHK_{split}_{kind}/{kind}/{file.name}"] = file.read_bytes()
    data = prepare(sketch2img, tmp_path, pictures)
    assert data["counts"] == {"train": 88, "test": 100}
    assert data["findings"] == data["left_out"] == data["repeated"] == {}


def test_the_official_lists_divide_a_pooled_set(sketch2img, tmp_path, shared):
    for file in (shared / "cuhk-student").rglob("*.jpg"):
        target = tmp_path / "pool" / file.parent.name.split("-")[1] / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    stranger = tmp_path / "pool" / "photos" / "f-999-01.jpg"
    stranger.write_bytes(images.encode(draw_pair(0, size=48)[1], ".jpg"))
    sketch = tmp_path / "pool" / "sketches" / "F2-999-01-sz1.jpg"
    sketch.write_bytes(images.encode(draw_pair(0, size=48)[0], ".jpg"))
    outcome = sketch2img("preprocess", tmp_path / "pool", "--splits", "cuhk", "--json")
    data = outcome.json["data"]
    assert data["counts"] == {"train": 88, "test": 100}
    reasons = {"in neither of the official CUHK lists"}
    assert len(data["left_out"]) == 2
    assert set(data["left_out"].values()) == reasons
    assert canonical(sketch.stem) == stranger.stem


def test_photos_sorted_wrongly_are_called_out(sketch2img, tmp_path, shared):
    """Every sketch gets the photo of the next person: exit code 3, and nothing is made."""
    root, out = shared / "cuhk-student", tmp_path / "wrong"
    sketches = sorted((root / "training-sketches").glob("*.jpg"))
    photos = sorted((root / "training-photos").glob("*.jpg"))
    for number, sketch in enumerate(sketches):
        for kind, file in (("sketches", sketch), ("photos", photos[number - 1])):
            target = out / kind / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    outcome = sketch2img("preprocess", out, "--strict", "--name", "wrong")
    assert outcome.code == 3
    assert "wrong-pair" in outcome.stderr
    assert "mispaired-set" in outcome.stderr
    lenient = sketch2img("preprocess", out, "--json", "--name", "lenient").json["data"]
    assert lenient["findings"]["wrong-pair"] > 70
