"""Device, precision and number of threads, which are resolved once, before any work starts.

A device is compared with the CPU on one sketch before it is used.
"""

import copy
import os
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from sketchcli.errors import DeviceError, UsageError, did_you_mean
from sketchcli.machine import PRECISIONS, THREADS_VARIABLE, ProcessRank, usable_cores

if sys.platform != "win32":
    import resource
Network = TypeVar("Network", bound=nn.Module)
KINDS = ("cpu", "cuda", "mps")
REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMPERE, VOLTA = 8, 7  # major compute capability from which matrix units compute bf16, and fp16


@dataclass(frozen=True)
class Device:
    """Where to compute, and in which precision."""

    name: str  # cpu | cuda | cuda:N | mps
    precision: str  # fp32 | bf16 | fp16
    threads: int

    def describe(self) -> str:
        """Return the name, precision and number of threads in words."""
        return f"{self.name}, {self.precision}, {self.threads} thread{'s'[: self.threads > 1]}"

    @property
    def torch(self) -> torch.device:
        """The device as a torch object."""
        return torch.device(self.name)

    def place(self, network: Network) -> Network:
        """Move a network to this device."""
        return channels_last(network.to(self.torch))

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context that runs networks in this precision; weights and losses stay fp32."""
        dtype = REDUCED.get(self.precision)
        return torch.autocast(self.torch.type, dtype=dtype, enabled=dtype is not None)

    def scaler(self) -> GradScaler:
        """Return a scaler that keeps small fp16 gradients from vanishing; it is off otherwise."""
        return GradScaler(self.torch.type, enabled=self.precision == "fp16")

    def memory_megabytes(self) -> float:
        """Return the peak memory use so far, of the GPU or of this process."""
        if self.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self.torch) / 2**20
        if sys.platform != "win32":
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return most / (2**20 if sys.platform == "darwin" else 2**10)
        return 0.0  # the standard library cannot tell on Windows


def resolve(
    name: str = "auto", *, precision: str = "auto", place: ProcessRank | None = None
) -> Device:
    """Choose the device and its precision, and set torch's thread count.

    Args:
        name: `auto` (CUDA if there is one, else the CPU) or a torch device's name.
        precision: `fp32`, `bf16`, `fp16` or `auto`, the fastest (see `quickest_precision`).
        place: Rank of this process under torchrun; each takes a GPU, or its part of the cores.
    """
    place = place or ProcessRank()
    if precision not in PRECISIONS:
        hint = did_you_mean(precision, PRECISIONS)
        raise UsageError(f"unknown precision '{precision}'", hint=hint)
    if THREADS_VARIABLE not in os.environ:  # otherwise the user has set the number of threads
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
    """Keep a network's weights in the memory format in which convolutions are fastest."""
    placed: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in placed.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.register_forward_hook(_guard_gradient)
    return placed


def _guard_gradient(_module: nn.Module, _inputs: object, output: Tensor) -> None:
    """Make the gradient of an instance norm contiguous if the batch holds a single image.

    PyTorch (2.13 on a CPU) misreads a channels-last gradient and computes wrong values.
    """
    if len(output) == 1 and output.requires_grad:
        output.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]


# Images become tensors, and tensors images.

Pixels = NDArray[np.uint8]


def to_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """Convert images in [0, 255] to values in [-1, 1].

    Grey `(B, H, W)` becomes `(B, 1, H, W)`; RGB `(B, H, W, 3)` becomes `(B, 3, H, W)`, channels
    last in memory.

    >>> to_tensor(np.array([[[0, 255]]], np.uint8), torch.device("cpu")).tolist()
    [[[[-1.0, 1.0]]]]
    """
    values = torch.from_numpy(pixels.astype(np.float32) / np.float32(127.5) - np.float32(1))
    return (values.unsqueeze(1) if values.ndim == 3 else values.permute(0, 3, 1, 2)).to(device)


def to_images(tensor: Tensor) -> Pixels:
    """Convert values `(B, C, H, W)` in [-1, 1], rounded and clamped, to images in [0, 255].

    >>> to_images(torch.tensor([[[[-1.5, 0.0, 1.01]]]])).tolist()
    [[[0, 128, 255]]]
    """
    values = tensor.float().cpu().numpy()
    values = values[:, 0] if values.shape[1] == 1 else values.transpose(0, 2, 3, 1)
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def exactly() -> AbstractContextManager[None]:
    """Return a context with full float32 convolutions; GPUs default to TF32 (10-bit fraction)."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error of any device or library means that memory ran out.

    >>> is_out_of_memory(RuntimeError("MPS backend out of memory")), is_out_of_memory(OSError())
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "allocate" in str(error) or "out of memory" in str(error)  # wording of CPU, OpenCV, MPS


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
    """Return the precision in which a device trains fastest.

    A GPU has matrix units for bf16 from Ampere on, for fp16 from Volta on. On a CPU, the forward
    and backward pass of one convolution is timed: bf16 is several times faster than fp32 with
    AVX512-BF16 or AMX, and slower without.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= AMPERE else "fp16" if major >= VOLTA else "fp32"
    if device.type != "cpu":
        return "fp32"
    with torch.random.fork_rng(devices=[]):  # the probe must not change the results of a seed
        layer = channels_last(nn.Conv2d(128, 128, 3, padding=1))
    pixels = torch.zeros(8, 128, 32, 32).to(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for _ in range(6):
        for precision, rounds in seconds.items():
            start = time.perf_counter()
            with Device("cpu", precision, 1).autocast():
                output = layer(pixels)
            output.float().sum().backward()
            rounds.append(time.perf_counter() - start)
    bf16, fp32 = (min(rounds[1:]) for rounds in seconds.values())  # the first is a warm-up
    return "bf16" if 1.2 * bf16 < fp32 else "fp32"


# Limit for the mean difference from the CPU's photo, as a fraction of the photo's mean magnitude.
# bf16 differs by at most 0.02; a device that returns its input unchanged, or zeros, by 1 or more.
MOST_OFF = 0.1
LARGEST_SIDE = 256  # pixels, so that the CPU takes at most a quarter of a second
HINT = "use --device cpu, or try a newer version of PyTorch"


def check_device(
    generator: nn.Module, device: Device, size: tuple[int, int], *, channels: int = 1
) -> None:
    """Generate one photo on the device and on the CPU, and check that they agree.

    A wrong photo is worse than none, and Apple's MPS has returned images unchanged, without an
    error. The generator must be on the device already, and is not changed. `size` is its height
    and width. Nothing is done on a CPU.
    """
    if device.name.startswith("cpu"):
        return
    here = copy.deepcopy(generator).eval()
    height, width = (min(side, LARGEST_SIDE) for side in size)
    sketch = torch.ones(1, channels, height, width)  # dark strokes on white
    sketch[..., height // 4 :: 9, width // 5 : -width // 5] = -1.0
    sketch[..., height // 4 : -height // 4, width // 3 :: 7] = -1.0
    with torch.inference_mode():
        try:
            with device.autocast():
                found = here(sketch.to(device.torch)).float().cpu()
        except RuntimeError as error:  # an unsupported operation, or too little memory
            reason = str(error).partition("\n")[0]
            raise DeviceError(f"{device.name} cannot run the model: {reason}", hint=HINT) from error
        expected = here.cpu()(sketch)
    off = float("inf")
    if found.shape == expected.shape:
        off = float((found - expected).abs().mean() / expected.abs().mean())
    if not off <= MOST_OFF:  # also true for NaN
        raise DeviceError(
            f"{device.name} generates a different image from the CPU (off by {off:.0%})", hint=HINT
        )
