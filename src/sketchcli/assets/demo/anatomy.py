"""Outlines of a face, which photo and sketch share, and the shapes that they consist of.

Shapes are signed distances, negative inside. Coordinates point right and down. Distances to
ellipses and curves are first-order approximations, exact at the outline, where they are used.
"""

import numpy as np
from numpy.typing import NDArray

from sketchcli.assets.demo.face import HAIR, Face

# One value per pixel, (H, W), or a shape that broadcasts to it. It is float64 because exponentials
# differ between processors in the last bit, which then does not show in images.
Field = NDArray[np.float64]
FAR = 9.0  # distance to a shape that is not there
MOUTH = 0.305  # distance of the line between the lips below the eyes, head units
NAPE = 0.54  # upper end of clothes on the neck, y in head units


class Anatomy:
    """Fields `(H, W)` of a face: signed distances in head units, unless said otherwise."""

    def __init__(self, face: Face, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.pixel = 2 / (size * face.scale)
        centres = (np.arange(size, dtype=float) + 0.5) * (2 / size) - 1
        # The positions of the pixels: x and y on the upright body, u and v on the tilted head.
        self.x = (centres[None, :] - face.shift[0]) / face.scale
        self.y = (centres[:, None] + 0.02 - face.shift[1]) / face.scale
        self.u, v = turn(self.x, self.y - 0.4, face.tilt)  # the head tilts about the neck
        self.v = v + 0.4
        self.side = np.abs(self.u)
        self._shape_head(face)
        self._shape_eyes(face)
        self._shape_mouth_and_beard(face)
        self._shape_glasses(face)
        self._shape_hair(face, rng)
        self._dress(face)
        cheeks = bump(self.side - 0.13, self.v - 0.13, 0.10, 0.06)
        self.freckles = face.freckles * cheeks * ramp(noise(rng, 110, size), 0.5, 1.4)  # densities

    def _shape_head(self, face: Face) -> None:
        u, v, width = self.u, self.v, face.head_width
        jaw = ellipse(u, v - 0.13, width * face.jaw_width, 0.32)
        chin = ellipse(u, v - (face.chin - 0.105), face.chin_width, 0.10)
        skull = smooth_union(ellipse(u, v + 0.12, width, 0.395), jaw, 0.14)
        self.head = smooth_union(skull, chin, 0.12)
        outward, down = turn(self.side - (width + 0.005), v - 0.055, -0.18)
        self.ears = ellipse(outward, down, 0.047, 0.098 * face.ear)
        ring = 0.018 if face.has_earrings and face.has_short_hair else -FAR  # long hair hides it
        self.earrings = np.hypot(self.side - width + 0.008, v - 0.055 - 0.115 * face.ear) - ring
        nose = v - face.nose_length
        self.wings = ellipse(self.side - 0.70 * face.nose_width, nose + 0.016, 0.027, 0.027)
        outward, down = turn(self.side - 0.52 * face.nose_width, nose - 0.004, 0.25)
        self.nostrils = ellipse(outward, down, 0.019, 0.0085)

    def _shape_eyes(self, face: Face) -> None:
        """Shape eyes and brows, mirrored except for the gaze and the glint."""
        width, side = face.eye_width, float(np.sign(face.light[0]))
        outward = self.side - face.eye_spacing
        down = self.v + face.eye_slant * outward
        top = 1.2 * face.eye_opening
        bottom = face.eye_opening * (0.8 - 0.25 * max(face.smile, 0.0))
        self.eyes = bow(outward, down, width, top, bottom)
        self.lashes = bow(outward - 0.005, down, width * 1.07, top + face.lash, -top)
        sideways = self.u - np.sign(self.u) * face.eye_spacing - face.gaze
        self.pupils = np.hypot(sideways, self.v + 0.005) - 0.017
        self.irises = self.pupils - 0.022
        self.glints = np.hypot(sideways - 0.015 * side, self.v + 0.018) - 0.0095
        down += face.brow_height + 0.10 * outward - 0.4 * face.eye_slant * outward
        thick = face.brow_thickness * (1 - 0.45 * np.clip(outward / width, -1, 1))
        upper, lower = face.brow_arch + thick, 0.6 * thick - face.brow_arch
        self.brows = bow(outward - 0.006, down, width * 1.28, upper, lower)

    def _shape_mouth_and_beard(self, face: Face) -> None:
        """Shape the mouth, and set the density of beard and moustache, in [0, 1]."""
        u, width = self.u, face.mouth_width
        # The distance below the line at which the lips meet.
        self.bend = self.v - MOUTH + face.smile * 0.042 * np.minimum((u / width) ** 2, 1.6)
        gap = 0.026 if face.shows_teeth else 0.0
        self.upper_lip = bow(u, self.bend, width, 0.028 * face.lip_fullness, 0.004)
        self.lower_lip = bow(u, self.bend, width * 0.9, 0.0, gap + 0.040 * face.lip_fullness)
        self.gap = bow(u, self.bend, width * 0.88, 0.002, max(gap, 0.0015))
        cheek = 0.31 - 0.34 * np.minimum(self.side / face.head_width, 1.1) ** 3
        edge = ramp(self.v, cheek - 0.01, cheek + 0.09)
        reach = ramp(-self.head, -0.024 * face.beard, -0.018 * face.beard + 0.008)
        bare = ramp(ellipse(self.u, self.bend - 0.008, face.mouth_width * 0.98, 0.055), -0.01, 0.02)
        lip = bow(self.u, self.bend + 0.048, face.mouth_width * 1.15, 0.020, 0.034)
        on_lip = ramp(-lip, -0.012, 0.014) * ramp(-self.upper_lip, 0.012, 0.0)
        self.beard = np.maximum(face.beard * edge * reach * bare, face.moustache * on_lip)

    def _shape_glasses(self, face: Face) -> None:
        """Set the unsigned distance to the wire of the glasses."""
        self.glasses = np.full_like(self.u, FAR)
        if face.glasses == "none":
            return
        outward, down = self.side - face.eye_spacing - 0.004, self.v - 0.012
        if face.glasses == "round":
            rims = np.hypot(outward, down) - 0.112
        else:
            rims = box(outward, down, 0.122, 0.088, 0.038)
        is_bar = (rims > 0) & (self.side < face.head_width + 0.01)  # bridge and arms
        bar = np.where(is_bar, np.abs(self.v + 0.025), FAR)
        self.glasses = np.minimum(np.abs(rims), bar)

    def _shape_hair(self, face: Face, rng: np.random.Generator) -> None:
        """Shape the hair behind the head and in front of it, and its strands, in [-1, 1]."""
        frizz = noise(rng, 40, self.size)
        # The outline of all of the hair, as if no face were in front of it.
        self.hair = self._hair_outline(face) + HAIR[face.hair].frizz * frizz
        u, v, fan = self.u, self.v, HAIR[face.hair].fan
        # A coordinate that is constant along a strand.
        if fan:
            flow = fan[0] * np.arctan2(u, v + fan[1]) + 0.012 * frizz
        elif face.hair == "curly":
            flow = self.hair + 0.06 * (np.sin(17 * u + 0.5 * np.sin(23 * v)) * np.sin(15 * v))
        else:
            flow = self.hair + 0.35 * (np.abs(u - face.hair_part) * ramp(-v, 0.1, 0.5))
        locks = np.zeros_like(flow)
        for spacing, strength in ((0.040, 0.30), (0.018, 0.40), (0.008, 0.45)):
            fade = min(1.0, 0.9 * spacing / self.pixel)  # strands too fine for the pixels
            locks += strength * fade * strands(rng, flow, spacing)
        self.strands = np.clip(locks, -1, 1)
        self.hair_edge = 0.022 if face.has_soft_hair else 0.0  # width of a soft edge
        self.front_hair = np.maximum(self.hair, -self._hair_window(face, locks))
        if face.has_short_hair:  # short hair ends in sideburns
            sideburns = self.v - face.hair_length - 0.01 + 0.012 * locks
            self.front_hair = np.maximum(self.front_hair, sideburns)
        self.back_hair = self.hair
        if face.hair == "bald":
            self.back_hair = self.front_hair = np.full_like(self.u, FAR)

    def _hair_outline(self, face: Face) -> Field:
        u, v, style = self.u, self.v, HAIR[face.hair]
        rise = style.rise + style.volume * face.hair_volume
        width = face.head_width + rise
        if face.has_short_hair:  # short hair lies closer near the ears
            u = u * (1 + 0.8 * rise / face.head_width * ramp(v, -0.32, -0.02))
        cap = ellipse(u, v + 0.12, width, 0.40 + rise)
        if face.hair == "bun":
            knot_width = 0.135 + 0.03 * face.hair_volume
            return np.minimum(cap, ellipse(u - 0.3 * face.hair_part, v + 0.62, knot_width, 0.115))
        if face.has_short_hair:
            return cap
        if face.hair == "wavy":
            u = u + 0.016 * np.sin(v * 21 + face.hair_part * 40)
        top, bottom = -0.15, face.hair_length
        stretch = face.head_width / (width + style.widen * ramp(v, 0.0, 0.5))
        centre, half_height = (top + bottom) / 2, (bottom - top) / 2
        curtain = box(u * stretch, v - centre, face.head_width, half_height, 0.14)
        return smooth_union(cap, curtain, 0.12)

    def _hair_window(self, face: Face, locks: Field) -> Field:
        """Return the distance to the opening in the hair that shows the face."""
        u, v, width, style = self.u, self.v, face.head_width, HAIR[face.hair]
        part = face.hair_part * style.parting
        across = np.abs(u - part) / np.where(u > part, width - part, width + part)
        top = face.hairline + (0.185 if face.hair == "fringe" else 0.0)
        line = top + style.drop * np.minimum(across, 1.3) ** style.power + 0.014 * locks
        steep = np.minimum(across, 1.0) ** (style.power - 1)
        slope = style.drop * style.power * steep / width
        above: Field = (line - v) / np.sqrt(1 + slope * slope)
        if face.has_short_hair:
            return above
        inner = width * 0.95 - 0.07 * ramp(v, 0.0, 0.5) + 0.006 * locks
        return -smooth_union(-above, inner - self.side, 0.10)

    def _dress(self, face: Face) -> None:
        """Shape neck and shoulders, and clothes that fit them."""
        x, y = self.x, self.y
        column = np.maximum(np.abs(x) - face.neck - 0.018 * ramp(y, 0.3, 0.65), 0.2 - y)
        torso = ellipse(x, y - 1.31, 0.62 + 1.1 * face.neck, 0.72)
        self.trunk = smooth_union(column, torso, 0.16)
        inner = np.full_like(self.trunk, FAR)
        match face.clothes:
            case "crew":
                opening = ellipse(x, y - 0.57, 0.27, 0.16)
                collar = np.abs(opening - 0.022) - 0.022
            case "vee":
                opening = turn(np.abs(x), y - 0.90, 0.62)[0]
                collar = np.abs(opening - 0.02) - 0.02
            case "shirt":
                opening = turn(np.abs(x), y - 0.76, 0.52)[0]
                tips = 0.9 * (y - 0.79) + 0.45 * (0.13 - np.abs(x))
                collar = np.maximum(np.abs(opening - 0.055) - 0.055, tips)
            case "polo_neck":
                opening = y - 0.545 + 0.35 * np.minimum(x * x, 0.1)
                collar = np.maximum(-opening, y - 0.66 + 0.4 * x * x)
            case _:  # a jacket over a shirt
                opening = turn(np.abs(x), y - 0.74, 0.46)[0]
                inner = turn(np.abs(x), y - 1.12, 0.42)[0]
                collar = np.maximum(np.abs(inner - 0.075) - 0.075, 0.6 - y)
        bare = -np.minimum(opening, y - NAPE)
        self.cloth = np.maximum(self.trunk - 0.012, bare)
        self.collar = np.maximum(np.maximum(collar, self.trunk - 0.012), NAPE - y)
        self.inner = np.maximum(inner, np.maximum(self.trunk - 0.02, bare))


# The functions below make shapes, and paint with them.


def turn(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Return coordinates in a frame turned by `angle` radians, both `(H, W)`."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return c * x + s * y, c * y - s * x


def ellipse(x: Field, y: Field, rx: float, ry: float) -> Field:
    """Return the distance to an ellipse about the origin."""
    k = np.sqrt((x / rx) ** 2 + (y / ry) ** 2)
    slope = np.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2)
    return np.asarray(k * (k - 1) / np.maximum(slope, 1e-3))


def box(x: Field, y: Field, half_width: float, half_height: float, corner: float) -> Field:
    """Return the distance to a box about the origin whose corners have radius `corner`."""
    dx = np.abs(x) - (half_width - corner)
    dy = np.abs(y) - (half_height - corner)
    outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(dx, dy), 0) - corner)


