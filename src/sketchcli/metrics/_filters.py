"""What several metrics share: grey images, gradients, and the loading of converted networks."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sketchcli import checkpoint
from sketchcli.device import channels_last
from sketchcli.errors import CheckpointError
from sketchcli.images import LUMA, Pixels
from sketchcli.images.opencv import cv2

Values = NDArray[np.float64]
Network = TypeVar("Network", bound=nn.Module)


def grey(photos: Pixels) -> Values:
    """Return 0.299 R + 0.587 G + 0.114 B in [0, 255], unrounded, of uint8 `(..., 3)`."""
    values: Values = photos.astype(np.float64) @ LUMA.astype(np.float64)
    return values


def per_image(compare: Callable[[Pixels, Pixels], float]) -> Callable[[Pixels, Pixels], Values]:
    """Turn a value of two images `(H, W, 3)` into the values `(N,)` of images `(N, H, W, 3)`."""

    @wraps(compare)
    def score(generated: Pixels, real: Pixels) -> Values:
        pairs = zip(generated, real, strict=True)
        return np.array([compare(ours, theirs) for ours, theirs in pairs], np.float64)

    return score


def slope(picture: Values, across: tuple[float, float, float]) -> Values:
    """Return the magnitude of the gradient of an image `(H, W)`, which is 0 beyond its border.

    The weights `across` three pixels are Scharr's, as (3, 10, 3), or Prewitt's, as (1, 1, 1).
    """
    along, border = np.array([-1.0, 0.0, 1.0]), cv2.BORDER_CONSTANT
    right = cv2.sepFilter2D(picture, -1, along, np.array(across), borderType=border)
    down = cv2.sepFilter2D(picture, -1, np.array(across), along, borderType=border)
    return np.hypot(down, right)


def reduce(picture: Values, factor: int, border: int = cv2.BORDER_CONSTANT) -> Values:
    """Return every `factor`-th pixel of the running mean over `factor` x `factor` pixels.

    As in the reference programs of FSIM and GMSD, an image is 0 beyond its border unless `border`
    says otherwise, and the mean is aligned as by Matlab's `conv2(..., 'same')`.
    """
    anchor = (factor - 1) // 2
    means = cv2.blur(picture, (factor, factor), anchor=(anchor, anchor), borderType=border)
    return np.asarray(means, np.float64)[::factor, ::factor]


def filled(network: Network, file: Path) -> Network:
    """Return the network with a file's tensors, in evaluation mode and without gradients.

    The file is one that `engine.fetching.convert` wrote.
    """
    tensors, _about = checkpoint.load(file)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{file} belongs to another network", hint="download it again with fetch-data"
        ) from error
    # Images are channels-last in memory already, and this is up to twice as fast on a CPU.
    return channels_last(network.eval().requires_grad_(requires_grad=False))
