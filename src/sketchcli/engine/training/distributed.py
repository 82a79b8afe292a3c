"""Training of one model in several processes, on one or more machines, as `torchrun` starts them.

Every process holds both networks and takes its part of each batch. PyTorch's
DistributedDataParallel makes their gradients equal, so that the networks stay identical, bit for
bit. Only the main process (rank 0) writes, reports and validates.
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

TOGETHER_WITHIN = dt.timedelta(minutes=30)  # long, as the main process validates and writes
SIGNS_OF_LOSS = ("gloo", "nccl", "connection", "timed out")
_JOINED = threading.Event()


# `Ranks` describes a single process, `DistributedRanks` one of several.

Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """One process among those that train one model together; by default, the only one."""

    rank: int = 0
    count: int = 1  # number of processes

    @property
    def is_first(self) -> bool:
        """Whether this is the main process, which writes files and reports."""
        return self.rank == 0

    def describe(self) -> str:
        """Return the number of processes in words if there are several."""
        return f"{self.count} processes, each " if self.count > 1 else ""

    def first_only(
        self, block: contextlib.AbstractContextManager[object]
    ) -> contextlib.AbstractContextManager[object]:
        """Return `block` in the main process and a context manager without effect in the others."""
        return block if self.is_first else contextlib.nullcontext()

    def first_before_others(self, make: Callable[[], Made]) -> Made:
        """Return what `make` creates or finds on the disk, calling it in the main process first."""
        made = make() if self.is_first else None
        self.wait()
        return make() if made is None else made

    def first_report(self, report: Reporter) -> Reporter:
        """Return `report` in the main process and a silent reporter in the others."""
        return report if self.is_first else SILENT

    def prepare(self, network: nn.Module) -> nn.Module:
        """Let the batch norms of a network see the whole batch, before it is placed."""
        return network

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that `backward` averages its gradients over all processes."""
        return network

    def not_sharing(
        self, network: Callable[..., object]
    ) -> contextlib.AbstractContextManager[object]:
        """Return a context manager that keeps `network`'s gradients within this process."""
        del network
        return contextlib.nullcontext()

    def rows(self, count: int) -> tuple[int, int]:
        """Return the first row of this process's part of a batch, and the row after the last."""
        return self.rank * count // self.count, (self.rank + 1) * count // self.count

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the mean of each value over all processes."""
        return dict(values)

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values of the main process in every process."""
        return dict(values)

    def text_of_first(self, text: str) -> str:
        """Return the text of the main process in every process."""
        return text

    def any(self, answer: bool) -> bool:
        """Return whether `answer` is true in at least one process."""
        return answer

    def all(self, answer: bool) -> bool:
        """Return whether `answer` is true in every process."""
        return answer

    def is_same(self, value: float) -> bool:
        """Return whether every process has the same value."""
        return self.all(self.as_first({"value": value})["value"] == value)

    def wait(self) -> None:
        """Wait until every process has called this method."""


@dataclass(frozen=True)
class DistributedRanks(Ranks):
    """One process of several, which exchange gradients and scalar values.

    Scalar values are exchanged through the CPU, so that no process waits for a GPU.
    """

    gpu: torch.device | None = None  # None if this process computes on the CPU

    def prepare(self, network: nn.Module) -> nn.Module:
        """Let the batch norms of a network see the whole batch, before it is placed."""
        share_batch_norms(network)
        return network

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that `backward` averages its gradients over all processes."""
        if not any(p.requires_grad for p in network.parameters()):
            return network
        options: dict[str, Any] = {"device_ids": [self.gpu] if self.gpu else None}
        # Statistics of batch norms and vectors of spectral norms are equal without an exchange.
        is_new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        options["forward_sync_buffers" if is_new else "broadcast_buffers"] = False
        return DistributedDataParallel(network, **options)

    def not_sharing(
        self, network: Callable[..., object]
    ) -> contextlib.AbstractContextManager[object]:
        """Return a context manager that keeps `network`'s gradients within this process."""
        block: contextlib.AbstractContextManager[object] = getattr(
            network, "no_sync", contextlib.nullcontext
        )()
        return block

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the mean of each value over all processes."""
        numbers = self._reduced(list(values.values()), dist.ReduceOp.SUM)
        return {
            name: total / self.count for name, total in zip(values, numbers.tolist(), strict=True)
        }

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values of the main process in every process."""
        numbers = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.broadcast(numbers, 0)
        return dict(zip(values, numbers.tolist(), strict=True))

    def text_of_first(self, text: str) -> str:
        """Return the text of the main process in every process."""
        letters = list(text.encode(errors="surrogateescape"))
        count = int(self.as_first({"count": len(letters)})["count"])
        shared = torch.tensor((letters + [0] * count)[:count], dtype=torch.uint8)
        dist.broadcast(shared, 0)
        return bytes(shared.tolist()).decode(errors="surrogateescape")

    def any(self, answer: bool) -> bool:
        """Return whether `answer` is true in at least one process."""
        return bool(self._reduced([float(answer)], dist.ReduceOp.MAX).item())

    def all(self, answer: bool) -> bool:
        """Return whether `answer` is true in every process."""
        return bool(self._reduced([float(answer)], dist.ReduceOp.MIN).item())

    def wait(self) -> None:
        """Wait until every process has called this method."""
        self.all(answer=True)

    def _reduced(self, values: list[float], operation: Any) -> Tensor:  # noqa: ANN401 - ReduceOp
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers, operation)
        return numbers


@contextlib.contextmanager
def joined(place: ProcessRank, device: torch.device) -> Iterator[Ranks]:
    """Join the other processes while the block runs; do nothing if there are none.

    Gradients are exchanged through NCCL between GPUs, otherwise through gloo. If another process
    ends while the block runs, LostProcessError is raised.
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
            f"process (rank {place.rank} of {place.count}) cannot join the others: {reason}",
            hint="check that every machine can reach MASTER_ADDR and MASTER_PORT",
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
            hint="see that process's own error message; resume from the last training state with "
            "--resume RUN",
        ) from error
    finally:
        dist.destroy_process_group()


def has_joined() -> bool:
    """Return whether this process has joined others and still holds threads for the exchange.

    DistributedDataParallel keeps these threads until the process ends. A thread that releases a
    tensor while Python shuts down aborts the process, and its exit code is lost.
    """
    return _JOINED.is_set()


def _tells_of_a_loss(error: RuntimeError) -> bool:
    """Return whether an error of torch comes from the exchange with other processes."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(sign in text for sign in SIGNS_OF_LOSS)


ALONE = Ranks()


# Batch norm spans the parts of a batch that several processes hold. `torch.nn.SyncBatchNorm`
# would do the same, but runs on GPUs only and has no second derivative, which R1 needs.


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm with the mean and variance of the images of all processes together."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise `(B, C, H, W)`; B may differ between processes."""
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
    """Let a network's batch norms see all processes' images; keep their state and names."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm


class _Summed(Function):
    """The sum over all processes, whose derivatives of any order are such sums too."""

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
    """Return the sum of all processes' values; gradients flow back to every process."""
    total: Tensor = _Summed.apply(values)  # type: ignore[no-untyped-call]
    return total
