"""Several processes that train one model, on one machine or many, as `torchrun` starts them.

Every process holds both networks and takes its part of each batch; PyTorch's
DistributedDataParallel makes their gradients the same, so that the networks stay the same, bit for
bit. The first process alone writes, reports and measures.
"""

import contextlib
import datetime as dt
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.autograd.function import Function, FunctionCtx
from torch.nn.parallel import DistributedDataParallel

from sketchcli.engine.events import SILENT, Reporter
from sketchcli.errors import DeviceError, LostProcessError
from sketchcli.machine import ProcessRank

TOGETHER_WITHIN = dt.timedelta(minutes=30)  # the first one may measure and write for long
SIGNS_OF_LOSS = ("gloo", "nccl", "connection", "timed out")
_JOINED = threading.Event()


# The processes that train one model together; alone, there is one.

Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Args:
        rank: This one's number, from 0.
        count: Of the processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def describe(self) -> str:
        """How many they are, where they are more than one."""
        return f"{self.count} processes, each " if self.count > 1 else ""

    def first_only(
        self, block: contextlib.AbstractContextManager[object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block that the first process enters; the others pass by."""
        return block if self.is_first else contextlib.nullcontext()

    def first_before_others(self, make: Callable[[], Made]) -> Made:
        """What is made or found on the disk: by the first process, then by the others."""
        made = make() if self.is_first else None
        self.wait()
        return make() if made is None else made

    def first_report(self, report: Reporter) -> Reporter:
        """A reporter that only the first process's events reach."""
        return report if self.is_first else SILENT

    def prepare(self, network: nn.Module) -> nn.Module:
        """A network, not placed yet, whose batch norms see the whole batch."""
        return network

    def wrap(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are the mean of all processes' after `backward`."""
        return network

    def not_sharing(
        self, network: Callable[..., object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block in which `network`'s gradients are kept to this process."""
        del network
        return contextlib.nullcontext()

    def rows(self, count: int) -> tuple[int, int]:
        """First row, and the one after the last, of this process's part of a batch."""
        return self.rank * count // self.count, (self.rank + 1) * count // self.count

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over all processes."""
        return dict(values)

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """The first process's values, for all."""
        return dict(values)

    def text_of_first(self, text: str) -> str:
        """The first process's text, for all."""
        return text

    def any(self, answer: bool) -> bool:
        """Whether one process at least says yes."""
        return answer

    def all(self, answer: bool) -> bool:
        """Whether every process says yes."""
        return answer

    def is_same(self, value: float) -> bool:
        """Whether every process has the same value."""
        return self.all(self.as_first({"value": value})["value"] == value)

    def wait(self) -> None:
        """Go on when every process is here."""


@dataclass(frozen=True)
class DistributedRanks(Ranks):
    """One process of several, which exchange gradients and figures.

    Small figures go over the CPU, so that no GPU is waited for.

    Args:
        gpu: That this one computes on; None: it computes on the CPU.
    """

    gpu: torch.device | None = None

    def prepare(self, network: nn.Module) -> nn.Module:
        """A network, not placed yet, whose batch norms see the whole batch."""
        share_batch_norms(network)
        return network

    def wrap(self, network: nn.Module) -> nn.Module:
        """A network whose gradients are the mean of all processes' after `backward`."""
        if not any(p.requires_grad for p in network.parameters()):
            return network
        options: dict[str, Any] = {"device_ids": [self.gpu] if self.gpu else None}
        # Batch norms' statistics and spectral norms' vectors are the same everywhere by themselves.
        is_new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        options["forward_sync_buffers" if is_new else "broadcast_buffers"] = False
        return DistributedDataParallel(network, **options)

    def not_sharing(
        self, network: Callable[..., object]
    ) -> contextlib.AbstractContextManager[object]:
        """A block in which `network`'s gradients are kept to this process."""
        block: contextlib.AbstractContextManager[object] = getattr(
            network, "no_sync", contextlib.nullcontext
        )()
        return block

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over all processes."""
        numbers = self._reduced(list(values.values()), dist.ReduceOp.SUM)
        return {
            name: total / self.count for name, total in zip(values, numbers.tolist(), strict=True)
        }

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """The first process's values, for all."""
        numbers = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.broadcast(numbers, 0)
        return dict(zip(values, numbers.tolist(), strict=True))

    def text_of_first(self, text: str) -> str:
        """The first process's text, for all."""
        letters = list(text.encode(errors="surrogateescape"))
        count = int(self.as_first({"count": len(letters)})["count"])
        shared = torch.tensor((letters + [0] * count)[:count], dtype=torch.uint8)
        dist.broadcast(shared, 0)
        return bytes(shared.tolist()).decode(errors="surrogateescape")

    def any(self, answer: bool) -> bool:
        """Whether one process at least says yes."""
        return bool(self._reduced([float(answer)], dist.ReduceOp.MAX).item())

    def all(self, answer: bool) -> bool:
        """Whether every process says yes."""
        return bool(self._reduced([float(answer)], dist.ReduceOp.MIN).item())

    def wait(self) -> None:
        """Go on when every process is here."""
        self.all(answer=True)

    def _reduced(self, values: list[float], operation: Any) -> Tensor:  # noqa: ANN401 - ReduceOp
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, operation)
        return numbers


@contextlib.contextmanager
def joined(place: ProcessRank, device: torch.device) -> Iterator[Ranks]:
    """Join the other processes for as long as the block lasts; alone, there is nothing to do.

    Args:
        place: This process among them.
        device: Where it computes: gradients go through NCCL between GPUs, else through gloo.

    Raises:
        DeviceError: The others cannot be reached.
        LostProcessError: One of them ended while this one worked.
    """
    if place.count == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group(backend, timeout=TOGETHER_WITHIN)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DeviceError(
            f"process {place.rank} of {place.count} cannot join the others: {reason}",
            hint="are MASTER_ADDR and MASTER_PORT reachable from every machine?",
        ) from error
    _JOINED.set()
    try:
        gpu = device if device.type == "cuda" else None
        yield DistributedRanks(place.rank, place.count, gpu)
    except RuntimeError as error:
        if not _tells_of_a_loss(error):
            raise
        raise LostProcessError(
            f"one of the {place.count} processes has ended",
            hint="its own message says why; with --resume RUN it goes on from the last state",
        ) from error
    finally:
        dist.destroy_process_group()


def has_joined() -> bool:
    """Whether this process has worked together with others, and holds threads that did so.

    DistributedDataParallel keeps them until the process ends. One that lets a tensor go while
    Python shuts down aborts the process, and its exit code is lost.
    """
    return _JOINED.is_set()


def _tells_of_a_loss(error: RuntimeError) -> bool:
    """Whether an error of torch's comes from the exchange with other processes."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(sign in text for sign in SIGNS_OF_LOSS)


ALONE = Ranks()


# Batch norm over the parts of a batch that several processes hold.
#
# `torch.nn.SyncBatchNorm` does the same, on GPUs alone, and knows no second derivative.


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of all processes' pictures together."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise `(B, C, H, W)`; B may be another in every process."""
        if not self.training:
            return super().forward(pixels)
        values = pixels.float()
        count = torch.full((1,), values.numel() / values.shape[1], device=values.device)
        dist.all_reduce(count)
        mean = summed(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = summed(centred.square().sum(dim=(0, 2, 3))) / count
        self.take_in(mean, variance * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        output = centred * scale[:, None, None] + self.bias[:, None, None]
        return output.to(pixels.dtype)

    @torch.no_grad()
    def take_in(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards a batch's, as `nn.BatchNorm2d` does."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)


def share_batch_norms(network: nn.Module) -> None:
    """Let a network's batch norms see all processes' pictures.

    Their parameters, statistics and names stay.
    """
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm


class _Summed(Function):
    """The sum over all processes; so is its gradient, and the gradient's."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor) -> Tensor:
        del ctx
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:  # noqa: ANN401 - as Function's
        del ctx
        return summed(gradients[0])


def summed(values: Tensor) -> Tensor:
    """The sum of all processes' values, through which gradients flow back to each."""
    total: Tensor = _Summed.apply(values)  # type: ignore[no-untyped-call]
    return total
