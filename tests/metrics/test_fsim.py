import numpy as np
import pytest
from metrics.references import drawn, spoiled

from sketchcli.metrics import structural

# The authors' FeatureSIM.m (version 1.0, with Kovesi's phasecong2.m) under GNU Octave 7.3. The
# larger two are reduced first, by 2 and by 3.
MATLAB = {
    (128, 128): 0.676750754412177,
    (97, 131): 0.678588998872339,
    (64, 51): 0.651248283363853,
    (250, 200): 0.688553037084405,
    (512, 384): 0.868513836523938,
    (650, 700): 0.880783521995444,
}


@pytest.mark.parametrize("size", MATLAB, ids=str)
def test_it_is_what_the_authors_program_says(size):
    real = drawn(*size)
    assert structural.fsim(spoiled(real)[None], real[None])[0] == pytest.approx(
        MATLAB[size], abs=1e-8
    )


@pytest.mark.parametrize(("levels", "best"), [((90, 90), 1), ((10, 250), 0.99)])
def test_flat_pictures_are_compared_by_their_gradients(levels, best):
    ours, theirs = (np.full((1, 16, 16, 3), level, np.uint8) for level in levels)
    assert structural.fsim(ours, theirs)[0] <= best
    assert structural.fsim(ours, theirs)[0] > 0.5


@pytest.mark.parametrize("factor", [0.5, 2])
def test_phase_congruency_does_not_depend_on_the_contrast(factor):
    grey = drawn(64, 64)[..., 0].astype(float)
    np.testing.assert_allclose(
        structural.phase_congruency(factor * grey), structural.phase_congruency(grey), atol=1e-4
    )


def test_phase_congruency_is_highest_at_a_step():
    grey = np.zeros((64, 64))
    grey[:, 20:52] = 100
    found = structural.phase_congruency(grey)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert found[32, 19:21].min() > 0.75
    assert found[32, 28] < 0.3


def test_a_filter_answers_to_its_own_wavelength_and_direction():
    x = np.arange(96)
    stripes = 100 + 50 * np.cos(2 * np.pi * x / 12) * np.ones((96, 1))
    strengths = np.array([np.abs(found).mean((1, 2)) for found in structural.responses(stripes)])
    assert np.unravel_index(strengths.argmax(), strengths.shape) == (0, 1)  # second scale: 12
