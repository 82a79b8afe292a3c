"""What the two networks play for; logits are positive for "real".

`vanilla`: binary cross-entropy (Goodfellow et al. 2014), in its non-saturating form.
`lsgan`: squared distance to 1 and 0 (Mao et al. 2017, equation 9).
`hinge`: Lim and Ye 2017, equation 4.
`relativistic`: cross-entropy of how much more real than the other kind's mean a photo looks
(Jolicoeur-Martineau 2018, the relativistic average GAN).
"""

from torch import Tensor
from torch.nn import functional

from sketchcli.config import ADVERSARIAL_LOSSES as KINDS
from sketchcli.errors import UsageError

RELATIVE = ("relativistic",)  # the kinds whose generator is compared with the real photos


def discriminator_loss(kind: str, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Loss of the discriminator, a scalar: low when it tells real from generated.

    Args:
        kind: One of `KINDS`.
        real_logits: `(B, ...)`, of real photos.
        fake_logits: The same shape, of generated photos.

    Raises:
        UsageError: Unknown kind.
    """
    real, fake = real_logits.float(), fake_logits.float()
    if kind == "vanilla":
        return (functional.softplus(-real).mean() + functional.softplus(fake).mean()) / 2
    if kind == "lsgan":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if kind == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    if kind == "relativistic":
        return _relativistic(real, fake)
    raise _unknown(kind)


def generator_loss(kind: str, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """Loss of the generator, a scalar: low when its photos pass for real.

    Args:
        kind: One of `KINDS`.
        fake_logits: `(B, ...)`, of generated photos.
        real_logits: The same shape, of the real ones; only the kinds in `RELATIVE` look at them.

    Raises:
        UsageError: Unknown kind.
    """
    fake = fake_logits.float()
    if kind == "vanilla":
        return functional.softplus(-fake).mean()
    if kind == "lsgan":
        return (fake - 1).square().mean()
    if kind == "hinge":
        return -fake.mean()
    if kind in RELATIVE:
        return _relativistic(fake, real_logits.float())
    raise _unknown(kind)


def _relativistic(wanted: Tensor, other: Tensor) -> Tensor:
    """Low when the wanted logits lie above the others' mean, and those below the wanted mean."""
    above = functional.softplus(other.mean() - wanted).mean()
    below = functional.softplus(other - wanted.mean()).mean()
    return (above + below) / 2


def _unknown(kind: str) -> UsageError:
    return UsageError(f"unknown adversarial loss '{kind}'", hint=f"known: {', '.join(KINDS)}")
