"""Loss terms: functions of logits, features and images; logits are positive for real photos."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sketchcli.config import ADVERSARIAL_LOSSES, RECONSTRUCTION_LOSSES
from sketchcli.errors import UsageError

# The adversarial losses come from these papers:
#
# `vanilla`: binary cross-entropy (Goodfellow et al. 2014), in its non-saturating form.
# `lsgan`: squared distance to 1 and 0 (Mao et al. 2017, equation 9).
# `hinge`: Lim and Ye 2017, equation 4.
# `relativistic`: cross-entropy of a logit minus the mean logit of the opposite kind
# (Jolicoeur-Martineau 2018, the relativistic average GAN).


def discriminator_loss(kind: str, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return the discriminator's loss, a scalar, low if it distinguishes real from generated.

    The kind is one of `ADVERSARIAL_LOSSES`; both logits have the same shape `(B, ...)`.
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
    """Return the generator's adversarial loss, a scalar, low if its photos are classified as real.

    The kind is one of `ADVERSARIAL_LOSSES`; both logits have the same shape `(B, ...)`. The logits
    of the real photos are used only by `relativistic`.
    """
    fake = fake_logits.float()
    if kind == "vanilla":
        return functional.softplus(-fake).mean()
    if kind == "lsgan":
        return (fake - 1).square().mean()
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        return _relativistic(fake, real_logits.float())
    raise _unknown(kind)


def _relativistic(wanted: Tensor, other: Tensor) -> Tensor:
    """Return a loss that is low if `wanted` is above the mean of `other`, and `other` below its."""
    above = functional.softplus(other.mean() - wanted).mean()
    below = functional.softplus(other - wanted.mean()).mean()
    return (above + below) / 2


def _unknown(kind: str) -> UsageError:
    return UsageError(
        f"unknown adversarial loss '{kind}'", hint=f"choose from: {', '.join(ADVERSARIAL_LOSSES)}"
    )


def reconstruction_loss(kind: str, fake: Tensor, real: Tensor) -> Tensor:
    """Return a scalar: the mean absolute (`l1`) or squared (`mse`) difference of two photos."""
    if kind == "l1":
        return functional.l1_loss(fake.float(), real)
    if kind == "mse":
        return functional.mse_loss(fake.float(), real)
    raise UsageError(
        f"unknown reconstruction loss '{kind}'",
        hint=f"choose from: {', '.join(RECONSTRUCTION_LOSSES)}",
    )


# The structure loss is 1 - SSIM (Wang et al. 2004) as in `metrics/structural.py`, differentiable.

WINDOW = 7  # pixels
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]
LUMA = (0.299, 0.587, 0.114)


def structure_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return 1 - the mean SSIM of the grey values of photos `(B, C, H, W)` in [-1, 1], a scalar.

    The window is uniform, 7x7; the images are mirrored beyond their borders.
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
    """Convert photos `(B, C, H, W)` in [-1, 1] to grey values `(B, 1, H, W)` in [0, 1]."""
    if photo.shape[1] == 3:
        photo = (photo * photo.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    return photo / 2 + 0.5


def _means(values: Tensor) -> Tensor:
    around = functional.pad(values, (WINDOW // 2,) * 4, mode="reflect")
    return functional.avg_pool2d(around, WINDOW, stride=1)


def gradient_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return the mean absolute difference of gradients of photos `(B, C, H, W)` in [-1, 1].

    The gradients are the differences of horizontal and of vertical neighbours, at full, half and
    quarter size (Mathieu et al. 2016, equation 6, on three scales). The result is a scalar.
    """
    first, second, losses = fake.float(), real.float(), []
    for _ in range(3):
        across = functional.l1_loss(first.diff(dim=-1), second.diff(dim=-1))
        losses.append(across + functional.l1_loss(first.diff(dim=-2), second.diff(dim=-2)))
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    return torch.stack(losses).mean()


# The perceptual loss is LPIPS (Zhang et al. 2018): photos should look alike to a trained network.


class PerceptualLoss:
    """The distance between two batches of photos of a size according to a frozen network.

    The network returns distances `(B,)` for two `(B, 3, H, W)` in [0, 255]; its `smallest` is the
    shortest side that it accepts, in pixels.
    """

    def __init__(self, network: nn.Module, size: tuple[int, int]) -> None:
        if min(size) < int(network.smallest):  # type: ignore[arg-type]
            raise UsageError(
                f"the perceptual loss needs photos of at least {network.smallest} pixels",
                hint="prepare larger images, or set loss.perceptual_weight to 0",
            )
        self.network = network.eval().requires_grad_(requires_grad=False)

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the mean distance of photos `(B, C, H, W)` in [-1, 1], a scalar."""
        rgb = (127.5 * (photo.float() + 1).expand(-1, 3, -1, -1) for photo in (fake, real))
        distances: Tensor = self.network(*rgb)
        return distances.mean().float()


# Feature matching follows pix2pixHD (Wang et al. 2018, equation 4).


def feature_matching_loss(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Return the mean absolute difference of a discriminator's activations, averaged over layers.

    Each layer has one tensor in `fake` and one of the same shape in `real`, into which no gradient
    flows.
    """
    if not fake:
        raise UsageError(
            "this discriminator has no features to match",
            hint="set loss.feature_matching_weight to 0, or use --set model.discriminator=patch",
        )
    layers = zip(fake, real, strict=True)
    losses = [functional.l1_loss(f.float(), r.detach().float()) for f, r in layers]
    return torch.stack(losses).mean()


# R1 (Mescheder et al. 2018, equation 9) penalises the discriminator's gradient at real photos.


def r1_penalty(logits: Tensor, photo: Tensor) -> Tensor:
    """Return half the squared norm of the gradient, averaged over the batch, a scalar.

    The logits `(B, ...)` are those of `photo`, `(B, C, H, W)`, which requires a gradient. A map of
    logits is replaced by its mean, so that the weight means the same at every image size.
    """
    total = logits.float().reshape(len(logits), -1).mean(dim=1).sum()
    (slope,) = torch.autograd.grad(total, photo, create_graph=True)
    return slope.float().square().sum(dim=(1, 2, 3)).mean() / 2
