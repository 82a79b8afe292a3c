"""1 - SSIM (Wang et al. 2004), as `metrics/ssim.py` measures it, but differentiable."""

from torch import Tensor
from torch.nn import functional

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
