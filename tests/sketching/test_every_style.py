"""Contracts that every style in the registry keeps."""

import functools
import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from sketchcli import images, registry
from sketchcli.assets.demo import draw_pair

STYLES = registry.names(registry.STYLES)
SHAPES = [(16, 16), (16, 100), (1024, 16), (64, 48), (33, 127), (300, 200)]
SEEDS = range(4)


@pytest.fixture(params=STYLES)
def style(request):
    return registry.load(registry.STYLES, request.param)


def sketch_of(style, photo, seed=0):
    return style.draw(photo, np.random.default_rng(seed))


@functools.cache
def photo_of(index=0, size=128):
    return draw_pair(index, size=size)[1]


def gradient(grey):
    light = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    return np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def softened(sketch, sigma=2.0):
    return cv2.GaussianBlur(255 - sketch.astype(np.float32), (0, 0), sigma)


def test_the_issue_s_styles_are_there():
    assert {"pencil", "ink", "canny", "sobel", "pen", "hand"} <= set(STYLES)


def test_a_style_has_a_title_of_its_own(style):
    titles = [registry.load(registry.STYLES, name).TITLE for name in STYLES]
    assert style.TITLE
    assert titles.count(style.TITLE) == 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_sketch_is_grey_and_has_the_photo_s_size(style, shape):
    photo = images.resize(photo_of(size=256), shape)
    sketch = sketch_of(style, photo)
    assert sketch.shape == shape
    assert sketch.dtype == np.uint8


def test_the_same_seed_draws_the_same_sketch(style):
    photo = photo_of()
    assert np.array_equal(sketch_of(style, photo, 5), sketch_of(style, photo, 5))


def test_another_seed_draws_another_sketch(style):
    photo = photo_of()
    sketches = [sketch_of(style, photo, seed) for seed in SEEDS]
    differences = [np.abs(s.astype(int) - sketches[0]).mean() for s in sketches[1:]]
    assert min(differences) > 1


def test_the_photo_is_not_changed(style):
    photo = photo_of()
    before = photo.copy()
    sketch_of(style, photo)
    assert np.array_equal(photo, before)


def test_a_view_is_drawn_like_its_copy(style):
    view = photo_of()[:, ::-1, ::-1]
    assert np.array_equal(sketch_of(style, view), sketch_of(style, view.copy()))


@pytest.mark.parametrize("grey", [0, 3, 60, 128, 200, 255])
def test_a_blank_photo_becomes_blank_paper(style, grey):
    photo = np.full((96, 72, 3), grey, np.uint8)
    for seed in SEEDS:
        sketch = sketch_of(style, photo, seed)
        assert sketch.mean() > 228
        assert sketch.std() < 8


def test_a_sensor_s_noise_is_not_drawn(style):
    noise = np.random.default_rng(0).normal(0, 1.5, (96, 96, 3))
    for grey in (40, 128, 230):
        photo = np.clip(grey + noise, 0, 255).astype(np.uint8)
        sketch = sketch_of(style, photo)
        assert sketch.mean() > 225
        assert np.mean(sketch < 128) < 0.001


def test_a_sketch_is_dark_on_light(style):
    for index in range(4):
        sketch = sketch_of(style, photo_of(index), index)
        assert np.median(sketch) > 200
        assert np.percentile(sketch, 1) < 150


def test_lines_are_where_the_photo_s_edges_are(style):
    photos = [photo_of(index) for index in range(5)]
    edges = [softened(255 - gradient(images.luma(photo))) for photo in photos]
    for index, photo in enumerate(photos):
        lines = softened(255 - gradient(sketch_of(style, photo, index)))
        own, *others = (correlation(lines, edges[(index + shift) % 5]) for shift in range(5))
        assert own > 0.5
        assert own > max(others) + 0.05


def test_a_sketch_has_one_look_at_two_sizes(style):
    for index in range(3):
        large = photo_of(index, 256)
        small = images.resize(large, (128, 128))
        reduced = images.resize(sketch_of(style, large, index), (128, 128))
        sketch = sketch_of(style, small, index)
        assert correlation(softened(reduced), softened(sketch)) > 0.85
        assert 0.7 < softened(reduced).mean() / softened(sketch).mean() < 1.4


def test_threads_change_nothing(style):
    photo = photo_of(size=256)
    threads = cv2.getNumThreads()
    try:
        sketches = []
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            sketches.append(sketch_of(style, photo))
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(sketch, sketches[0]) for sketch in sketches)


def test_another_process_draws_the_same():
    code = (
        "import hashlib, numpy as np\n"
        "from sketchcli import registry\n"
        "from sketchcli.assets.demo import draw_pair\n"
        "photo = draw_pair(0, size=128)[1]\n"
        "for name in registry.names(registry.STYLES):\n"
        "    style = registry.load(registry.STYLES, name)\n"
        "    sketch = style.draw(photo, np.random.default_rng(1))\n"
        "    print(name, hashlib.sha256(sketch.tobytes()).hexdigest())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    theirs = dict(line.split() for line in done.stdout.splitlines())
    for name in STYLES:
        sketch = sketch_of(registry.load(registry.STYLES, name), photo_of(), 1)
        assert theirs[name] == hashlib.sha256(sketch.tobytes()).hexdigest(), name
