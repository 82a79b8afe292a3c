"""Changes of the sketch alone: another pencil, another hand, another paper."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from sketchcli.config import AugmentationConfig
from sketchcli.data.augmentation.geometry import between, each, share

TONE_POINTS, ERASURE_POINTS = 4, 16
ERASED_ABOVE = 1.6  # standard deviations of a smooth field: one spot in twenty
DARKEST_MIDTONE = 1e-4  # so that a power of it has a value

Change = Callable[[Tensor, float, torch.Generator], Tensor]


def roughen(sketch: Tensor, config: AugmentationConfig, random: torch.Generator) -> Tensor:
    """All changes that have an amount, in the order in which a drawing comes about.

    Args:
        sketch: `(B, 1, H, W) in [-1, 1]`.
        config: How much of each; what has none draws nothing.
        random: The source of all draws, on the CPU.
    """
    changes: tuple[tuple[Change, float], ...] = (
        (vary_strokes, config.sketch_stroke),
        (vary_pencil, config.sketch_contrast),
        (vary_midtones, config.sketch_gamma),
        (tint_paper, config.sketch_tone),
        (rub_out, config.sketch_erasure),
        (add_grain, config.sketch_noise),
    )
    for change, amount in changes:
        if amount:
            sketch = change(sketch, amount, random)
    return sketch


def vary_pencil(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Press harder or softer: scale each sketch's darkness, and move its paper a little."""
    darkness = (1 - sketch) / 2
    gain = 1 + strength * between(len(sketch), random)
    paper = strength / 5 * between(len(sketch), random)
    darkness = darkness * each(gain, sketch) + each(paper, sketch)
    return 1 - 2 * darkness.clamp(0, 1)


def vary_strokes(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Draw with a blunter or sharper pencil: blend with the darkest, or lightest, of 3x3 pixels."""
    amount = each(strength * between(len(sketch), random), sketch)
    thicker = -functional.max_pool2d(-sketch, 3, stride=1, padding=1)
    thinner = functional.max_pool2d(sketch, 3, stride=1, padding=1)
    return torch.lerp(sketch, torch.where(amount > 0, thicker, thinner), amount.abs())


def vary_midtones(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shade darker or lighter; paper and black stay."""
    power = each((strength * between(len(sketch), random)).exp(), sketch)
    darkness = ((1 - sketch) / 2).clamp(DARKEST_MIDTONE, 1)
    return 1 - 2 * darkness**power


def tint_paper(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Lighten and darken the sheet unevenly, as a scanner or a lamp does."""
    return (sketch + strength * _field(sketch, TONE_POINTS, random)).clamp(-1, 1)


def rub_out(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Leave soft spots of white paper in a share `strength` of the sketches."""
    spots = 4 * (_field(sketch, ERASURE_POINTS, random) - ERASED_ABOVE)
    is_rubbed = each((share(len(sketch), random) < strength).float(), sketch)
    return torch.lerp(sketch, torch.ones_like(sketch), spots.clamp(0, 1) * is_rubbed)


def add_grain(sketch: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Grain of normal deviation up to `strength` of the range from black to white."""
    amount = each(2 * strength * share(len(sketch), random), sketch)
    grain = torch.randn(sketch.shape, generator=random).to(sketch.device)
    return (sketch + amount * grain).clamp(-1, 1)


def _field(sketch: Tensor, points: int, random: torch.Generator) -> Tensor:
    """Smooth normal values `(B, 1, H, W)`, drawn on a grid and enlarged."""
    drawn = torch.randn(len(sketch), 1, points, points, generator=random)
    size = sketch.shape[-2:]
    enlarged = functional.interpolate(drawn, size, mode="bicubic", align_corners=True)
    return enlarged.to(sketch.device)
