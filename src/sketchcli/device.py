"""Device, precision and threads: resolved once, at the edge."""

import copy
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from sketchcli import errors
from sketchcli.errors import DeviceError, UsageError
from sketchcli.machine import PRECISIONS, THREADS_VARIABLE, ProcessRank, usable_cores

if sys.platform != "win32":
    import resource
Network = TypeVar("Network", bound=nn.Module)
KINDS = ("cpu", "cuda", "mps")
REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}
PROBE_FLOPS = 3 * 2 * 8 * 32 * 32 * 128 * 128 * 9  # one convolution, forward and backward
AMPERE, VOLTA = 8, 7  # major compute capabilities: bf16, and fp16, on the matrix units


@dataclass(frozen=True)
class Device:
    """Where to compute, and with which numbers."""

    name: str  # cpu | cuda | cuda:N | mps
    precision: str  # fp32 | bf16 | fp16
    threads: int

    def describe(self) -> str:
        """Its name, precision and threads, in words."""
        return f"{self.name}, {self.precision}, {self.threads} thread{'s'[: self.threads > 1]}"

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.name)

    def place(self, network: Network) -> Network:
        """Move a network here."""
        return channels_last(network.to(self.torch))

    def autocast(self) -> AbstractContextManager[object]:
        """Run the networks in this device's precision; weights and losses stay fp32."""
        dtype = REDUCED.get(self.precision)
        return torch.autocast(
            self.torch.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None
        )

    def scaler(self) -> GradScaler:
        """Keeps small gradients from vanishing in fp16; does nothing in other precisions."""
        return GradScaler(self.torch.type, enabled=self.precision == "fp16")

    def memory_megabytes(self) -> float:
        """The most memory that was in use so far: of the GPU, or of this process."""
        if self.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self.torch) / 2**20
        return _process_megabytes()


def resolve(
    name: str = "auto", *, precision: str = "auto", place: ProcessRank | None = None
) -> Device:
    """Choose the device and its precision, and set torch's thread count.

    Args:
        name: `auto` (CUDA if there is one, else the CPU) or a torch device's name.
        precision: `fp32`, `bf16`, `fp16` or `auto`: on a GPU what its generation computes quickest
            in, on a CPU whichever a short probe finds quicker.
        place: This process among those that `torchrun` started; each takes a GPU of its own, or
            its share of the cores.

    Raises:
        DeviceError: This machine has no such device, or cannot compute so.
        UsageError: No such precision.
    """
    place = place or ProcessRank()
    if precision not in PRECISIONS:
        raise UsageError(
            f"unknown precision '{precision}'", hint=errors.did_you_mean(precision, PRECISIONS)
        )
    if THREADS_VARIABLE not in os.environ:  # there, the user has already decided
        torch.set_num_threads(max(1, usable_cores() // place.local_count))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and place.count > 1:
        name = f"cuda:{place.local_rank}"
    _check_exists(name)
    if precision == "auto":
        precision = quickest_precision(torch.device(name))
    if precision == "fp16" and not name.startswith("cuda"):
        raise DeviceError(f"fp16 needs a CUDA GPU, not '{name}'", hint="use --precision auto")
    return Device(name, precision, torch.get_num_threads())


def channels_last(network: Network) -> Network:
    """Keep a network's weights in the memory format that convolutions run quickest in."""
    placed: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in placed.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.register_forward_hook(_guard_gradient)
    return placed


def exactly() -> AbstractContextManager[None]:
    """Convolve in whole float32: by default, a GPU rounds to TF32's ten bits of fraction first."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def is_out_of_memory(error: Exception) -> bool:
    """Whether something failed for want of memory, on whichever device or in whichever library.

    >>> is_out_of_memory(RuntimeError("MPS backend out of memory")), is_out_of_memory(OSError())
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "allocate" in str(error) or "out of memory" in str(error)  # the CPU's, MPS's, OpenCV's


def _guard_gradient(module: nn.Module, inputs: object, output: Tensor) -> None:
    """Hand an instance norm's gradient of a single picture on in the format of its input.

    PyTorch (2.13 on a CPU) reads a channels-last one as if it were not, and computes nonsense.
    """
    del module, inputs
    if len(output) == 1 and output.requires_grad:
        output.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]


if sys.platform == "win32":

    def _process_megabytes() -> float:
        return 0.0  # the standard library has no such count there
else:

    def _process_megabytes() -> float:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)


def _check_exists(name: str) -> None:
    hint = "use --device auto or --device cpu"
    if name.partition(":")[0] not in KINDS:
        raise DeviceError(f"unknown device '{name}'", hint=hint)
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device '{name}' is not available: {reason}", hint=hint) from error


def quickest_precision(device: torch.device) -> str:
    """The precision that a device trains quickest in.

    A GPU has matrix units for bf16 from Ampere on, for fp16 from Volta on. On a CPU, one
    convolution's forward and backward pass is timed: with AVX512-BF16 or AMX it trains several
    times faster in bf16; without, slower.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= AMPERE else "fp16" if major >= VOLTA else "fp32"
    if device.type != "cpu":
        return "fp32"
    seconds = probe_seconds(device, ("bf16", "fp32"))
    return "bf16" if 1.2 * seconds["bf16"] < seconds["fp32"] else "fp32"


def probe_seconds(device: torch.device, precisions: Sequence[str]) -> dict[str, float]:
    """Seconds of `PROBE_FLOPS` in each precision: the best of five tries, in turn."""
    rounds = [[_probe_seconds(device, name) for name in precisions] for _ in range(6)]
    return {
        name: min(seconds[1:])  # the first one also prepares
        for name, seconds in zip(precisions, zip(*rounds, strict=True), strict=True)
    }


def _probe_seconds(device: torch.device, precision: str) -> float:
    here = Device(str(device), precision, torch.get_num_threads())
    with torch.random.fork_rng(devices=[]):  # a probe must not change what the user's seed gives
        layer = here.place(nn.Conv2d(128, 128, 3, padding=1))
    pixels = torch.zeros(8, 128, 32, 32, device=device).to(memory_format=torch.channels_last)
    _wait_for(device)
    start = time.perf_counter()
    with here.autocast():
        output = layer(pixels)
    output.float().sum().backward()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# A device's photo of one sketch, compared with the CPU's: a wrong photo is worse than none.

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
