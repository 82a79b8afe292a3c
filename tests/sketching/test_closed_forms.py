"""What the plain styles draw of pictures whose sketch can be written down."""

from math import erf, sqrt

import numpy as np
import pytest

from sketchcli.sketching import _fields, canny, ink, pen, pencil, sobel

SIDE = 128


def photo(light):
    """A photo of luminance `(H, W)` in [0, 1]."""
    return np.repeat(np.rint(light * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def step(dark=0.2, light=0.8):
    """Dark on the left, light on the right; the edge lies between columns 63 and 64."""
    field = np.full((SIDE, SIDE), dark, np.float32)
    field[:, SIDE // 2 :] = light
    return field


def sketch_of(style, field, seed=0):
    return style.draw(photo(field), np.random.default_rng(seed))


@pytest.mark.parametrize("light", [0.0, 0.01, 0.3, 1.0])
def test_dodge_of_one_grey_is_pure_white(light):
    field = np.full((SIDE, SIDE), light)
    assert (sketch_of(pencil, field) == 255).all()


def test_dodge_darkens_the_dark_side_of_an_edge_only():
    row = sketch_of(pencil, step())[64]
    assert row[60:64].max() < 200
    assert (row[64:] == 255).all()
    assert (row[:20] == 255).all()


@pytest.mark.parametrize(("sigma", "sharpening"), [(1.5, 5.0), (3.0, 20.0)])
def test_xdog_of_a_step_is_its_closed_form(sigma, sharpening):
    dark, light = 0.2, 0.8
    sharpened = ink.sharpen(step(dark, light), sigma, sharpening)[64]

    def blurred(x, radius):
        return dark + (light - dark) * 0.5 * (1 + erf(x / (radius * sqrt(2))))

    for column in range(40, 88):
        x = column - 63.5
        expected = (1 + sharpening) * blurred(x, sigma) - sharpening * blurred(x, 1.6 * sigma)
        # The kernel is cut off at four sigma and sampled at pixels.
        assert sharpened[column] == pytest.approx(expected, abs=0.004 * (1 + sharpening))


def test_the_soft_threshold_is_white_above_and_tanh_below():
    values = np.array([[0.9, 0.7, 0.6, -5.0]], np.float32)
    thresholded = ink.soft_threshold(values, 0.7, 10)[0]
    assert thresholded.tolist() == pytest.approx([1, 1, 1 + np.tanh(-1), 0], abs=1e-6)


def test_ink_does_not_fill_a_dark_background():
    field = np.full((SIDE, SIDE), 0.2, np.float32)
    field[40:90, 40:90] = 0.9
    sketch = sketch_of(ink, field)
    assert sketch[:12].min() > 200
    assert sketch[35:40, 60].min() < 60


@pytest.mark.parametrize("style", [canny, sobel])
def test_an_edge_is_one_straight_line(style):
    sketch = sketch_of(style, step())
    dark = np.flatnonzero(sketch[64] < 128)
    assert dark.size
    assert np.abs(dark - 63.5).max() <= 3
    assert (sketch[:, :50] > 250).all()
    assert (sketch[:, 78:] > 250).all()


def test_canny_s_line_is_as_wide_as_the_picture_is_large():
    small, large = (
        sketch_of(canny, np.kron(step(), np.ones((scale, scale), np.float32))) for scale in (1, 4)
    )
    inked = [(255 - sketch[len(sketch) // 2].astype(float)).sum() for sketch in (small, large)]
    assert inked[1] / inked[0] == pytest.approx(4, rel=0.25)


def test_sobel_keeps_the_order_of_contrasts():
    field = np.full((SIDE, SIDE), 0.8, np.float32)
    field[20:50] -= 0.1
    field[80:110] -= 0.4
    sketch = sketch_of(sobel, field)[:, 64]
    assert sketch[75:85].min() < sketch[15:25].min() < 250


def test_the_pen_inks_what_is_darker_than_around_it_however_pale():
    field = np.full((SIDE, SIDE), 0.9, np.float32)
    field[:, 30:32], field[:, 90:92] = 0.6, 0.1
    sketch = sketch_of(pen, field)
    assert sketch[64, [30, 31, 90, 91]].max() < 128
    assert sketch[64, 50:75].min() == 255


def test_a_wide_blur_is_a_gaussian_s():
    field = np.zeros((257, 257), np.float32)
    field[:, 128:] = 1
    blurred = _fields.blur(field, 20.0)[128]
    expected = [0.5 * (1 + erf((x - 127.5) / (20 * sqrt(2)))) for x in range(257)]
    assert np.abs(blurred - expected).max() < 0.02
    assert _fields.blur(np.full((50, 70), 0.3, np.float32), 20.0) == pytest.approx(0.3)
