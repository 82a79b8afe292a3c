import numpy as np
import pytest
from metrics.references import drawn, spoiled

from sketchcli.metrics import pixel

# Sharma, Wu and Dalal 2005, table 1: two colours in CIELAB, and their difference.
PUBLISHED = np.fromstring(
    """
    50 2.6772 -79.7751  50 0 -82.7485  2.0425
    50 3.1571 -77.2803  50 0 -82.7485  2.8615
    50 2.8361 -74.0200  50 0 -82.7485  3.4412
    50 -1.3802 -84.2814  50 0 -82.7485  1.0000
    50 -1.1848 -84.8006  50 0 -82.7485  1.0000
    50 -0.9009 -85.5211  50 0 -82.7485  1.0000
    50 0 0  50 -1 2  2.3669
    50 -1 2  50 0 0  2.3669
    50 2.49 -0.001  50 -2.49 0.0009  7.1792
    50 2.49 -0.001  50 -2.49 0.0010  7.1792
    50 2.49 -0.001  50 -2.49 0.0011  7.2195
    50 2.49 -0.001  50 -2.49 0.0012  7.2195
    50 -0.001 2.49  50 0.0009 -2.49  4.8045
    50 -0.001 2.49  50 0.0010 -2.49  4.8045
    50 -0.001 2.49  50 0.0011 -2.49  4.7461
    50 2.5 0  50 0 -2.5  4.3065
    50 2.5 0  73 25 -18  27.1492
    50 2.5 0  61 -5 29  22.8977
    50 2.5 0  56 -27 -3  31.9030
    50 2.5 0  58 24 15  19.4535
    50 2.5 0  50 3.1736 0.5854  1.0000
    50 2.5 0  50 3.2972 0  1.0000
    50 2.5 0  50 1.8634 0.5757  1.0000
    50 2.5 0  50 3.2592 0.3350  1.0000
    60.2574 -34.0099 36.2677  60.4626 -34.1751 39.4387  1.2644
    63.0109 -31.0961 -5.8663  62.8187 -29.7946 -4.0864  1.2630
    61.2901 3.7196 -5.3901  61.4292 2.2480 -4.9620  1.8731
    35.0831 -44.1164 3.7933  35.0232 -40.0716 1.5901  1.8645
    22.7233 20.0904 -46.6940  23.0331 14.9730 -42.5619  2.0373
    36.4612 47.8580 18.3852  36.2715 50.5065 21.2231  1.4146
    90.8027 -2.0831 1.4410  91.1528 -1.6435 0.0447  1.4441
    90.9257 -0.5406 -0.9208  88.6381 -0.8985 -0.7239  1.5381
    6.7747 -0.2908 -2.4247  5.8714 -0.0985 -2.2286  0.6377
    2.0776 0.0795 -1.1350  0.9033 -0.0636 -0.5514  0.9082
    """,
    sep=" ",
).reshape(34, 7)

# skimage.color.rgb2lab and deltaE_ciede2000 of scikit-image 0.26.0.
MEAN = (74.63572604, 4.23937627, 8.5961341)
SHIFTS = {(128, 128): 4.5981093847, (97, 131): 4.5188525693}


def flat(red, green, blue):
    return np.full((1, 8, 8, 3), (red, green, blue), np.uint8)


def test_the_difference_is_the_published_one():
    found = pixel.ciede2000(PUBLISHED[:, :3], PUBLISHED[:, 3:6])
    np.testing.assert_allclose(found, PUBLISHED[:, 6], atol=5.1e-5)


def test_the_difference_is_the_same_both_ways():
    random = np.random.default_rng(0)
    first, second = random.uniform((0, -90, -90), (100, 90, 90), (2, 500, 3))
    np.testing.assert_allclose(
        pixel.ciede2000(first, second), pixel.ciede2000(second, first), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_known_colours_in_cielab(colour, expected):
    found = pixel.cielab(np.array(colour, np.uint8))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_the_mean_is_scikit_images():
    found = pixel.cielab(drawn(128, 128)).mean(axis=(0, 1))
    np.testing.assert_allclose(found, MEAN, atol=0.005)


@pytest.mark.parametrize("size", SHIFTS, ids=str)
def test_the_shift_is_scikit_images(size):
    real = drawn(*size)
    found = pixel.colour_shift(spoiled(real)[None], real[None])[0]
    assert found == pytest.approx(SHIFTS[size], abs=0.001)


def test_a_stronger_tint_is_a_greater_shift():
    shifts = [
        pixel.colour_shift(flat(120 + t, 120, 120 - t), flat(120, 120, 120))[0] for t in (5, 15, 40)
    ]
    assert 0 < shifts[0] < shifts[1] < shifts[2]


def test_it_does_not_see_where_a_colour_is(noise):
    real = noise(1, 16)
    assert pixel.colour_shift(real[:, ::-1], real)[0] == pytest.approx(0, abs=1e-9)