def bow(x: Field, y: Field, half_width: float, top: Field | float, bottom: Field | float) -> Field:
    """Return the distance to the shape between two curves that meet at x = ±half_width on y = 0.

    In the middle, the curves rise by `top` and sink by `bottom`.
    """
    t = x / half_width
    arch = 1 - t * t
    slope = 2 * np.abs(t) / half_width
    above = (-top * arch - y) / np.sqrt(1 + (top * slope) ** 2)
    below = (y - bottom * arch) / np.sqrt(1 + (bottom * slope) ** 2)
    return np.maximum(np.maximum(above, below), np.abs(x) - half_width)


def smooth_union(a: Field, b: Field, blend: float) -> Field:
    """Return the union of two shapes, whose seam is rounded over a width of about `blend`."""
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * (blend / 4)


def bump(x: Field, y: Field | float, rx: float, ry: float) -> Field:
    """Return a Gaussian hill about the origin, 1 at its top."""
    return np.exp(-0.5 * ((x / rx) ** 2 + (y / ry) ** 2))


def ramp(value: Field, start: Field | float, end: Field | float) -> Field:
    """Return a smooth step from 0 at `start` to 1 at `end`."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def fill(distance: Field, pixel: float, blur: float = 0.0) -> Field:
    """Return the fraction of each pixel that a shape covers; `blur` softens its edge."""
    return np.clip(0.5 - distance / max(pixel, blur), 0, 1)


def stroke(distance: Field, half_width: Field | float, pixel: float) -> Field:
    """Return the fraction of each pixel that a line along an outline covers.

    Lines thinner than a pixel grow fainter instead, so that all sizes look alike.
    """
    wide = np.maximum(half_width, pixel / 2)
    cover = np.clip((wide - np.abs(distance)) / pixel + 0.5, 0, 1)
    return cover * np.minimum(2 * half_width / pixel, 1)


def paint(canvas: Field, cover: Field, value: Field | float) -> Field:
    """Lay `value` over a canvas, `(H, W)` or `(H, W, 3)`, where `cover` is above 0."""
    if canvas.ndim == 3:
        cover = cover[..., None]
    return canvas + (value - canvas) * cover


# The functions below make noise that looks the same at every size, for grain, hair and strokes.


def noise(rng: np.random.Generator, cells: int, size: int) -> Field:
    """Return smooth noise `(size, size)` of about unit deviation, with `cells` knots per side."""
    values: Field = rng.standard_normal((cells, cells))
    place = (np.arange(size, dtype=float) + 0.5) * (cells / size) - 0.5
    first = np.clip(np.floor(place), 0, cells - 2).astype(np.intp)
    blend = ramp(place - first, 0, 1)[:, None]
    for _ in range(2):  # rows, then columns
        values = (values[first] * (1 - blend) + values[first + 1] * blend).T
    return np.ascontiguousarray(values)


def strands(rng: np.random.Generator, across: Field, spacing: float) -> Field:
    """Return noise in [-1, 1] that varies only with the coordinate `across` the strands."""
    table = rng.uniform(-1, 1, 256)
    place = across / spacing
    first = np.floor(place).astype(np.int32)
    blend = ramp(place - first, 0, 1)
    here: Field = table[first & 255]
    there: Field = table[(first + 1) & 255]
    return here + (there - here) * blend
