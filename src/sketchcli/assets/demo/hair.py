"""Outlines of hair, and the strands in it."""

from dataclasses import dataclass

import numpy as np

from sketchcli.assets.demo.face import Hair, Skull
from sketchcli.assets.demo.shapes import Field, box, ellipse, ramp, smooth_union
from sketchcli.assets.demo.texture import noise, strands

_FAR = 9.0


@dataclass(frozen=True)
class HairShape:
    """Hair: `back` hangs behind the head, `front` lies over it; `strands` is in [-1, 1].

    `depth` is the distance below the hair's own outline, whatever lies in front of it.
    """

    back: Field
    front: Field
    depth: Field
    strands: Field
    softness: float


def comb(hair: Hair, skull: Skull, u: Field, v: Field, rng: np.random.Generator) -> HairShape:
    """Shape hair of a style around a skull."""
    size = len(u)
    frizz = noise(rng, 40, size)
    outer = _outline(hair, skull, u, v) + _frizz_depth(hair) * frizz
    flow = _flow(hair, u, v, outer, frizz)
    locks = _locks(flow, rng, 2 / size) * (0.8 + 0.35 * noise(rng, 30, size))
    front = np.maximum(outer, -_window(hair, skull, u, v, locks))
    if hair.is_short:  # short hair ends in sideburns
        front = np.maximum(front, v - hair.length - 0.01 + 0.012 * locks)
    back = outer
    if hair.style == "bald":
        front, back = front + _FAR, back + _FAR
    return HairShape(back, front, -outer, np.clip(locks, -1, 1), 0.022 if hair.is_soft else 0.0)


def _locks(flow: Field, rng: np.random.Generator, pixel: float) -> Field:
    """Strands in [-1, 1], coarse to fine; those too fine for the pixels are left out."""
    locks = 0.30 * strands(rng, flow, 0.040)
    for spacing, strength in ((0.018, 0.45), (0.008, 0.50)):
        locks = locks + strength * min(1.0, 0.9 * spacing / pixel) * strands(rng, flow, spacing)
    return locks


def _frizz_depth(hair: Hair) -> float:
    """How far the outline wanders."""
    return {"curly": 0.016, "wavy": 0.006, "cropped": 0.002}.get(hair.style, 0.003)


def _outline(hair: Hair, skull: Skull, u: Field, v: Field) -> Field:
    """Distance to all of the hair as if there were no face before it."""
    style, volume = hair.style, hair.volume
    extra = {"cropped": 0.012, "bald": 0.0, "bun": 0.02, "curly": 0.13}.get(style, 0.045)
    extra += {"cropped": 0.012, "bun": 0.012, "curly": 0.06}.get(style, 0.035) * volume
    side = extra
    if hair.is_short:  # short hair lies closer the nearer it comes to the ears
        side = 0.8 * extra
        u = u * (1 + side / skull.width * ramp(v, -0.32, -0.02))
    cap = ellipse(u, v + 0.12, skull.width + side, 0.40 + extra)
    if style == "bun":
        knot = ellipse(u - 0.3 * hair.part, v + 0.62, 0.135 + 0.03 * volume, 0.115)
        return np.minimum(cap, knot)
    if hair.is_short:
        return cap
    return smooth_union(cap, _curtain(hair, skull, u, v, side), 0.12)


def _curtain(hair: Hair, skull: Skull, u: Field, v: Field, side: float) -> Field:
    """Distance to hair that hangs down the sides."""
    if hair.style == "wavy":
        u = u + 0.016 * np.sin(v * 21 + hair.part * 40)
    top = -0.15
    widen = {"wavy": 0.07, "long": 0.03, "fringe": -0.01}.get(hair.style, 0.0)
    half_width = skull.width + side + widen * ramp(v, 0.0, 0.5)
    centre, half_height = (top + hair.length) / 2, (hair.length - top) / 2
    return box(u * (skull.width / half_width), v - centre, skull.width, half_height, 0.14)


def _window(hair: Hair, skull: Skull, u: Field, v: Field, locks: Field) -> Field:
    """Distance to the opening in the hair through which the face looks."""
    part = hair.part * _parting(hair)
    across = (u - part) / np.where(u > part, skull.width - part, skull.width + part)
    drop, power = {
        "fringe": (0.02, 2.0),
        "parted": (0.24, 2.6),
        "cropped": (0.26, 5.0),
        "bun": (0.34, 3.0),
        "long": (0.40, 2.2),
        "wavy": (0.40, 2.0),
    }.get(hair.style, (0.24, 3.5))
    low = 0.185 if hair.style == "fringe" else 0.0
    line = hair.line + low + drop * np.minimum(np.abs(across), 1.3) ** power
    line = line + 0.014 * locks
    slope = drop * power * np.minimum(np.abs(across), 1.0) ** (power - 1) / skull.width
    below = (line - v) / np.sqrt(1 + slope * slope)
    if hair.is_short:
        return below
    inner = skull.width * 0.95 - 0.07 * ramp(v, 0.0, 0.5) + 0.006 * locks
    return -smooth_union(-below, inner - np.abs(u), 0.10)


def _parting(hair: Hair) -> float:
    """How far off the middle the hairline's highest point is, as a share of `part`."""
    return {"parted": 1.0, "long": 0.7, "wavy": 1.0}.get(hair.style, 0.0)


def _flow(hair: Hair, u: Field, v: Field, outer: Field, frizz: Field) -> Field:
    """Coordinate that is constant along a strand."""
    if hair.style == "curly":
        return outer + 0.05 * np.sin(17 * u) * np.sin(15 * v) + 0.03 * np.sin(31 * u + 23 * v)
    if hair.style == "cropped":
        return 0.9 * np.arctan2(u, v + 0.1) + 0.012 * frizz
    if hair.style == "bun":
        return 0.42 * np.arctan2(u, v + 0.62)
    if hair.style == "fringe":
        fall = 0.55 * np.arctan2(u, v + 0.85)
        return np.where(v > 0.0, u * 0.9, fall)
    wave = 0.018 * np.sin(v * 21 + u * 6) if hair.style == "wavy" else 0.0
    return outer + 0.35 * np.abs(u - hair.part) * ramp(-v, 0.1, 0.5) + wave
