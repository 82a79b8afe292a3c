"""Random changes of training pairs, on whole batches.

Sketch and photo always move together: `augment_pairs` warps them as one picture of four channels.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sketchcli.config import AugmentationConfig

ELASTIC_POINTS = 5


def augment_pairs(
    sketch: Tensor, photo: Tensor, config: AugmentationConfig, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flip, rotate, scale, shift and bend pairs; then vary the sketches' pencil.

    Args:
        sketch: `(B, 1, H, W) in [-1, 1]`.
        photo: `(B, 3, H, W) in [-1, 1]`.
        config: How much of each.
        random: The source of all draws, on the CPU.
    """
    if _has_geometry(config):
        grid = warp_grid(sketch.shape, config, random).to(sketch.device)
        both = torch.cat([sketch, photo], dim=1)
        both = functional.grid_sample(
            both, grid, mode="bicubic", padding_mode="reflection", align_corners=False
        ).clamp(-1, 1)  # bilinear would teach the generator to blur
        sketch, photo = both[:, :1], both[:, 1:]
    if config.sketch_contrast:
        sketch = vary_pencil(sketch, config.sketch_contrast, random)
    return sketch, photo


def warp_grid(shape: torch.Size, config: AugmentationConfig, random: torch.Generator) -> Tensor:
    """Where each pixel of the augmented pictures comes from: `(B, H, W, 2)` in [-1, 1]."""
    count, _, height, width = shape
    angle = math.radians(config.rotation) * _between(count, random)
    zoom = 1 + config.scale * _between(count, random)
    mirror = torch.ones(count)
    if config.flip:
        mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cosine, sine, aspect = zoom * angle.cos(), zoom * angle.sin(), height / width
    shift_x, shift_y = (
        2 * config.shift * _between(count, random),
        2 * config.shift * _between(count, random),
    )
    rows = [mirror * cosine, -mirror * sine * aspect, shift_x, sine / aspect, cosine, shift_y]
    matrix = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = functional.affine_grid(matrix, [count, 1, height, width], align_corners=False)
    return grid + bend(count, (height, width), config.elastic, random)


def bend(count: int, size: tuple[int, int], strength: float, random: torch.Generator) -> Tensor:
    """Smooth displacements `(B, H, W, 2)`, drawn on a 5x5 grid and enlarged (DeepSIM, 2021).

    Args:
        count: Pictures.
        size: Height and width.
        strength: Standard deviation of a grid point's displacement, of the picture's size.
        random: The source of the draws.
    """
    points = torch.randn(count, 2, ELASTIC_POINTS, ELASTIC_POINTS, generator=random)
    smooth = functional.interpolate(points, size, mode="bicubic", align_corners=True)
    return 2 * strength * smooth.permute(0, 2, 3, 1)


def vary_pencil(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Press harder or softer: scale each sketch's darkness, and move its paper a little."""
    darkness = (1 - sketch) / 2
    gain = 1 + strength * _between(len(sketch), random)
    paper = strength / 5 * _between(len(sketch), random)
    darkness = darkness * _each(gain, sketch) + _each(paper, sketch)
    return 1 - 2 * darkness.clamp(0, 1)


class DiscriminatorAugmentation:
    """One draw of DiffAugment (Zhao et al. 2020): brightness, contrast, shift, cut-out.

    The same draw is laid over real and generated photos, so that feature matching compares like
    with like. It is differentiable, and it never reaches the generator's input or output.

    Args:
        shape: Of the photos, `(B, 3, H, W)`.
        random: The source of all draws, on the CPU.
    """

    BRIGHTNESS, CONTRAST, SHIFT, CUTOUT = 0.25, 0.25, 0.125, 0.3

    def __init__(self, shape: torch.Size, random: torch.Generator) -> None:
        count, _, height, width = shape
        self.brightness = self.BRIGHTNESS * _between(count, random)
        self.contrast = 1 + self.CONTRAST * _between(count, random)
        rows = _moved(count, height, self.SHIFT, random)
        columns = _moved(count, width, self.SHIFT, random)
        self.index = rows.clamp(0, height - 1)[:, :, None] * width
        self.index = (self.index + columns.clamp(0, width - 1)[:, None, :]).flatten(1)
        is_seen = _is_on(rows, height)[:, :, None] & _is_on(columns, width)[:, None, :]
        hole_rows = _hole(count, height, self.CUTOUT, random)
        hole_columns = _hole(count, width, self.CUTOUT, random)
        is_seen &= ~(hole_rows[:, :, None] & hole_columns[:, None, :])
        self.mask = is_seen[:, None].float()

    def __call__(self, sketch: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Change sketches and photos of the drawn shape."""
        brightness, contrast = _each(self.brightness, photo), _each(self.contrast, photo)
        mean = photo.mean(dim=(1, 2, 3), keepdim=True)
        photo = (photo - mean) * contrast + mean + brightness
        return self._move(sketch), self._move(photo)

    def _move(self, pixels: Tensor) -> Tensor:
        index = self.index.to(pixels.device)[:, None].expand(-1, pixels.shape[1], -1)
        moved = pixels.flatten(2).gather(2, index).view(pixels.shape)
        return moved * self.mask.to(pixels.device)


def _has_geometry(config: AugmentationConfig) -> bool:
    amounts = (config.rotation, config.scale, config.shift, config.elastic)
    return config.flip or any(amounts)


def _between(count: int, random: torch.Generator) -> Tensor:
    """Draws from [-1, 1), `(count,)`."""
    return 2 * torch.rand(count, generator=random) - 1


def _each(values: Tensor, pixels: Tensor) -> Tensor:
    """One value for each picture, ready to be multiplied."""
    return values.to(pixels.device).view(-1, 1, 1, 1)


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
