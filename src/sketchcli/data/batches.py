"""Batches and their augmentation; their order depends only on seed and epoch, for resuming."""

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sketchcli.config import AugmentationConfig
from sketchcli.data.prepared import Split


def batches_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of full batches per epoch; fewer pairs than a batch are one batch.

    >>> batches_per_epoch(88, 30), batches_per_epoch(5, 8)
    (2, 1)
    """
    return max(1, count // batch_size)


def epoch_batches(
    split: Split,
    indices: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    start: int = 0,
) -> Iterator[tuple[int, Split]]:
    """Yield number and pairs of each full batch of an epoch, from batch `start` on.

    The pairs at `indices` are shuffled anew for every epoch. An incomplete last batch is dropped.
    """
    order = np.random.default_rng((seed, epoch)).permutation(indices)
    for batch in range(start, batches_per_epoch(len(indices), batch_size)):
        yield batch, split.take(order[batch * batch_size : (batch + 1) * batch_size].tolist())


# This section warps and mixes pairs; sketch and photo share one warp and are resampled once.

ELASTIC_POINTS = 5  # grid points per side
MIXING_POINTS = 3  # grid points per side
MIXING_SLOPE = 6.0  # slope of the sigmoid between two mixed images


def warp(
    sketch: Tensor, photo: Tensor, config: AugmentationConfig, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flip, rotate, scale, shift, crop and bend pairs, as images with the channels of both."""
    amounts = (config.rotation, config.scale, config.shift, config.elastic, config.jitter)
    if not (config.flip or any(amounts)):
        return sketch, photo
    grid = warp_grid(sketch.shape, config, random).to(sketch.device)
    both = torch.cat([sketch, photo], dim=1)
    both = functional.grid_sample(
        both, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    ).clamp(-1, 1)  # bilinear interpolation would teach the generator to blur
    return both[:, : sketch.shape[1]], both[:, sketch.shape[1] :]


def warp_grid(shape: torch.Size, config: AugmentationConfig, random: torch.Generator) -> Tensor:
    """Return the source position of each augmented pixel: `(B, H, W, 2)` in [-1, 1]."""
    count, _, height, width = shape
    angle = math.radians(config.rotation) * between(count, random)
    zoom = 1 + config.scale * between(count, random)
    mirror = torch.ones(count)
    if config.flip:
        mirror = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    cosine, sine, aspect = zoom * angle.cos(), zoom * angle.sin(), height / width
    shift_x, shift_y = (2 * config.shift * between(count, random) for _ in range(2))
    rows = [mirror * cosine, -mirror * sine * aspect, shift_x, sine / aspect, cosine, shift_y]
    matrix = torch.stack(rows, dim=1).view(count, 2, 3)
    if config.jitter:
        # Each image is a random window of an enlarged one: pix2pix enlarges 256 pixels to 286 and
        # crops 256 of them, which is a jitter of 30 / 256 (Isola et al. 2017).
        window = 1 / (1 + config.jitter)  # side of the window, as a fraction of the enlarged side
        matrix[:, :, :2] *= window
        matrix[:, 0, 2] += (1 - window) * between(count, random)
        matrix[:, 1, 2] += (1 - window) * between(count, random)
    grid = functional.affine_grid(matrix, [count, 1, height, width], align_corners=False)
    # The displacements are smooth (DeepSIM, 2021); `elastic` is their standard deviation at a grid
    # point, as a fraction of the image size.
    smooth = field(count, (height, width), ELASTIC_POINTS, random, channels=2)
    return grid + 2 * config.elastic * smooth.permute(0, 2, 3, 1)


