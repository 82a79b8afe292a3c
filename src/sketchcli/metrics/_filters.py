"""Small linear filters over grey pictures: correlation, gradients, reduction."""

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
Border = Literal["zero", "mirror", "repeat"]  # what lies beyond it; "repeat": c b a | a b c
_PAD: dict[Border, Literal["constant", "reflect", "symmetric"]] = {
    "zero": "constant",
    "mirror": "reflect",
    "repeat": "symmetric",
}


def correlate(pictures: Values, kernel: Values) -> Values:
    """The weighted sum of each pixel's neighbours, where the kernel fits into the picture.

    Args:
        pictures: `(..., H, W)`.
        kernel: `(h, w)`.

    Returns:
        `(..., H - h + 1, W - w + 1)`.
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
    """Put rows above and below, and columns left and right, around `(..., H, W)`."""
    around = [(0, 0)] * (pictures.ndim - 2) + [rows, columns]
    return np.pad(pictures, around, mode=_PAD[border])


def gaussian(radius: int, sigma: float) -> Values:
    """The weights of a sampled Gaussian, `(2 radius + 1,)`, of sum 1."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    return np.asarray(weights, np.float64)


def smooth(pictures: Values, weights: Values) -> Values:
    """Correlate rows, then columns, with the same weights, where they fit into the picture."""
    return correlate(correlate(pictures, weights[:, None]), weights[None, :])


def slopes(
    pictures: Values, side: tuple[float, float, float], border: Border
) -> tuple[Values, Values]:
    """Differences down and to the right over three pixels, `(..., H, W)` each.

    Args:
        pictures: `(..., H, W)`.
        side: Weights across the difference: (1, 2, 1) is Sobel's operator, (1, 1, 1) Prewitt's.
        border: What lies beyond the picture.
    """
    padded = pad(pictures, (1, 1), (1, 1), border)
    kernel = np.outer([-1.0, 0.0, 1.0], side)
    return correlate(padded, kernel), correlate(padded, kernel.T)


def slope(pictures: Values, side: tuple[float, float, float], border: Border) -> Values:
    """The length of the gradient, `(..., H, W)`; the arguments are those of `slopes`."""
    return np.hypot(*slopes(pictures, side, border))


def reduce(pictures: Values, factor: int) -> Values:
    """Every `factor`-th pixel of the running mean over `factor` x `factor` pixels.

    Beyond the border lies zero, and the mean stands where Matlab's `conv2(..., 'same')` has it,
    as in the reference programs of FSIM and GMSD.

    Args:
        pictures: `(..., H, W)`.
        factor: 1 returns the pictures as they are.
    """
    around = ((factor - 1) // 2, factor // 2)
    weights = np.full((factor, 1), 1 / factor)
    padded = pad(pictures, around, around, "zero")
    return correlate(correlate(padded, weights), weights.T)[..., ::factor, ::factor]


# Grey pictures, in floats and not rounded.


def grey(photos: Pixels) -> NDArray[np.float64]:
    """.299 R + .587 G + .114 B in [0, 255], `(..., H, W)` from uint8 `(..., H, W, 3)`.

    >>> grey(np.full((1, 1, 1, 3), 200, np.uint8)).round(4).tolist()
    [[[200.0]]]
    """
    values: NDArray[np.float64] = photos.astype(np.float64) @ LUMA.astype(np.float64)
    return values


# A network's tensors, from a converted file into a graph of ours.

Network = TypeVar("Network", bound=nn.Module)


def filled(network: Network, file: Path) -> Network:
    """The network with a file's tensors, ready to be asked and never to be trained.

    Args:
        network: The graph; its own tensors may be on the `meta` device.
        file: What `engine.fetching.convert` wrote.

    Raises:
        CheckpointError: The file is missing, damaged, or another network's.
    """
    tensors, _about = checkpoint.load(file)
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{file}: the tensors of another network", hint="fetch it again with fetch-data"
        ) from error
    # That is how pictures lie in memory, and up to twice as fast on a CPU.
    return channels_last(network.eval().requires_grad_(requires_grad=False))
