"""Where pixels of augmented pairs come from: one warp of sketch and photo, resampled once."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sketchcli.config import AugmentationConfig

ELASTIC_POINTS = 5
MIXING_POINTS = 3
MIXING_SLOPE = 6.0  # how steeply one picture turns into the other


def warp(
    sketch: Tensor, photo: Tensor, config: AugmentationConfig, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flip, rotate, scale, shift, cut and bend pairs, as pictures of four channels."""
    if not has_geometry(config):
        return sketch, photo
    grid = warp_grid(sketch.shape, config, random).to(sketch.device)
    both = torch.cat([sketch, photo], dim=1)
    both = functional.grid_sample(
        both, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    ).clamp(-1, 1)  # bilinear would teach the generator to blur
    return both[:, :1], both[:, 1:]


def warp_grid(shape: torch.Size, config: AugmentationConfig, random: torch.Generator) -> Tensor:
    """Where each pixel of the augmented pictures comes from: `(B, H, W, 2)` in [-1, 1]."""
    count, _, height, width = shape
    angle = math.radians(config.rotation) * between(count, random)
    zoom = 1 + config.scale * between(count, random)
    mirror = torch.ones(count)
    if config.flip:
        mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cosine, sine, aspect = zoom * angle.cos(), zoom * angle.sin(), height / width
    shift_x, shift_y = (
        2 * config.shift * between(count, random),
        2 * config.shift * between(count, random),
    )
    rows = [mirror * cosine, -mirror * sine * aspect, shift_x, sine / aspect, cosine, shift_y]
    matrix = torch.stack(rows, dim=1).view(count, 2, 3)
    if config.jitter:
        matrix = cut_windows(matrix, config.jitter, random)
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


def cut_windows(matrix: Tensor, jitter: float, random: torch.Generator) -> Tensor:
    """Let each picture come from a random window of its own size in an enlarged one.

    pix2pix enlarges 256 pixels to 286 and cuts 256 of them out (Isola et al. 2017).

    Args:
        matrix: `(B, 2, 3)`: where pixels come from without it.
        jitter: What the picture is enlarged by, of its size: 30 / 256 in pix2pix.
        random: The source of the draws.
    """
    window = 1 / (1 + jitter)  # of the enlarged picture's sides
    count = len(matrix)
    corner = torch.stack([between(count, random), between(count, random)], dim=1)
    moved = matrix[:, :, 2] + (1 - window) * corner
    return torch.cat([window * matrix[:, :, :2], moved[:, :, None]], dim=2)


def mix(
    sketch: Tensor, photo: Tensor, amount: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blend pairs with others of their batch, sketch and photo along the same soft mask.

    CutMix (Yun et al. 2019) for pairs: what is above an eye must not tell what is below it. The
    mask is smooth, so that there is no seam to learn.

    Args:
        sketch: `(B, 1, H, W)`.
        photo: `(B, 3, H, W)`.
        amount: Share of the pairs that are blended.
        random: The source of all draws.
    """
    count = len(sketch)
    other = torch.randperm(count, generator=random)
    points = torch.randn(count, 1, MIXING_POINTS, MIXING_POINTS, generator=random)
    smooth = functional.interpolate(points, sketch.shape[-2:], mode="bicubic", align_corners=True)
    is_mixed = (share(count, random) < amount).float().view(-1, 1, 1, 1)
    mask = ((MIXING_SLOPE * smooth).sigmoid() * is_mixed).to(sketch.device)
    return torch.lerp(sketch, sketch[other], mask), torch.lerp(photo, photo[other], mask)


def has_geometry(config: AugmentationConfig) -> bool:
    """Whether any setting moves pixels."""
    amounts = (config.rotation, config.scale, config.shift, config.elastic, config.jitter)
    return config.flip or any(amounts)


# Draws that every augmentation is made of.


def between(count: int, random: torch.Generator) -> Tensor:
    """Draws from [-1, 1), `(count,)`."""
    return 2 * torch.rand(count, generator=random) - 1


def share(count: int, random: torch.Generator) -> Tensor:
    """Draws from [0, 1), `(count,)`."""
    return torch.rand(count, generator=random)


def each(values: Tensor, pixels: Tensor) -> Tensor:
    """One value for each picture, ready to be multiplied."""
    return values.to(pixels.device).view(-1, 1, 1, 1)