def mix(
    sketch: Tensor, photo: Tensor, amount: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blend a fraction `amount` of the pairs with others of their batch, along a shared soft mask.

    This is CutMix (Yun et al. 2019) for pairs: the generator cannot infer one part of a face from
    another. The mask is smooth, so that there is no seam to learn.
    """
    count = len(sketch)
    other = torch.randperm(count, generator=random)
    smooth = field(count, sketch.shape[-2:], MIXING_POINTS, random)
    is_mixed = (torch.rand(count, generator=random) < amount).float().view(-1, 1, 1, 1)
    mask = ((MIXING_SLOPE * smooth).sigmoid() * is_mixed).to(sketch.device)
    return torch.lerp(sketch, sketch[other], mask), torch.lerp(photo, photo[other], mask)


# This section samples the random numbers that the augmentations use, one per image.


def between(count: int, random: torch.Generator) -> Tensor:
    """Sample from [-1, 1), `(count,)`."""
    return 2 * torch.rand(count, generator=random) - 1


def field(
    count: int, size: Sequence[int], points: int, random: torch.Generator, *, channels: int = 1
) -> Tensor:
    """Return smooth normal values `(B, channels, H, W)`, sampled on a grid and enlarged."""
    sampled = torch.randn(count, channels, points, points, generator=random)
    return functional.interpolate(sampled, tuple(size), mode="bicubic", align_corners=True)


def each(values: Tensor, pixels: Tensor) -> Tensor:
    """Reshape one value per image so that it multiplies images."""
    return values.to(pixels.device).view(-1, 1, 1, 1)


# This section varies the pencil, the hand and the paper of the sketch alone.

TONE_POINTS, ERASURE_POINTS = 4, 16  # grid points per side
ERASED_ABOVE = 1.6  # standard deviations of a smooth field; 5% of its grid points are above
DARKEST_MIDTONE = 1e-4  # least darkness, which avoids powers of zero


def vary_pencil(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Press harder or softer by scaling each sketch's darkness and shifting its paper a little."""
    darkness = (1 - sketch) / 2
    gain = 1 + strength * between(len(sketch), random)
    paper = strength / 5 * between(len(sketch), random)
    darkness = darkness * each(gain, sketch) + each(paper, sketch)
    return 1 - 2 * darkness.clamp(0, 1)


def vary_strokes(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Blunt or sharpen the pencil by blending with the darkest or the lightest of 3x3 pixels."""
    amount = each(strength * between(len(sketch), random), sketch)
    thicker = -functional.max_pool2d(-sketch, 3, stride=1, padding=1)
    thinner = functional.max_pool2d(sketch, 3, stride=1, padding=1)
    return torch.lerp(sketch, torch.where(amount > 0, thicker, thinner), amount.abs())


def vary_midtones(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shade darker or lighter while paper and black stay the same."""
    power = each((strength * between(len(sketch), random)).exp(), sketch)
    darkness = ((1 - sketch) / 2).clamp(DARKEST_MIDTONE, 1)
    return 1 - 2 * darkness**power


def tint_paper(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Lighten and darken the sheet unevenly, as a scanner or a lamp does."""
    tone = field(len(sketch), sketch.shape[-2:], TONE_POINTS, random).to(sketch.device)
    return (sketch + strength * tone).clamp(-1, 1)


def rub_out(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Leave soft spots of white paper in a fraction `strength` of the sketches."""
    smooth = field(len(sketch), sketch.shape[-2:], ERASURE_POINTS, random).to(sketch.device)
    spots = 4 * (smooth - ERASED_ABOVE)
    is_rubbed = each((torch.rand(len(sketch), generator=random) < strength).float(), sketch)
    return torch.lerp(sketch, torch.ones_like(sketch), spots.clamp(0, 1) * is_rubbed)


def add_grain(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Add normal noise with a deviation of up to `strength` of the range from black to white."""
    amount = each(2 * strength * torch.rand(len(sketch), generator=random), sketch)
    grain = torch.randn(sketch.shape, generator=random).to(sketch.device)
    return (sketch + amount * grain).clamp(-1, 1)


# This section augments the photos that the discriminator sees.


class DiscriminatorAugmentation:
    """One sample of DiffAugment (Zhao et al. 2020) for photos of a shape `(B, C, H, W)`.

    Brightness, contrast, shift and cutout each apply to an image with probability `strength`
    (Karras et al. 2020). The same sample is used for real and generated photos, so that feature
    matching compares like with like. It is differentiable, and never affects the generator's input
    or output. The random generator is on the CPU.
    """

    BRIGHTNESS, CONTRAST, SHIFT, CUTOUT = 0.25, 0.25, 0.125, 0.3

    def __init__(
        self, shape: torch.Size, random: torch.Generator, *, strength: float = 1.0
    ) -> None:
        count, _, height, width = shape
        self.brightness = self.BRIGHTNESS * between(count, random)
        self.contrast = 1 + self.CONTRAST * between(count, random)
        rows, columns = (_moved(count, side, self.SHIFT, random) for side in (height, width))
        hole_rows, hole_columns = (
            _hole(count, side, self.CUTOUT, random) for side in (height, width)
        )
        if strength < 1:
            is_on = torch.rand(count, 4, generator=random) < strength
            self.brightness = self.brightness * is_on[:, 0]
            self.contrast = torch.where(is_on[:, 1], self.contrast, 1.0)
            rows = torch.where(is_on[:, 2:3], rows, torch.arange(height))
            columns = torch.where(is_on[:, 2:3], columns, torch.arange(width))
            hole_rows &= is_on[:, 3:4]
        self.index = rows.clamp(0, height - 1)[:, :, None] * width
        self.index = (self.index + columns.clamp(0, width - 1)[:, None, :]).flatten(1)
        is_row, is_column = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        is_seen = is_row[:, :, None] & is_column[:, None, :]
        is_seen &= ~(hole_rows[:, :, None] & hole_columns[:, None, :])
        self.mask = is_seen[:, None].float()

    def rows(self, start: int, stop: int) -> "DiscriminatorAugmentation":
        """Return the same sample for some of the images."""
        part = copy.copy(self)
        for name in ("brightness", "contrast", "index", "mask"):
            setattr(part, name, getattr(self, name)[start:stop])
        return part

    def __call__(self, sketch: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Augment pairs; brightness and contrast change only in the photos."""
        brightness, contrast = each(self.brightness, photo), each(self.contrast, photo)
        mean = photo.mean(dim=(1, 2, 3), keepdim=True)
        photo = (photo - mean) * contrast + mean + brightness
        return self._move(sketch), self._move(photo)

    def _move(self, pixels: Tensor) -> Tensor:
        index = self.index.to(pixels.device)[:, None].expand(-1, pixels.shape[1], -1)
        moved = pixels.flatten(2).gather(2, index).view(pixels.shape)
        return moved * self.mask.to(pixels.device)


def _moved(count: int, side: int, share: float, random: torch.Generator) -> Tensor:
    """Return each image's positions along a side, moved by up to `share` of it: `(B, side)`."""
    reach = round(share * side)
    offset = torch.randint(-reach, reach + 1, (count, 1), generator=random)
    return torch.arange(side)[None] + offset


def _hole(count: int, side: int, share: float, random: torch.Generator) -> Tensor:
    """Return which positions along a side lie in each image's cutout: `(B, side)`."""
    length = round(share * side)
    start = torch.randint(1 - length, side, (count, 1), generator=random)
    positions = torch.arange(side)[None]
    return (positions >= start) & (positions < start + length)


# This section applies the augmentations to whole batches of training pairs.


def augment_pairs(
    sketch: Tensor,
    photo: Tensor,
    config: AugmentationConfig,
    random: torch.Generator,
    *,
    is_sketch: bool = True,
) -> tuple[Tensor, Tensor]:
    """Blend and warp inputs and targets, both `(B, C, H, W)`, then vary inputs that are sketches.

    The values are in [-1, 1]. A change whose amount is 0 samples no random numbers, and the
    generator is on the CPU.
    """
    if config.mixing:
        sketch, photo = mix(sketch, photo, config.mixing, random)
    sketch, photo = warp(sketch, photo, config, random)
    changes = (  # in the order in which a drawing is made
        (vary_strokes, config.sketch_stroke),
        (vary_pencil, config.sketch_contrast),
        (vary_midtones, config.sketch_gamma),
        (tint_paper, config.sketch_tone),
        (rub_out, config.sketch_erasure),
        (add_grain, config.sketch_noise),
    )
    for change, amount in changes:
        if amount and is_sketch:
            sketch = change(sketch, amount, random)
    return sketch, photo
