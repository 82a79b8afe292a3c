"""How far generated photos are from the true ones, pixel for pixel."""

from torch import Tensor
from torch.nn import functional

from sketchcli.config import RECONSTRUCTION_LOSSES as KINDS
from sketchcli.errors import UsageError


def reconstruction_loss(kind: str, fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute (`l1`) or squared (`mse`) difference of photos in [-1, 1], a scalar.

    Raises:
        UsageError: Unknown kind.
    """
    if kind == "l1":
        return functional.l1_loss(fake.float(), real)
    if kind == "mse":
        return functional.mse_loss(fake.float(), real)
    raise UsageError(f"unknown reconstruction loss '{kind}'", hint=f"known: {', '.join(KINDS)}")
