import numpy as np
import pytest

from sketchcli.metrics import pixel


def test_it_is_the_square_of_a_constant_offset():
    dark, light = np.zeros((1, 5, 5, 3), np.uint8), np.full((1, 5, 5, 3), 200, np.uint8)
    assert pixel.mse(dark, light).tolist() == pixel.mse(light, dark).tolist() == [40_000]


def test_it_is_the_mean_over_pixels_and_channels():
    real = np.full((1, 2, 2, 3), 100, np.uint8)
    generated = real.copy()
    generated[0, 0, 0, 0] = 112
    assert pixel.mse(generated, real).tolist() == [12]


def test_noise_does_not_look_like_a_copy(noise):
    scores = pixel.mse(noise(4, 32, seed=1), noise(4, 32, seed=2))
    assert scores.mean() == pytest.approx(255**2 / 6, rel=0.05)  # two uniform draws


def test_it_is_never_below_the_square_of_the_mean_error(noise):
    ours, theirs = noise(3, 16, seed=1), noise(3, 16, seed=2)
    assert (pixel.mse(ours, theirs) >= pixel.mae(ours, theirs) ** 2).all()
