"""LPIPS (Zhang et al. 2018) as a loss: photos that look alike to a network that saw many."""

from torch import Tensor, nn

from sketchcli.errors import UsageError


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
