"""R1 (Mescheder et al. 2018, equation 9): the discriminator's slope at real photos."""

import torch
from torch import Tensor


def r1_penalty(logits: Tensor, photo: Tensor) -> Tensor:
    """Half the squared norm of the gradient, the mean over the batch, a scalar.

    A map of logits counts as its mean, so that a weight means the same at every size.

    Args:
        logits: `(B, ...)` that a discriminator gave to `photo`.
        photo: `(B, 3, H, W)` that requires a gradient.
    """
    total = logits.float().reshape(len(logits), -1).mean(dim=1).sum()
    (slope,) = torch.autograd.grad(total, photo, create_graph=True)
    return slope.float().square().sum(dim=(1, 2, 3)).mean() / 2
