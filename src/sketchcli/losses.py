"""Loss terms: small functions of logits, features and pictures; logits are positive for "real"."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.config import ADVERSARIAL_LOSSES, RECONSTRUCTION_LOSSES
from sketchcli.errors import UsageError

# What the two networks play for; logits are positive for "real".
#
# `vanilla`: binary cross-entropy (Goodfellow et al. 2014), in its non-saturating form.
# `lsgan`: squared distance to 1 and 0 (Mao et al. 2017, equation 9).
# `hinge`: Lim and Ye 2017, equation 4.
# `relativistic`: cross-entropy of how much more real than the other kind's mean a photo looks
# (Jolicoeur-Martineau 2018, the relativistic average GAN).

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
    return UsageError(
        f"unknown adversarial loss '{kind}'", hint=f"known: {', '.join(ADVERSARIAL_LOSSES)}"
    )


# How far generated photos are from the true ones, pixel for pixel.


def reconstruction_loss(kind: str, fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute (`l1`) or squared (`mse`) difference of photos in [-1, 1], a scalar.

    Raises:
        UsageError: Unknown kind.
    """
    if kind == "l1":
        return functional.l1_loss(fake.float(), real)
    if kind == "mse":
        return functional.mse_loss(fake.float(), real)
    raise UsageError(
        f"unknown reconstruction loss '{kind}'", hint=f"known: {', '.join(RECONSTRUCTION_LOSSES)}"
    )


# 1 - SSIM (Wang et al. 2004), as `metrics/structural.py` measures it, but differentiable.

WINDOW = 7
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]
LUMA = (0.299, 0.587, 0.114)


def structure_loss(fake: Tensor, real: Tensor) -> Tensor:
    """1 - the mean SSIM of the grey values of photos `(B, 3, H, W)` in [-1, 1], a scalar.

    The window is uniform, 7x7; the pictures are mirrored beyond their borders.
    """
    x, y = _grey(fake.float()), _grey(real.float())
    mean_x, mean_y = _means(x), _means(y)
    variance_x = _means(x * x) - mean_x * mean_x
    variance_y = _means(y * y) - mean_y * mean_y
    covariance = _means(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return 1 - (luminance * structure).mean()


def _grey(photo: Tensor) -> Tensor:
    """`(B, 1, H, W)` in [0, 1]."""
    return (photo * photo.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True) / 2 + 0.5


def _means(values: Tensor) -> Tensor:
    around = functional.pad(values, (WINDOW // 2,) * 4, mode="reflect")
    return functional.avg_pool2d(around, WINDOW, stride=1)


# How far the edges of two photos are apart, from fine to coarse.

SCALES = 3


def gradient_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of the slopes of photos `(B, 3, H, W)` in [-1, 1], a scalar.

    The slopes are the differences of horizontal and of vertical neighbours, at full size, half and
    a quarter (Mathieu et al. 2016, equation 6, on three scales).
    """
    first, second, losses = fake.float(), real.float(), []
    for _ in range(SCALES):
        losses.append(_slope_distance(first, second))
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    return torch.stack(losses).mean()


def _slope_distance(first: Tensor, second: Tensor) -> Tensor:
    across = functional.l1_loss(first.diff(dim=-1), second.diff(dim=-1))
    down = functional.l1_loss(first.diff(dim=-2), second.diff(dim=-2))
    return across + down


# LPIPS (Zhang et al. 2018) as a loss: photos that look alike to a network that saw many.


class PerceptualLoss:
    """The distance that a frozen network sees between two batches of photos.

    Args:
        network: Called with two `(B, 3, H, W)` in [0, 255], gives distances `(B,)`; its `smallest`
            is the shortest side that it can look at.
        size: Height and width of the photos.

    Raises:
        UsageError: The photos are smaller than that.
    """

    def __init__(self, network: nn.Module, size: tuple[int, int]) -> None:
        if min(size) < int(network.smallest):  # type: ignore[arg-type]
            raise UsageError(
                f"the perceptual loss needs photos of {network.smallest} pixels or more",
                hint="prepare a larger size, or leave perceptual_weight at 0",
            )
        self.network = network.eval().requires_grad_(requires_grad=False)

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """The mean distance of photos `(B, 3, H, W)` in [-1, 1], a scalar."""
        distances: Tensor = self.network(127.5 * (fake.float() + 1), 127.5 * (real.float() + 1))
        return distances.mean().float()


# Feature matching (Wang et al. 2018, pix2pixHD, equation 4).


def feature_matching_loss(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's activations, averaged over its layers.

    Args:
        fake: Activations of the generated photos, a tensor a layer.
        real: Activations of the real photos, of the same shapes; no gradient flows into them.

    Raises:
        UsageError: The discriminator has none to show.
    """
    if not fake:
        raise UsageError(
            "this discriminator has no features to be matched",
            hint="leave loss.feature_matching_weight at 0, or --set model.discriminator=patch",
        )
    layers = zip(fake, real, strict=True)
    return torch.stack(
        [functional.l1_loss(f.float(), r.detach().float()) for f, r in layers]
    ).mean()


# R1 (Mescheder et al. 2018, equation 9): the discriminator's slope at real photos.


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
