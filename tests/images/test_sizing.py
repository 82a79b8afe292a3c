"""Other sizes: resizing, crop, pad and stretch, sheets."""

import time

import numpy as np
import pytest

from sketchcli import images
from sketchcli.config import Fit

SHAPES = [(410, 335), (100, 300), (7, 5), (128, 128), (1, 300), (300, 1), (1, 1), (20_000, 2)]
SIZES = [(128, 128), (250, 200), (33, 90), (1, 1)]


def disc(height, width, radius):
    """Black on white, in the middle."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    return np.rint(255 * np.clip(distance - radius + 0.5, 0, 1)).astype(np.uint8)


def extent(picture):
    """Top, bottom, left and right of the ink, by half-tones too."""
    ink = 1 - picture.astype(float) / 255
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    centre = np.array([(ink * y).sum(), (ink * x).sum()]) / ink.sum()
    return *centre, ink.max(axis=0).sum(), ink.max(axis=1).sum()


@pytest.mark.parametrize("how", Fit)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_every_shape_gets_the_wanted_size(how, size, shape, channels):
    pixels = np.full((*shape, *channels), 90, np.uint8)
    fitted = images.fit(pixels, size, how)
    assert fitted.shape == (*size, *channels)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert set(fitted.ravel()) <= ({90, 255} if how == Fit.PAD else {90})
    assert 90 in fitted


@pytest.mark.parametrize("how", [Fit.CROP, Fit.PAD])
@pytest.mark.parametrize("shape", [(400, 300), (300, 401), (250, 900), (77, 60)])
@pytest.mark.parametrize("size", [(128, 128), (250, 200), (90, 200)])
def test_a_disc_stays_round_and_in_the_middle(how, shape, size):
    radius = min(shape) / 8
    fitted = images.fit(disc(*shape, radius), size, how)
    y, x, wide, tall = extent(fitted)
    ratios = [wanted / side for wanted, side in zip(size, shape, strict=True)]
    scale = max(ratios) if how == Fit.CROP else min(ratios)
    assert abs(y - (size[0] - 1) / 2) <= 0.51
    assert abs(x - (size[1] - 1) / 2) <= 0.51
    assert abs(wide - tall) <= 0.35
    assert abs(wide - 2 * radius * scale) <= 1


def test_cropping_keeps_the_middle_and_padding_keeps_all():
    strip = np.repeat(np.array([[0, 100, 200]], np.uint8), 40, axis=1).repeat(40, axis=0)
    assert set(images.fit(strip, (20, 20), Fit.CROP).ravel()) == {100}
    padded = images.fit(strip, (60, 60), Fit.PAD)
    assert (padded[:20] == 255).all()
    assert (padded[40:] == 255).all()
    assert padded[30, [5, 30, 55]].tolist() == [0, 100, 200]
    assert images.fit(strip, (60, 60), Fit.STRETCH)[5, [5, 30, 55]].tolist() == [0, 100, 200]


@pytest.mark.parametrize("how", Fit)
def test_where_the_shape_is_right_all_ways_are_one(how, noise):
    pixels = noise(1, 64)[0]
    np.testing.assert_array_equal(
        images.fit(pixels, (32, 32), how), images.resize(pixels, (32, 32))
    )
    np.testing.assert_array_equal(images.fit(pixels, (64, 64), how), pixels)


@pytest.mark.parametrize("how", Fit)
def test_reducing_keeps_every_thin_stroke(how):
    sketch = np.full((640, 640), 255, np.uint8)
    sketch[:, 2::20] = 0
    fitted = images.fit(sketch, (128, 128), how)
    assert (fitted[:, ::4].max(axis=0) < 210).all()


def test_cropping_a_long_strip_needs_no_more_memory_than_the_crop():
    start = time.perf_counter()
    fitted = images.fit(np.zeros((100_000, 1, 3), np.uint8), (512, 512), Fit.CROP)
    assert fitted.shape == (512, 512, 3)
    assert time.perf_counter() - start < 1  # as a whole it would be 51 million pixels high


def test_a_wide_picture_keeps_every_thin_stroke_although_its_other_side_grows():
    sketch = np.full((100, 640), 255, np.uint8)
    columns = np.arange(2, 640, 9)  # at every place within the five columns that become one
    sketch[:, columns] = 0
    for wide, resized in [
        (sketch, images.resize(sketch, (128, 128))),
        (sketch.T, images.resize(sketch.T, (128, 128)).T),
    ]:
        assert wide.size == 64_000
        assert len(set(columns // 5)) == len(columns)
        assert np.abs(resized[:, columns // 5].astype(int) - 204).max() <= 1
        assert (np.delete(resized, columns // 5, axis=1) == 255).all()


def test_resizing_neither_overshoots_nor_changes_a_flat_picture():
    edge = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1).repeat(16, axis=0)
    enlarged = images.resize(edge, (64, 64))
    assert enlarged[:, 0].max() == 0
    assert enlarged[:, -1].min() == 255
    assert set(images.resize(np.full((9, 9), 77, np.uint8), (20, 4)).flat) == {77}


def test_a_sheet_shows_every_picture_in_its_place():
    white, black, red, blue = [255] * 3, [0] * 3, [255, 0, 0], [0, 0, 255]
    first, second = (np.full((2, 3, 3), colour, np.uint8) for colour in (red, blue))
    sheet = images.sheet([[first, second], [np.zeros((2, 3), np.uint8)]], gap=1)
    assert sheet.shape == (7, 9, 3)
    assert [sheet[y, x].tolist() for y, x in [(1, 1), (1, 5), (4, 1), (4, 5), (0, 0)]] == [
        red,
        blue,
        black,
        white,
        white,
    ]
