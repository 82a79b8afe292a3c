"""What the two networks play for; logits are positive for "real"."""

from torch import Tensor
from torch.nn import functional

from sketchcli.config import ADVERSARIAL_LOSSES as KINDS
from sketchcli.errors import UsageError


def discriminator_loss(kind: str, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Loss of the discriminator, a scalar: low when it tells real from generated.

    Args:
        kind: `bce`, binary cross-entropy over real (1) and generated (0) photos (Goodfellow et
            al. 2014), or `hinge` (Lim and Ye 2017, equation 4).
        real_logits: `(B, ...)`, of real photos.
        fake_logits: The same shape, of generated photos.

    Raises:
        UsageError: Unknown kind.
    """
    real, fake = real_logits.float(), fake_logits.float()
    if kind == "bce":
        return (functional.softplus(-real).mean() + functional.softplus(fake).mean()) / 2
    if kind == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    raise _unknown(kind)


def generator_loss(kind: str, fake_logits: Tensor) -> Tensor:
    """Loss of the generator, a scalar: low when its photos pass for real.

    Args:
        kind: `bce` (the non-saturating form: cross-entropy against 1) or `hinge`.
        fake_logits: `(B, ...)`, of generated photos.

    Raises:
        UsageError: Unknown kind.
    """
    fake = fake_logits.float()
    if kind == "bce":
        return functional.softplus(-fake).mean()
    if kind == "hinge":
        return -fake.mean()
    raise _unknown(kind)


def _unknown(kind: str) -> UsageError:
    return UsageError(f"unknown adversarial loss '{kind}'", hint=f"known: {', '.join(KINDS)}")
