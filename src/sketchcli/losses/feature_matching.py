"""Feature matching (Wang et al. 2018, pix2pixHD, equation 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sketchcli.errors import UsageError


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
