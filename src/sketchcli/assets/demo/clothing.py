"""Outlines of neck, shoulders and what is worn on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sketchcli.assets.demo.face import ClothesKind
from sketchcli.assets.demo.shapes import Field, ellipse, ramp, segment, smooth_union

_FAR = 9.0
_NAPE = 0.54  # clothes reach this high up the neck
_Cut = tuple[Field, Field, Field, Field]  # opening, collar, inner shirt, seams


@dataclass(frozen=True)
class Garment:
    """Clothes: `cloth`, `collar` and `inner` are distances, `seams` an unsigned one."""

    cloth: Field
    collar: Field
    inner: Field
    seams: Field


def shape_trunk(x: Field, y: Field, neck: float) -> Field:
    """Distance to neck and shoulders."""
    width = neck + 0.018 * ramp(y, 0.3, 0.65) - 0.012 * ramp(-np.abs(y - 0.5), -0.2, 0.0)
    column = np.maximum(np.abs(x) - width, 0.2 - y)
    torso = ellipse(x, y - 1.31, 0.62 + 1.1 * neck, 0.72)
    return smooth_union(column, torso, 0.16)


def dress(kind: ClothesKind, x: Field, y: Field, trunk: Field) -> Garment:
    """Cut clothes of a kind to fit a trunk."""
    opening, collar, inner, seams = _CUTS[kind](x, y)
    outline = trunk - 0.012
    cloth = np.maximum(outline, -np.minimum(opening, y - _NAPE))
    inside = np.maximum(trunk - 0.02, -np.minimum(opening, y - _NAPE))
    return Garment(
        cloth=cloth,
        collar=np.maximum(np.maximum(collar, outline), _NAPE - y),
        inner=np.maximum(inner, inside),
        seams=np.where(cloth < 0, seams, _FAR),
    )


def _none(x: Field, y: Field) -> Field:
    """Distance to nothing."""
    return np.full(np.broadcast_shapes(x.shape, y.shape), _FAR)


def _wedge(x: Field, y: Field, bottom: float, half_angle: float) -> Field:
    """Distance to a V that opens upward from its point at `bottom`."""
    c, s = float(np.cos(half_angle)), float(np.sin(half_angle))
    return np.abs(x) * c + (y - bottom) * s


def _crew(x: Field, y: Field) -> _Cut:
    """Round neck with a ribbed band."""
    opening = ellipse(x, y - 0.57, 0.27, 0.16)
    collar = np.abs(opening - 0.022) - 0.022
    return opening, np.maximum(collar, 0.5 - y), _none(x, y), _none(x, y)


def _vee(x: Field, y: Field) -> _Cut:
    """V neck with a band along it."""
    opening = _wedge(x, y, 0.90, 0.62)
    return opening, np.abs(opening - 0.02) - 0.02, _none(x, y), _none(x, y)


def _shirt(x: Field, y: Field) -> _Cut:
    """Open collar of two flaps, and buttons below."""
    opening = _wedge(x, y, 0.76, 0.52)
    flap = np.maximum(np.abs(opening - 0.055) - 0.055, _slant(x, y))
    placket = np.where(y > 0.76, np.abs(np.abs(x) - 0.035), _FAR)
    buttons = np.hypot(x, np.mod(y - 0.76, 0.1) - 0.05) - 0.008
    seams = np.minimum(placket, np.where(y > 0.78, np.abs(buttons), _FAR))
    return opening, flap, _none(x, y), seams


def _slant(x: Field, y: Field) -> Field:
    """Cut a collar flap at a slant, so that it ends in a point."""
    return (y - 0.79) * 0.9 + (0.13 - np.abs(x)) * 0.45


def _polo_neck(x: Field, y: Field) -> _Cut:
    """High, rolled collar."""
    brim = y - 0.50 - 0.35 * np.minimum(x * x, 0.1) * -1
    opening = brim - 0.045
    collar = np.maximum(-opening, y - 0.66 + 0.4 * x * x)
    fold = np.abs(y - 0.66 + 0.4 * x * x)
    return opening, collar, _none(x, y), np.where(np.abs(x) < 0.25, fold, _FAR)


def _jacket(x: Field, y: Field) -> _Cut:
    """Lapels over a pale shirt."""
    opening = _wedge(x, y, 0.74, 0.46)
    inner = _wedge(x, y, 1.12, 0.42)
    lapel = np.maximum(np.abs(inner - 0.075) - 0.075, 0.6 - y)
    notch = segment(np.abs(x), y, (0.30, 0.80), (0.40, 0.76))
    return opening, lapel, inner, notch


_CUTS: dict[ClothesKind, Callable[[Field, Field], _Cut]] = {
    "crew": _crew,
    "vee": _vee,
    "shirt": _shirt,
    "polo_neck": _polo_neck,
    "jacket": _jacket,
}
