"""What the discriminator sees of photos."""

import copy

import torch
from torch import Tensor

from sketchcli.data.augmentation.geometry import between, each


class DiscriminatorAugmentation:
    """One draw of DiffAugment (Zhao et al. 2020): brightness, contrast, shift, cut-out.

    The same draw is laid over real and generated photos, so that feature matching compares like
    with like. It is differentiable, and it never reaches the generator's input or output.

    Args:
        shape: Of the photos, `(B, 3, H, W)`.
        random: The source of all draws, on the CPU.
        strength: Probability of each change, for each picture (Karras et al. 2020).
    """

    BRIGHTNESS, CONTRAST, SHIFT, CUTOUT = 0.25, 0.25, 0.125, 0.3

    def __init__(
        self, shape: torch.Size, random: torch.Generator, *, strength: float = 1.0
    ) -> None:
        count, _, height, width = shape
        self.brightness = self.BRIGHTNESS * between(count, random)
        self.contrast = 1 + self.CONTRAST * between(count, random)
        rows = _moved(count, height, self.SHIFT, random)
        columns = _moved(count, width, self.SHIFT, random)
        hole_rows = _hole(count, height, self.CUTOUT, random)
        hole_columns = _hole(count, width, self.CUTOUT, random)
        if strength < 1:
            is_on = torch.rand(count, 4, generator=random) < strength
            self.brightness = self.brightness * is_on[:, 0]
            self.contrast = torch.where(is_on[:, 1], self.contrast, 1.0)
            rows = torch.where(is_on[:, 2:3], rows, torch.arange(height))
            columns = torch.where(is_on[:, 2:3], columns, torch.arange(width))
            hole_rows &= is_on[:, 3:4]
        self.index = rows.clamp(0, height - 1)[:, :, None] * width
        self.index = (self.index + columns.clamp(0, width - 1)[:, None, :]).flatten(1)
        is_seen = _is_on(rows, height)[:, :, None] & _is_on(columns, width)[:, None, :]
        is_seen &= ~(hole_rows[:, :, None] & hole_columns[:, None, :])
        self.mask = is_seen[:, None].float()

    def rows(self, start: int, stop: int) -> "DiscriminatorAugmentation":
        """The same draw, for some of the pictures."""
        part = copy.copy(self)
        for name in ("brightness", "contrast", "index", "mask"):
            setattr(part, name, getattr(self, name)[start:stop])
        return part

    def __call__(self, sketch: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Change sketches and photos of the drawn shape."""
        brightness, contrast = each(self.brightness, photo), each(self.contrast, photo)
        mean = photo.mean(dim=(1, 2, 3), keepdim=True)
        photo = (photo - mean) * contrast + mean + brightness
        return self._move(sketch), self._move(photo)

    def _move(self, pixels: Tensor) -> Tensor:
        index = self.index.to(pixels.device)[:, None].expand(-1, pixels.shape[1], -1)
        moved = pixels.flatten(2).gather(2, index).view(pixels.shape)
        return moved * self.mask.to(pixels.device)


def _moved(count: int, side: int, share: float, random: torch.Generator) -> Tensor:
    """For each picture, positions along a side, moved by up to `share` of it: `(B, side)`."""
    reach = round(share * side)
    offset = torch.randint(-reach, reach + 1, (count, 1), generator=random)
    return torch.arange(side)[None] + offset


def _is_on(positions: Tensor, side: int) -> Tensor:
    return (positions >= 0) & (positions < side)


def _hole(count: int, side: int, share: float, random: torch.Generator) -> Tensor:
    """For each picture, which positions along a side lie in the cut-out: `(B, side)`."""
    length = round(share * side)
    start = torch.randint(1 - length, side, (count, 1), generator=random)
    positions = torch.arange(side)[None]
    return (positions >= start) & (positions < start + length)
