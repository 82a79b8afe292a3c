"""Device, precision, threads and seeds: resolved once, at the edge."""

import os
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

if sys.platform != "win32":
    import resource

from sketchcli.errors import DeviceError, UsageError

Network = TypeVar("Network", bound=nn.Module)
KINDS = ("cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Device:
    """Where to compute, and with which numbers."""

    name: str  # cpu | cuda | cuda:N | mps
    precision: str  # fp32 | bf16
    threads: int

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.name)

    def place(self, network: Network) -> Network:
        """Move a network here."""
        return channels_last(network.to(self.torch))

    def autocast(self) -> AbstractContextManager[object]:
        """Run the networks in this device's precision; weights and losses stay fp32."""
        return torch.autocast(
            self.torch.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def scaler(self) -> GradScaler:
        """Keeps small gradients from vanishing in fp16; does nothing in other precisions."""
        return GradScaler(self.torch.type, enabled=self.precision == "fp16")

    def memory_megabytes(self) -> float:
        """The most memory that was in use so far: of the GPU, or of this process."""
        if self.torch.type == "cuda":
            return torch.cuda.max_memory_allocated(self.torch) / 2**20
        return _process_megabytes()


def resolve(name: str = "auto", *, precision: str = "auto") -> Device:
    """Choose the device and its precision, and set torch's thread count.

    Args:
        name: `auto` (CUDA if there is one, else the CPU) or a torch device's name.
        precision: `fp32`, `bf16`, or `auto`: whichever a short probe finds quicker.

    Raises:
        DeviceError: This machine has no such device.
        UsageError: No such precision.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision '{precision}'", hint=f"one of {', '.join(PRECISIONS)}")
    if "OMP_NUM_THREADS" not in os.environ:  # there, the user has already decided
        torch.set_num_threads(usable_cores())
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    _check_exists(name)
    if precision == "auto":
        precision = "bf16" if _is_bf16_quicker(torch.device(name)) else "fp32"
    return Device(name, precision, torch.get_num_threads())


def channels_last(network: Network) -> Network:
    """Keep a network's weights in the memory format that convolutions run quickest in."""
    placed: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def exactly() -> AbstractContextManager[None]:
    """Convolve in whole float32: by default, a GPU rounds to TF32's ten bits of fraction first."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def usable_cores() -> int:
    """Cores that this process may really run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _process_megabytes() -> float:
    if sys.platform == "win32":  # it has no such count in the standard library
        return 0.0
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


def _is_bf16_quicker(device: torch.device) -> bool:
    """Time one convolution's forward and backward pass in both precisions.

    A CPU with AVX512-BF16 or AMX trains several times faster in bf16; one without is slower.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    rounds = [(_probe_seconds(torch.bfloat16), _probe_seconds(torch.float32)) for _ in range(6)]
    bf16, fp32 = (min(seconds[1:]) for seconds in zip(*rounds, strict=True))
    return bool(1.2 * bf16 < fp32)


def _probe_seconds(dtype: torch.dtype) -> float:
    with torch.random.fork_rng(devices=[]):  # a probe must not change what the user's seed gives
        layer = channels_last(nn.Conv2d(128, 128, 3, padding=1))
    pixels = torch.zeros(8, 128, 32, 32).to(memory_format=torch.channels_last)
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
        output = layer(pixels)
    output.float().sum().backward()
    return time.perf_counter() - start
