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
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from sketchcli.engine.training.ranks import ALONE, Ranks
from sketchcli.engine.training.shared_norm import share_batch_norms
from sketchcli.errors import DeviceError, LostProcessError
from sketchcli.machine import Place

TOGETHER_WITHIN = dt.timedelta(minutes=30)  # the first one may measure and write for long
SIGNS_OF_LOSS = ("gloo", "nccl", "connection", "timed out")
_JOINED = threading.Event()


@dataclass(frozen=True)
class Together(Ranks):
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
def joined(place: Place, device: torch.device) -> Iterator[Ranks]:
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
        yield Together(place.rank, place.count, gpu)
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
