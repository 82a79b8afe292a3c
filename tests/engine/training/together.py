"""What two processes check of their working together: started by `torchrun`, ends with 0."""

import copy
import os

import torch
from torch import nn

from sketchcli.engine.training.distributed import Ranks, joined
from sketchcli.losses import r1_penalty
from sketchcli.machine import ProcessRank

PAIRS = 5  # which two processes cannot share equally


def check_figures(ranks: Ranks) -> None:
    own = float(ranks.rank)
    assert ranks.mean({"a": own, "b": 2.0}) == {"a": 0.5, "b": 2.0}
    assert ranks.as_first({"a": own + 7}) == {"a": 7.0}
    assert (ranks.any(own == 1), ranks.any(answer=False)) == (True, False)
    assert (ranks.all(own == 1), ranks.all(answer=True)) == (False, True)
    assert (ranks.is_same(3.0), ranks.is_same(own)) == (True, False)
    assert ranks.text_of_first(f"läufe/{ranks.rank}") == "läufe/0"
    assert ranks.text_of_first("" if ranks.is_first else "other") == ""
    assert ranks.first_before_others(lambda: ranks.rank) == ranks.rank


def check_batch_norm(ranks: Ranks) -> None:
    """Two shares give the losses, gradients and statistics of the whole batch, penalty and all."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Tanh(), nn.Conv2d(4, 1, 3)]
    whole = nn.Sequential(*layers)
    photos = torch.randn(PAIRS, 3, 9, 9) + torch.arange(PAIRS).view(-1, 1, 1, 1)
    part = ranks.prepare(copy.deepcopy(whole))
    start, stop = ranks.rows(PAIRS)
    weight = ranks.count * (stop - start) / PAIRS
    expected = learn(whole, whole, photos, 1.0)
    found = learn(ranks.wrap(part), part, photos[start:stop], weight)
    torch.testing.assert_close(ranks.mean({"loss": found})["loss"], expected, rtol=1e-4, atol=0)
    for one, other in zip(whole.parameters(), part.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-6)
    for one, other in zip(whole.buffers(), part.buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
    part.eval()
    torch.testing.assert_close(part(photos), whole.eval()(photos), rtol=1e-4, atol=1e-5)


def learn(network: nn.Module, own: nn.Module, photos: torch.Tensor, weight: float) -> float:
    own.train()
    photos = photos.clone().requires_grad_()
    logits = network(photos)
    loss = weight * (logits.square().mean() + r1_penalty(network(photos), photos))
    loss.backward()
    return loss.item()


if __name__ == "__main__":
    with joined(ProcessRank.from_environment(), torch.device("cpu")) as processes:
        assert processes.count == 2
        check_figures(processes)
        check_batch_norm(processes)
    os._exit(0)  # as the program does: Python's own end might abort where gloo's threads still run
