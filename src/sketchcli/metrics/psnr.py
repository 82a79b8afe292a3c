"""Peak signal-to-noise ratio: 10 log10(255² / mean squared error), in dB, for each picture."""

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import peak_signal_noise_ratio

from sketchcli.images import Pixels

TITLE = "PSNR"
DIRECTION = "higher"
PROTOCOL = "of each picture, over RGB, in dB; identical pictures count as 100"
IDENTICAL = 100.0  # what two equal pictures get, whose ratio is infinite


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    The figure to quote is the mean of these, not the ratio of the mean error.
    """
    ratios = peak_signal_noise_ratio(
        torch.from_numpy(generated.astype(np.float64)),
        torch.from_numpy(real.astype(np.float64)),
        data_range=255.0,
        reduction="none",
        dim=(1, 2, 3),
    )
    scores: NDArray[np.float64] = np.minimum(ratios.numpy(), IDENTICAL)
    return scores
