"""A device's photo of one sketch, compared with the CPU's: a wrong photo is worse than none."""

import copy

import torch
from torch import Tensor, nn

from sketchcli.device import Device
from sketchcli.errors import DeviceError

# Of the photo's mean size in [-1, 1]. In bf16, networks are off by .02 at most; a picture that
# comes back unchanged, or as zeros, by 1 or more.
MOST_OFF = 0.1
LARGEST_SIDE = 256  # pixels: the CPU's share takes a quarter of a second at most
HINT = "use --device cpu; a newer torch may compute it right"


def check_device(generator: nn.Module, device: Device, size: tuple[int, int]) -> None:
    """Draw one sketch here and on the CPU, in evaluation mode; on a CPU, nothing is done.

    Apple's MPS has been seen to hand pictures back unchanged, without an error. The networks are
    left as they are.

    Args:
        generator: Placed on the device.
        device: Where it will draw, and in which precision.
        size: The height and width that it is for.

    Raises:
        DeviceError: The photos differ by more than rounding does, or the device cannot draw.
    """
    if device.name.startswith("cpu"):
        return
    here = copy.deepcopy(generator).eval()
    sketch = _sketch(size)
    with torch.inference_mode():
        try:
            with device.autocast():
                found = here(sketch.to(device.torch)).float().cpu()
        except RuntimeError as error:  # an operation that it does not have, or too little memory
            reason = str(error).partition("\n")[0]
            raise DeviceError(f"{device.name} cannot draw: {reason}", hint=HINT) from error
        expected = here.cpu()(sketch)
    off = _difference(found, expected)
    if not off <= MOST_OFF:  # NaN is no less
        raise DeviceError(
            f"{device.name} draws another photo than the CPU does: off by {off:.0%}", hint=HINT
        )


def _difference(found: Tensor, expected: Tensor) -> float:
    """The mean difference, as a share of the mean size."""
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).abs().mean() / expected.abs().mean())


def _sketch(size: tuple[int, int]) -> Tensor:
    """Dark strokes on white, `(1, 1, H, W) in [-1, 1]`."""
    height, width = (min(side, LARGEST_SIDE) for side in size)
    sketch = torch.ones(1, 1, height, width)
    sketch[..., height // 4 :: 9, width // 5 : -width // 5] = -1.0
    sketch[..., height // 4 : -height // 4, width // 3 :: 7] = -1.0
    return sketch
