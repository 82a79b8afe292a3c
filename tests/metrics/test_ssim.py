import numpy as np
import pytest
import torch
from metrics.references import drawn, spoiled
from torchmetrics.functional.image import structural_similarity_index_measure

from sketchcli.metrics import structural


@pytest.mark.parametrize("size", [(128, 128), (97, 131), (16, 9)])
def test_it_is_what_torchmetrics_says(size):
    real = drawn(*size)
    pair = [
        torch.from_numpy(photo @ np.array([0.299, 0.587, 0.114]))[None, None]
        for photo in (spoiled(real), real)
    ]
    theirs = structural_similarity_index_measure(
        *pair, gaussian_kernel=False, kernel_size=7, data_range=255.0
    )
    ours = structural.ssim(spoiled(real)[None], real[None])[0]
    assert ours == pytest.approx(theirs.item(), abs=1e-7)
