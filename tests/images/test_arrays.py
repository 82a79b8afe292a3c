"""Grey from colours, and the models' range."""

import numpy as np

from sketchcli import images


def test_luma_weighs_the_channels():
    pure = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert images.luma(pure).tolist() == [[76, 150, 29, 255]]


def test_luma_is_within_a_level_of_the_formula(noise):
    rgb = noise(1, 64)[0]
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(images.luma(rgb) - exact).max() < 1
    every_grey = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(images.luma(images.to_rgb(every_grey)), every_grey)


def test_luma_takes_views_and_arrays_that_cannot_be_written(noise):
    rgb = noise(1, 64)[0]
    rgb.flags.writeable = False
    np.testing.assert_array_equal(images.luma(rgb[:, ::-1]), images.luma(rgb)[:, ::-1])
    np.testing.assert_array_equal(images.luma(rgb[3:9, 5:8]), images.luma(rgb)[3:9, 5:8])
