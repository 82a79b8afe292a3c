"""Progressive growth of the image size (Karras et al. 2018).

Small pictures first: they train faster, and what they teach holds for larger ones. The networks
are fully convolutional, so nothing is added or faded in when the size doubles; with one that is
not, a run cannot grow.
"""

from torch import Tensor, nn
from torch.nn import functional

from sketchcli.config import DataConfig
from sketchcli.errors import UsageError

SMALLEST = 32
MULTIPLE = 8  # of the sides of a picture that is not at full size yet
Size = tuple[int, int]


def stages(size: Size, grow_from: int) -> list[Size]:
    """The sizes, height and width, that a run goes through.

    Args:
        size: The last one.
        grow_from: Shorter side of the first one; 0: there is only the last.

    Raises:
        UsageError: The first one is smaller than the networks can take.

    >>> stages((128, 128), 32)
    [(32, 32), (64, 64), (128, 128)]
    >>> stages((250, 200), 64)
    [(80, 64), (160, 128), (250, 200)]
    """
    if not grow_from:
        return [size]
    if grow_from < SMALLEST:
        raise UsageError(f"cannot grow from {grow_from} pixels", hint=f"{SMALLEST} at least")
    found, side = [], grow_from
    while side < min(size):
        scale = side / min(size)
        height, width = (round(edge * scale / MULTIPLE) * MULTIPLE for edge in size)
        found.append((height, width))
        side *= 2
    return [*found, size]


def check_can_grow(discriminator: nn.Module, size: Size, grow_from: int) -> None:
    """Refuse a growth that the networks cannot follow.

    Raises:
        UsageError: It begins too small, or the discriminator is for pictures of one size.
    """
    if len(stages(size, grow_from)) > 1 and getattr(discriminator, "is_of_one_size", False):
        raise UsageError(
            "--grow-from: this discriminator takes pictures of one size",
            hint="choose another: --set model.discriminator=patch",
        )


def size_at(done: float, config: DataConfig, size: Size) -> Size:
    """The size at a point of the run.

    The sizes before the last one share the first part of the run equally.

    Args:
        done: Share of the run, in [0, 1].
        config: Where it starts, and the share of the run until the full size.
        size: The full size, height and width.

    >>> config = DataConfig(grow_from=32, grow_share=0.5)
    >>> [size_at(done, config, (128, 128))[0] for done in (0, 0.3, 0.5, 1)]
    [32, 64, 128, 128]
    """
    sizes = stages(size, config.grow_from)
    if done >= config.grow_share or len(sizes) == 1:
        return size
    return sizes[int(done / config.grow_share * (len(sizes) - 1))]


def resize_batch(sketch: Tensor, photo: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Sketches `(B, 1, H, W)` and photos `(B, 3, H, W)`, reduced; at full size as they are.

    Every pixel becomes the mean of those that it covers.
    """
    if sketch.shape[-2:] == size:
        return sketch, photo
    return functional.adaptive_avg_pool2d(sketch, size), functional.adaptive_avg_pool2d(photo, size)
