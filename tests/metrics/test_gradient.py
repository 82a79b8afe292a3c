import numpy as np
import pytest
from metrics.references import drawn, spoiled

from sketchcli.metrics import structural

# The authors' GMSD.m under GNU Octave 7.3: the mean and the deviation of its quality map, on the
# unrounded grey pictures.
MATLAB = {
    (128, 128): (0.910283708608662, 0.114913117176615),
    (97, 131): (0.915437583484262, 0.113815078128325),
    (64, 51): (0.909643862077582, 0.138335237528336),
    (250, 200): (0.903143454543622, 0.114604683006138),
}


@pytest.mark.parametrize("size", MATLAB, ids=str)
def test_it_is_the_mean_of_the_authors_quality_map(size):
    real = drawn(*size)
    mean, deviation = MATLAB[size]
    assert structural.gradient(spoiled(real)[None], real[None])[0] == pytest.approx(mean, abs=1e-8)
    assert structural.similarities(spoiled(real), real).std() == pytest.approx(deviation, abs=1e-8)


def test_it_sees_no_brightness_inside_a_picture():
    dark, light = (np.full((20, 20, 3), level, np.uint8) for level in (100, 130))
    assert structural.similarities(dark, light)[1:-1, 1:-1].tolist() == np.ones((8, 8)).tolist()


def test_noise_everywhere_is_worse_than_another_face(noise):
    """What speaks for the mean in the place of the deviation."""
    real, other = drawn(64, 64), np.roll(drawn(64, 64), 8, axis=1)
    scores = structural.gradient(np.stack([noise(1, 64)[0], other]), np.stack([real, real]))
    assert scores[0] < scores[1]
