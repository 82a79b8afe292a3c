"""Peak signal-to-noise ratio: 10 log10(255² / mean squared error), in dB, for each picture."""

import numpy as np
from numpy.typing import NDArray

from sketchcli.images import Pixels
from sketchcli.metrics import mse

TITLE = "PSNR"
DIRECTION = "higher"
PROTOCOL = "of each picture, over RGB, in dB; identical pictures count as 100"
IDENTICAL = 100.0  # what two equal pictures get, whose ratio is infinite


def score(generated: Pixels, real: Pixels) -> NDArray[np.float64]:
    """One value for each picture, `(N,)`, from uint8 `(N, H, W, 3)`.

    The figure to quote is the mean of these, not the ratio of the mean error.
    """
    least = 255.0**2 / 10 ** (IDENTICAL / 10)
    return 10 * np.log10(255.0**2 / np.maximum(mse.score(generated, real), least))
