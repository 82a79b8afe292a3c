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
from torch.nn.parallel import DistributedDataParallel

from sketchcli.errors import DeviceError, LostProcessError, UsageError
from sketchcli.machine import ProcessRank

TOGETHER_WITHIN = dt.timedelta(minutes=30)  # long, as the main process validates and writes
SIGNS_OF_LOSS = ("gloo", "nccl", "connection", "timed out")
_JOINED = threading.Event()
Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """One process among those that train one model together; by default, the only one.

    Scalar values are exchanged through the CPU, so that no process waits for a GPU. Outside of
    `joined` nothing is exchanged, and each process's values stay its own.
    """

    rank: int = 0
    count: int = 1  # number of processes
    gpu: torch.device | None = None  # None if this process computes on the CPU

    @property
    def is_first(self) -> bool:
        """Whether this is the main process, which writes files and reports."""
        return self.rank == 0

    @property
    def _exchanges(self) -> bool:
        return self.count > 1 and dist.is_initialized()

    def first_before_others(self, make: Callable[[], Made]) -> Made:
        """Return what `make` creates or finds on the disk, calling it in the main process first."""
        made = make() if self.is_first else None
        self.wait()
        return make() if made is None else made

    def share_batch_norms(self, network: nn.Module, *, has_penalty: bool = False) -> nn.Module:
        """Let the batch norms of a network see the whole batch, before it is placed.

        PyTorch's shared batch norm runs on GPUs only, and has no second derivative, which a
        gradient penalty (`has_penalty`) needs.
        """
        has_norms = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        if self.count == 1 or not has_norms:
            return network
        hint = "train in one process, or use networks without batch norm, as --preset modern does"
        if self.gpu is None:
            raise UsageError("several processes share batch norm on GPUs only", hint=hint)
        if has_penalty:
            raise UsageError(
                "several processes cannot combine batch norm with loss.r1_weight", hint=hint
            )
        convert = nn.SyncBatchNorm.convert_sync_batchnorm
        shared: nn.Module = convert(network)  # type: ignore[no-untyped-call]
        return shared

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that `backward` averages its gradients over all processes."""
        if not self._exchanges or not any(p.requires_grad for p in network.parameters()):
            return network
        options: dict[str, Any] = {"device_ids": [self.gpu] if self.gpu else None}
        # Statistics of batch norms and vectors of spectral norms are equal without an exchange.
        is_new = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
        options["forward_sync_buffers" if is_new else "broadcast_buffers"] = False
        return DistributedDataParallel(network, **options)

    def rows(self, count: int) -> tuple[int, int]:
        """Return the first row of this process's part of a batch, and the row after the last."""
        return self.rank * count // self.count, (self.rank + 1) * count // self.count

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the mean of each value over all processes."""
        if not self._exchanges:
            return dict(values)
        totals = _reduced(list(values.values()), dist.ReduceOp.SUM).tolist()
        return {name: total / self.count for name, total in zip(values, totals, strict=True)}

    def as_first(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values of the main process in every process."""
        if not self._exchanges:
            return dict(values)
        numbers = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.broadcast(numbers, 0)
        return dict(zip(values, numbers.tolist(), strict=True))

    def text_of_first(self, text: str) -> str:
        """Return the text of the main process in every process."""
        if not self._exchanges:
            return text
        letters = list(text.encode(errors="surrogateescape"))
        count = int(self.as_first({"count": len(letters)})["count"])
        shared = torch.tensor((letters + [0] * count)[:count], dtype=torch.uint8)
        dist.broadcast(shared, 0)
        return bytes(shared.tolist()).decode(errors="surrogateescape")

    def any(self, answer: bool) -> bool:
        """Return whether `answer` is true in at least one process."""
        return not self.all(not answer)

    def all(self, answer: bool) -> bool:
        """Return whether `answer` is true in every process."""
        if not self._exchanges:
            return answer
        return bool(_reduced([float(answer)], dist.ReduceOp.MIN).item())

    def wait(self) -> None:
        """Wait until every process has called this method."""
        self.all(answer=True)


ALONE = Ranks()


def _reduced(values: list[float], operation: Any) -> Tensor:  # noqa: ANN401 - ReduceOp
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
    gpu = device if device.type == "cuda" else None
    try:
        if gpu:
            torch.cuda.set_device(gpu)
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=TOGETHER_WITHIN)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DeviceError(
            f"process (rank {place.rank} of {place.count}) cannot join the others: {reason}",
            hint="check that every machine can reach MASTER_ADDR and MASTER_PORT",
        ) from error
    _JOINED.set()
    try:
        yield Ranks(place.rank, place.count, gpu)
    except RuntimeError as error:
        text = str(error).lower()
        is_lost = isinstance(error, dist.DistError) or any(sign in text for sign in SIGNS_OF_LOSS)
        if isinstance(error, torch.OutOfMemoryError) or not is_lost:
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

    A thread that releases a tensor while Python shuts down aborts the process.
    """
    return _JOINED.is_set()
