import subprocess
import sys

import numpy as np
import pytest

from sketchcli.assets.demo import ASSET, draw_pair


def halve(pixels):
    """Average blocks of 2 x 2 pixels."""
    height, width, *rest = pixels.shape
    blocks = pixels.reshape(height // 2, 2, width // 2, 2, *rest)
    return blocks.mean(axis=(1, 3))


def edges(grey):
    """Edge strength, averaged over 4 x 4 pixels, standardized."""
    down, right = np.gradient(np.asarray(grey, dtype=float))
    strength = halve(halve(np.hypot(down, right)))
    return (strength - strength.mean()) / strength.std()


def test_asset_is_free_to_use():
    assert "MIT" in ASSET.licence


@pytest.mark.parametrize("size", [16, 33, 64, 256])
def test_shapes_and_types(size):
    sketch, photo = draw_pair(3, size=size)
    assert sketch.shape == (size, size)
    assert photo.shape == (size, size, 3)
    assert sketch.dtype == photo.dtype == np.uint8


def test_same_index_and_seed_draw_the_same_bytes():
    for first, second in zip(draw_pair(5, seed=2), draw_pair(5, seed=2), strict=True):
        assert first.tobytes() == second.tobytes()


def test_indices_and_seeds_draw_different_faces():
    series = [(index, seed) for index in range(6) for seed in range(2)]
    photos = {draw_pair(i, size=32, seed=s)[1].tobytes() for i, s in series}
    assert len(photos) == len(series)


@pytest.mark.parametrize("index", range(6))
def test_a_face_is_the_same_at_every_size(index):
    small, large = draw_pair(index, size=64), draw_pair(index, size=128)
    for few, many, tolerance in zip(small, large, (12.0, 4.0), strict=True):
        assert np.abs(few - halve(many)).mean() < tolerance


@pytest.mark.parametrize("index", range(8))
def test_a_sketch_is_dark_lines_on_light_paper(index):
    sketch, _ = draw_pair(index)
    corner = sketch[:12, :12]
    assert corner.mean() > 185
    assert np.median(sketch) > 140
    assert (sketch < 90).mean() > 0.02


def test_a_photo_is_coloured_and_well_exposed():
    photos = np.stack([draw_pair(index, size=64)[1] for index in range(12)]).astype(float)
    assert 60 < photos.mean() < 180
    assert np.ptp(photos, axis=-1).mean() > 20
    assert ((photos == 0) | (photos == 255)).mean() < 0.02


def test_sketches_match_their_own_photos_best():
    pairs = [draw_pair(index, size=64) for index in range(20)]
    sketches = np.stack([edges(sketch).ravel() for sketch, _ in pairs])
    photos = np.stack([edges(photo.mean(axis=2)).ravel() for _, photo in pairs])
    correlation = sketches @ photos.T / sketches.shape[1]
    found = correlation.argmax(axis=1) == np.arange(20)
    assert found.mean() >= 0.9


def test_drawing_needs_neither_opencv_nor_torch():
    program = (
        "import sys; from sketchcli.assets.demo import draw_pair; draw_pair(0, size=16);"
        "sys.exit(bool({'cv2', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
