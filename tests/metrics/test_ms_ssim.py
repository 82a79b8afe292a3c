import numpy as np
import pytest
from metrics.references import drawn, spoiled
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from sketchcli.metrics import structural

# The authors' msssim.m and ssim_index_new.m under GNU Octave 7.3, on the unrounded grey pictures;
# with `level` 4 and 3 and their weights divided by their sum for the small ones.
MATLAB = {
    (250, 200): 0.786150828726395,
    (512, 384): 0.780770195644191,
    (650, 700): 0.789642391076808,
    (128, 128): 0.784571804232814,
    (97, 131): 0.792341186854799,
    (64, 51): 0.847266423795718,
}


@pytest.mark.parametrize("size", MATLAB, ids=str)
def test_it_is_what_the_authors_program_says(size):
    real = drawn(*size)
    assert structural.ms_ssim(spoiled(real)[None], real[None])[0] == pytest.approx(
        MATLAB[size], abs=1e-8
    )


def test_torchmetrics_says_nearly_the_same():
    """It mirrors the coarsest scale beyond its border, and starts from another reduction."""
    import torch

    real = drawn(256, 256)
    pair = [
        torch.from_numpy(photo @ np.array([0.299, 0.587, 0.114]))[None, None]
        for photo in (spoiled(real), real)
    ]
    theirs = multiscale_structural_similarity_index_measure(*pair, data_range=255.0)
    ours = structural.ms_ssim(spoiled(real)[None], real[None])[0]
    assert ours == pytest.approx(theirs.item(), abs=0.005)


@pytest.mark.parametrize(
    ("side", "count"), [(8, 1), (21, 1), (22, 2), (44, 3), (87, 3), (88, 4), (175, 4), (176, 5)]
)
def test_the_coarsest_scale_holds_the_window(side, count):
    assert structural.scales(side, 300) == structural.scales(300, side) == count


def test_five_scales_stay_five_in_a_large_picture():
    assert structural.scales(4000, 3000) == 5


@pytest.mark.parametrize("side", [4, 10, 11])
def test_a_picture_below_the_window_still_has_a_score(noise, side):
    small = noise(1, side)
    assert structural.ms_ssim(small, small).tolist() == [1]
    assert structural.ms_ssim(255 - small, small)[0] < 0.6


def test_a_negative_is_as_bad_as_can_be(noise):
    real = noise(1, 32)
    assert structural.ms_ssim(255 - real, real).tolist() == [0]
