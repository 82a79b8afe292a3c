"""Batches in an order that depends on seed and epoch alone, so that a run can go on anywhere."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sketchcli import images
from sketchcli.data.prepared import Split, StoredSplit
from sketchcli.images import Pixels


def batches_per_epoch(count: int, batch_size: int) -> int:
    """Full batches in an epoch; a set smaller than one batch is one batch.

    >>> batches_per_epoch(88, 30), batches_per_epoch(5, 8)
    (2, 1)
    """
    return max(1, count // batch_size)


def epoch_batches(
    split: StoredSplit,
    indices: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start: int = 0,
) -> Iterator[tuple[int, Split]]:
    """The full batches of an epoch, in a shuffled order, numbered; the short rest is left out.

    Args:
        split: The pairs.
        indices: Which of them.
        batch_size: Pairs a batch.
        seed: The run's seed.
        epoch: Number of the epoch; each has an order of its own.
        start: Batch to begin with.
    """
    order = np.random.default_rng((seed, epoch)).permutation(indices)
    for batch in range(start, batches_per_epoch(len(indices), batch_size)):
        yield batch, split.take(order[batch * batch_size : (batch + 1) * batch_size].tolist())


def sketches_to_tensor(sketches: Pixels, device: torch.device) -> Tensor:
    """`(B, 1, H, W) in [-1, 1]` from uint8 `(B, H, W)`."""
    return torch.from_numpy(images.to_model_range(sketches)).unsqueeze(1).to(device)


def photos_to_tensor(photos: Pixels, device: torch.device) -> Tensor:
    """`(B, 3, H, W) in [-1, 1]`, channels last in memory, from uint8 `(B, H, W, 3)`."""
    return torch.from_numpy(images.to_model_range(photos)).permute(0, 3, 1, 2).to(device)


def tensor_to_photos(photos: Tensor) -> Pixels:
    """uint8 `(B, H, W, 3)` from `(B, 3, H, W) in [-1, 1]`."""
    return images.from_model_range(photos.permute(0, 2, 3, 1).float().cpu().numpy())
