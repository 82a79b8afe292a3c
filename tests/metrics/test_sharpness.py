import cv2
import numpy as np
import pytest
from metrics.references import drawn, spoiled

from sketchcli.metrics import pixel


@pytest.mark.parametrize("size", [(128, 128), (97, 131)], ids=str)
def test_the_variance_of_the_laplacian_is_plain_numpys(size):
    for photo in (drawn(*size), spoiled(drawn(*size))):
        grey = photo @ np.array([0.299, 0.587, 0.114])
        x = np.pad(grey, 1, mode="reflect")
        around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
        expected = (around - 4 * grey).var() + 20 / 12
        assert pixel.sharpness(photo) == pytest.approx(expected, rel=1e-6)


def test_a_blurred_and_a_sharpened_picture_are_both_worse():
    real = drawn(64, 64)
    blurred = cv2.GaussianBlur(real, (0, 0), 1.5)
    more_blurred = cv2.GaussianBlur(real, (0, 0), 3)
    stack = np.stack([real, blurred, more_blurred, spoiled(real)])
    scores = pixel.sharpness_ratio(stack, np.stack([real] * 4))
    assert scores[0] == 0
    assert 1 < scores[1] < scores[2]
    assert scores[3] > 1


def test_half_the_contrast_is_two_octaves():
    checks = np.indices((32, 32)).sum(axis=0)[None, :, :, None] % 2 * np.ones(3, int)
    strong, weak = (200 * checks).astype(np.uint8), (100 * checks).astype(np.uint8)
    assert pixel.sharpness_ratio(weak, strong)[0] == pytest.approx(2, abs=1e-3)
    assert pixel.sharpness_ratio(strong, weak)[0] == pytest.approx(2, abs=1e-3)


def test_flat_pictures_are_equally_sharp():
    flat = np.full((1, 16, 16, 3), 200, np.uint8)
    assert pixel.sharpness_ratio(flat, flat - 100).tolist() == [0]
