"""Each metric against a formula or an implementation that shares no code with it."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torchmetrics.functional.image import peak_signal_noise_ratio as reference

from sketchcli.metrics import pixel, structural

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def flat(*values, size=9):
    """A picture of one colour for each value."""
    return np.stack([np.full((size, size, 3), value, np.uint8) for value in values])


def numpy_ssim(first, second):
    """Equation 13 of Wang et al. 2004 in plain numpy: 7x7 uniform window, population variance.

    The window stands on every pixel; at the border it sees the picture mirrored.
    """
    greys = (photo @ np.array([0.299, 0.587, 0.114]) for photo in (first, second))
    x, y = (sliding_window_view(np.pad(grey, 3, mode="reflect"), (7, 7)) for grey in greys)
    axes = (-2, -1)
    mean_x, mean_y = x.mean(axes), y.mean(axes)
    covariance = (x * y).mean(axes) - mean_x * mean_y
    structure = (2 * covariance + C2) / (x.var(axes) + y.var(axes) + C2)
    return ((2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1) * structure).mean()


def test_mae_of_a_constant_offset_is_the_offset():
    assert pixel.mae(flat(0, 100, 255), flat(200, 90, 255)).tolist() == [200, 10, 0]


def test_mae_is_the_mean_over_pixels_and_channels():
    real, generated = flat(100, size=2), flat(100, size=2)
    generated[0, 0, 0, 0] = 112
    assert pixel.mae(generated, real).tolist() == [1]


@pytest.mark.parametrize("offset", [1, 10, 255])
def test_psnr_of_a_constant_offset(offset):
    expected = 20 * np.log10(255 / offset)
    assert pixel.psnr(flat(0), flat(offset))[0] == pytest.approx(expected, abs=1e-4)
    assert pixel.psnr(flat(255), flat(255 - offset))[0] == pytest.approx(expected, abs=1e-4)


def test_psnr_is_what_torchmetrics_says(noise):
    ours, theirs = noise(3, 16, seed=1), noise(3, 16, seed=2)
    both = (torch.from_numpy(pictures.astype(np.float64)) for pictures in (ours, theirs))
    expected = reference(*both, data_range=255.0, reduction="none", dim=(1, 2, 3))
    np.testing.assert_allclose(pixel.psnr(ours, theirs), expected.numpy())


def test_psnr_of_equal_pictures_is_the_documented_limit():
    assert pixel.psnr(flat(0, 9), flat(0, 9)).tolist() == [pixel.IDENTICAL] * 2


def test_noise_does_not_look_like_a_copy_to_psnr(noise):
    scores = pixel.psnr(noise(4, 32, seed=1), noise(4, 32, seed=2))
    assert (scores < 12).all()
    assert scores.mean() == pytest.approx(10 * np.log10(6), abs=0.2)  # two uniform draws


def test_noise_does_not_look_like_a_copy_to_mae(noise):
    scores = pixel.mae(noise(4, 32, seed=1), noise(4, 32, seed=2))
    assert scores.mean() == pytest.approx(255 / 3, abs=3)


@pytest.mark.parametrize(("a", "b"), [(0, 255), (100, 120), (50, 50)])
def test_ssim_of_two_flat_pictures(a, b):
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert structural.ssim(flat(a), flat(b))[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(7, 7), (16, 16), (20, 13)])
def test_ssim_is_what_plain_numpy_says(noise, shape):
    height, width = shape
    real = noise(3, 20)[:, :height, :width]
    generated = (real * 0.6 + noise(3, 20, seed=2)[:, :height, :width] * 0.4).astype(np.uint8)
    expected = [numpy_ssim(g, r) for g, r in zip(generated, real, strict=True)]
    np.testing.assert_allclose(structural.ssim(generated, real), expected, atol=1e-6)


def test_ssim_sees_grey_alone():
    red, grey = np.zeros((1, 9, 9, 3), np.uint8), np.full((1, 9, 9, 3), 30, np.uint8)
    red[..., 0] = 100  # .299 * 100 is grey 29.9
    assert structural.ssim(red, grey)[0] == pytest.approx(1, abs=1e-4)
