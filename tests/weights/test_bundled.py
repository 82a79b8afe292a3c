"""The model that comes with the program; the first part needs none."""

import shutil

import bundle_weights
import cv2
import numpy as np
import pytest
import torch

from sketchcli import checkpoint, images, load_generator, registry, weights
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.training.train import train
from sketchcli.errors import CheckpointError
from sketchcli.weights_header import read_about

needs_it = pytest.mark.skipif(not weights.is_here(), reason="no bundled model in this checkout")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """Where the run is trained once; the set is drawn alike for every test."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def trained(trained_once, tiny, dataset, tmp_path, cpu, plain_curves):
    """The weights of a short run."""
    if not trained_once.exists():
        train(tiny, dataset, run_dir=trained_once, device=cpu)
    return shutil.copytree(trained_once, tmp_path / "run") / "weights.safetensors"


def test_half_precision_halves_the_file_and_is_read_as_floats(trained, tmp_path, cpu):
    target = tmp_path / "bundled.safetensors"
    size = bundle_weights.bundle(trained, target)
    whole, about = checkpoint.load(trained)
    half, kept = checkpoint.load(target)
    assert {tensor.dtype for tensor in half.values()} == {torch.float16}
    bytes_saved = sum(2 * tensor.numel() for tensor in whole.values())
    assert trained.stat().st_size - size == pytest.approx(bytes_saved, abs=2000)
    assert kept["config"] == about["config"]
    assert kept["dataset"]["trained_on"] == about["dataset"]["trained_on"]
    generator = load_model(target, cpu).generator
    assert {parameter.dtype for parameter in generator.parameters()} == {torch.float32}


def test_marks_of_the_trainings_before_the_last_are_left_out(trained, tmp_path):
    tensors, about = checkpoint.load(trained)
    own = about["dataset"]["trained_on"]
    about["dataset"]["trained_on"] = own + 3 * "0123456789abcdef"
    checkpoint.save(tmp_path / "twice.safetensors", tensors, about)
    target = tmp_path / "bundled.safetensors"
    bundle_weights.bundle(tmp_path / "twice.safetensors", target)
    assert read_about(target)["dataset"]["trained_on"] == own


def test_half_precision_draws_the_same(trained, tmp_path):
    target = tmp_path / "bundled.safetensors"
    bundle_weights.bundle(trained, target)
    assert bundle_weights.difference(trained, target) <= 2


def test_a_model_that_half_precision_changes_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_weights, "difference", lambda *_: 3)
    with pytest.raises(SystemExit, match="by 3 of 255"):
        bundle_weights.bundle(trained, tmp_path / "bundled.safetensors")
    assert not (tmp_path / "bundled.sha256").exists()


def test_a_model_that_is_too_large_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_weights, "LARGEST_BYTES", 100)
    with pytest.raises(SystemExit, match="100 at most"):
        bundle_weights.bundle(trained, tmp_path / "bundled.safetensors")


def test_the_hash_beside_it_tells_it_from_another_file(trained, tmp_path, monkeypatch):
    target = tmp_path / "bundled.safetensors"
    bundle_weights.bundle(trained, target)
    monkeypatch.setattr(weights, "RECORDED", target.with_suffix(".sha256"))
    weights.check(target)
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)
    with pytest.raises(CheckpointError):
        weights.check(target)


def test_the_card_names_data_rights_and_failings():
    text = weights.text()
    for word in ("public domain", "licence", "evidence", "benchmarks/bundled.sh", "skin"):
        assert word in text


@needs_it
def test_it_is_the_file_that_was_recorded_and_small_enough():
    weights.check(weights.bundled())
    assert weights.bundled().stat().st_size <= bundle_weights.LARGEST_BYTES


@needs_it
def test_it_says_what_it_was_trained_on_and_that_this_may_ship():
    about = read_about(weights.bundled())
    assert "public domain" in about["dataset"]["licence"]
    assert "cuhk" not in about["dataset"]["name"]
    assert about["dataset"]["trained_on"]
    assert not about["dataset"]["notice"]


@needs_it
@pytest.mark.parametrize("style", ["portrait", "hand", "pencil"])
def test_a_drawn_sketch_becomes_a_face_with_skin_and_a_calm_background(style):
    """Skin as Chai and Ngan 1999 found it: Cb in [77, 127] and Cr in [133, 173]."""
    model = load_generator(weights.bundled(), device="cpu")
    draw = registry.load(registry.STYLES, style).draw
    for index in range(4):
        sketch = draw(draw_pair(index, size=128)[1], np.random.default_rng(index))
        photo = images.resize(model(sketch), (128, 128))
        luma_chroma = cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb)[66:86, 50:78]  # cheeks and nose
        red, blue = luma_chroma[..., 1], luma_chroma[..., 2]
        is_skin = (red >= 133) & (red <= 173) & (blue >= 77) & (blue <= 127)
        assert is_skin.mean() > 0.7, (style, index)
        assert photo[:20, :14].std(axis=(0, 1)).max() < 30, (style, index)
