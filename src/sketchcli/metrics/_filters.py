"""Small linear filters over grey images, and the loading of converted networks."""

from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sketchcli import checkpoint
from sketchcli.device import channels_last
from sketchcli.errors import CheckpointError
from sketchcli.images import LUMA, Pixels

Values = NDArray[np.float64]
Border = Literal["zero", "mirror", "repeat"]  # padding; "repeat" continues a b c as c b a | a b c
_PAD: dict[Border, Literal["constant", "reflect", "symmetric"]] = {
    "zero": "constant",
    "mirror": "reflect",
    "repeat": "symmetric",
}


def correlate(pictures: Values, kernel: Values) -> Values:
    """Return the weighted sum of each pixel's neighbours, where the kernel fits into the image.

    Images `(..., H, W)` and a kernel `(h, w)` give `(..., H - h + 1, W - w + 1)`.
    """
    rows = pictures.shape[-2] - kernel.shape[0] + 1
    columns = pictures.shape[-1] - kernel.shape[1] + 1
    total = np.zeros((*pictures.shape[:-2], rows, columns))
    for (y, x), weight in np.ndenumerate(kernel):
        if weight:
            total += weight * pictures[..., y : y + rows, x : x + columns]
    return total


def pad(
    pictures: Values, rows: tuple[int, int], columns: tuple[int, int], border: Border
) -> Values:
    """Pad images `(..., H, W)` with rows above and below, and columns left and right."""
    around = [(0, 0)] * (pictures.ndim - 2) + [rows, columns]
    return np.pad(pictures, around, mode=_PAD[border])


def gaussian(radius: int, sigma: float) -> Values:
    """Return the weights of a sampled Gaussian, `(2 radius + 1,)`, with sum 1."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    return np.asarray(weights, np.float64)


def smooth(pictures: Values, weights: Values) -> Values:
    """Correlate rows, then columns, with the same weights, where these fit into the image."""
    return correlate(correlate(pictures, weights[:, None]), weights[None, :])


def slopes(
    pictures: Values, side: tuple[float, float, float], border: Border
) -> tuple[Values, Values]:
    """Return the differences downwards and to the right over three pixels, `(..., H, W)` each.

    `side` holds the weights across the difference: Sobel's are (1, 2, 1), Prewitt's (1, 1, 1).
    """
    padded = pad(pictures, (1, 1), (1, 1), border)
    kernel = np.outer([-1.0, 0.0, 1.0], side)
    return correlate(padded, kernel), correlate(padded, kernel.T)


def slope(pictures: Values, side: tuple[float, float, float], border: Border) -> Values:
    """Return the magnitude of the gradient, `(..., H, W)`; for the arguments see `slopes`."""
    return np.hypot(*slopes(pictures, side, border))


def reduce(pictures: Values, factor: int) -> Values:
    """Return every `factor`-th pixel of the running mean over `factor` x `factor` pixels.

    As in the reference programs of FSIM and GMSD, images `(..., H, W)` are padded with zeros, and
    the mean is aligned as by Matlab's `conv2(..., 'same')`. A factor of 1 changes nothing.
    """
    around = ((factor - 1) // 2, factor // 2)
    weights = np.full((factor, 1), 1 / factor)
    padded = pad(pictures, around, around, "zero")
    return correlate(correlate(padded, weights), weights.T)[..., ::factor, ::factor]


# Grey images are unrounded floats.


def grey(photos: Pixels) -> NDArray[np.float64]:
    """Return 0.299 R + 0.587 G + 0.114 B in [0, 255], `(..., H, W)`, of uint8 `(..., H, W, 3)`.

    >>> grey(np.full((1, 1, 1, 3), 200, np.uint8)).round(4).tolist()
    [[[200.0]]]
    """
    values: NDArray[np.float64] = photos.astype(np.float64) @ LUMA.astype(np.float64)
    return values


# The tensors of evaluation networks are loaded from converted files into our own graphs.

Network = TypeVar("Network", bound=nn.Module)


def filled(network: Network, file: Path) -> Network:
    """Return the network with a file's tensors, in evaluation mode and without gradients.

    The file is one that `engine.fetching.convert` wrote; the network may be on the `meta` device.

    Raises:
        CheckpointError: If the file is missing, damaged, or belongs to another network.
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
