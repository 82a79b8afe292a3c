"""A face as a softly lit photo and as a pencil sketch over the same outlines."""

import numpy as np

from sketchcli.assets.demo.anatomy import (
    MOUTH,
    Anatomy,
    Field,
    bump,
    ellipse,
    fill,
    noise,
    paint,
    ramp,
    strands,
    stroke,
    turn,
)
from sketchcli.assets.demo.face import Colour, Face

_WHITE = np.array((0.93, 0.91, 0.89))
_GOLD = np.array((0.85, 0.68, 0.35))
_GLASSES = np.array((0.13, 0.10, 0.09))
_SKIN_SHADOW = np.array((0.40, 0.27, 0.25))  # warm, since light scatters red in skin


class Light:
    """Light on each surface, from 0, dark, to 1: Lambert's law on height maps, and shadows."""

    def __init__(self, face: Face, shapes: Anatomy) -> None:
        self._face, self._shapes = face, shapes
        u, v = shapes.u, shapes.v
        chin = ellipse(u + 0.10 * face.light[0], v - 0.24, face.head_width * 0.82, 0.40)
        under_chin = ramp(-chin, -0.10, 0.08)
        # The hair casts a shadow on brow and cheeks, longer away from the light.
        offset = (0.035, -0.03 * face.light[0])  # down, right
        moved = np.roll(shapes.front_hair, [round(s / shapes.pixel) for s in offset], axis=(0, 1))
        shadow = ramp(-moved, -0.02 if face.hair == "cropped" else -0.045, 0.01)
        self.head = self._shade(self._head_relief()) * (1 - 0.45 * shadow)
        self.body = self._shade(_round(shapes.trunk, 0.15, 0.70)) * (1 - 0.55 * under_chin)
        self.hair = self._shade(_round(shapes.hair, 0.22, 0.75) + 0.004 * shapes.strands)
        # The band of light around the crown, broken up by the strands.
        around = ellipse(u - 0.25 * face.light[0], v + 0.10, 0.33, 0.40)
        band = bump(around, 0.0, 0.055, 1.0) * ramp(-v, -0.05, 0.3)
        strength = 0.05 if face.has_soft_hair else 0.34
        self.sheen = strength * band * (0.55 + 0.45 * shapes.strands)

    def _shade(self, height: Field) -> Field:
        """Return the diffuse light on a height map in head units."""
        down, right = np.gradient(height, self._shapes.pixel)
        x, y, z = self._face.light
        facing: Field = (z - x * right - y * down) / np.sqrt(right * right + down * down + 1)
        return np.clip(0.24 + 0.80 * facing, 0, 1)

    def _head_relief(self) -> Field:
        """Return the height of the skull, of its soft parts and of the nose."""
        face, u, v, side = self._face, self._shapes.u, self._shapes.v, self._shapes.side
        ball = ((u / (face.head_width * 1.08)) ** 2 + ((v + 0.02) / 0.62) ** 2).clip(0, 1)
        height = 0.26 * np.sqrt(1 - 0.97 * ball) + _round(self._shapes.head, 0.10, 0.32)
        smile = max(face.smile, 0.0)
        fold = bump(side - 0.135 - 0.1 * (v - 0.24), v - 0.24, 0.018, 0.06)
        height += (
            -0.026 * bump(side - face.eye_spacing + 0.02, v + 0.01, 0.085, 0.045)
            + (0.018 + 0.014 * smile) * bump(side - 0.20, v - 0.15, 0.085, 0.075)
            + 0.016 * bump(u, v - MOUTH, 0.10, 0.05)
            - 0.010 * bump(u, v - MOUTH - 0.075, 0.07, 0.018)
            + 0.018 * bump(u, v - 0.42, 0.075, 0.05)
            - (0.004 * smile + 0.007 * face.lines) * fold
        )
        nose = v - face.nose_length
        rise = (0.25 + 0.75 * ramp(nose, -face.nose_length - 0.08, -0.03)) * ramp(v, -0.16, -0.02)
        spread = 0.030 + 0.020 * ramp(v, -0.05, face.nose_length)
        ridge = 0.050 * rise * ramp(-nose, -0.034, 0.048) * np.exp(-0.5 * (u / spread) ** 2)
        tip = 0.020 * bump(u, nose + 0.025, 0.034, 0.028)
        wings = 0.022 * bump(side - 0.68 * face.nose_width, nose + 0.014, 0.020, 0.022)
        return height + ridge + tip + wings


def _round(distance: Field, reach: float, swell: float) -> Field:
    """Return the height of a shape that curves away over `reach` from its outline."""
    inward = np.clip(-distance / reach, 0, 1)
    return swell * reach * np.sqrt(1 - (1 - inward) ** 2 * 0.96)


def paint_face(face: Face, shapes: Anatomy, light: Light) -> Field:
    """Paint a face from back to front, as RGB `(H, W, 3)` of about [0, 1]."""
    glow = bump(shapes.x + 0.5 * face.light[0], shapes.y + 0.15, 0.75, 0.8)
    photo = face.backdrop * (0.74 + 0.36 * glow)[..., None]
    shade = (0.42 + 0.62 * light.hair) * (1 + 0.24 * shapes.strands)
    hair = face.hair_colour * shade[..., None]
    photo = paint(photo, fill(shapes.back_hair, shapes.pixel, shapes.hair_edge), 0.5 * hair)
    photo = _paint_body(photo, face, shapes, light)
    photo = _paint_head(photo, face, shapes, light)
    photo = _paint_eyes(photo, face, shapes, light)
    beard = (0.45 + 0.6 * light.head) * (1 + 0.25 * shapes.strands)
    photo = paint(photo, 0.93 * shapes.beard, (0.85 * face.hair_colour + 0.02) * beard[..., None])
    hair = hair + (0.28 + 0.8 * face.hair_colour) * light.sheen[..., None]
    photo = paint(photo, fill(shapes.front_hair, shapes.pixel, shapes.hair_edge), hair)
    photo = paint(photo, fill(shapes.earrings, shapes.pixel), _GOLD)
    return paint(photo, 0.95 * stroke(shapes.glasses, 0.0075, shapes.pixel), _GLASSES)


def develop(painting: Field, face: Face, shapes: Anatomy, rng: np.random.Generator) -> Field:
    """Tint by the light's warmth, darken the corners and add film grain."""
    tint = 1 + 0.025 * face.warmth * np.array((1.0, 0.2, -1.0))
    corners = 1 - 0.22 * ramp(ellipse(shapes.x, shapes.y, 0.9, 0.9), -0.35, 0.35)
    return painting * tint * corners[..., None] + 0.009 * noise(rng, 160, shapes.size)[..., None]


def _lit(colour: Colour, light: Field, shadow: Colour | float = 0.38) -> Field:
    """Return a colour under light; `shadow` is the fraction of it without light."""
    return colour * (shadow + (1.09 - shadow) * light[..., None])


def _paint_body(photo: Field, face: Face, shapes: Anatomy, light: Light) -> Field:
    pixel = shapes.pixel
    neck = _lit(face.skin * 0.97, light.body, _SKIN_SHADOW)
    photo = paint(photo, fill(shapes.trunk, pixel), neck)
    white = _lit(_WHITE, light.body)
    photo = paint(photo, fill(shapes.inner, pixel), white)
    cloth = fill(np.maximum(shapes.cloth, -shapes.inner), pixel)
    photo = paint(photo, cloth, _lit(face.cloth_colour, light.body))
    if face.is_striped:
        stripes = fill(np.abs(np.mod(shapes.y, 0.11) - 0.055) - 0.02, pixel)
        photo = paint(photo, stripes * cloth, white)
    return paint(photo, 0.5 * stroke(shapes.collar, 0.006, pixel), photo * 0.4)


def _paint_head(photo: Field, face: Face, shapes: Anatomy, light: Light) -> Field:
    u, v, pixel = shapes.u, shapes.v, shapes.pixel
    ears = _lit(face.skin * (1.0, 0.93, 0.91), 0.06 + 0.6 * light.head, _SKIN_SHADOW)
    photo = paint(photo, fill(shapes.ears, pixel), ears)
    blush = face.blush * bump(shapes.side - 0.20, v - 0.15, 0.085, 0.065)
    skin = face.skin * (1 - blush[..., None] * (0.0, 0.20, 0.17))
    skin = skin * (1 - shapes.freckles[..., None] * (0.10, 0.19, 0.24))
    gloss = (0.10 + 0.10 * face.depth) * ramp(light.head, 0.85, 1.1)
    lit = _lit(skin, light.head, _SKIN_SHADOW) + gloss[..., None] * (1.0, 0.95, 0.88)
    photo = paint(photo, fill(shapes.head, pixel), lit)
    below = bump(u + 0.03 * face.light[0], v - face.nose_length - 0.022, 0.052, 0.016)
    photo = paint(photo, 0.22 * below, photo * (0.50, 0.36, 0.34))
    nostrils = 0.72 * fill(shapes.nostrils, pixel, 0.016)
    photo = paint(photo, nostrils, photo * (0.34, 0.22, 0.20))
    lips = face.lip_colour
    photo = paint(photo, 0.95 * fill(shapes.upper_lip, pixel, 0.018), _lit(lips * 0.86, light.head))
    photo = paint(photo, 0.92 * fill(shapes.lower_lip, pixel, 0.020), _lit(lips * 1.12, light.head))
    inside = np.array((0.90, 0.87, 0.83)) if face.shows_teeth else lips * 0.30
    shaded = inside * (1 - 0.5 * ramp(shapes.side, 0.03, face.mouth_width))[..., None]
    return paint(photo, fill(shapes.gap, pixel, 0.010), shaded)


def _paint_eyes(photo: Field, face: Face, shapes: Anatomy, light: Light) -> Field:
    v, pixel = shapes.v, shapes.pixel
    inside = fill(shapes.eyes, pixel)
    shade = 0.70 + 0.30 * ramp(v + face.eye_opening, 0.0, 0.035)  # below the lids
    ball = np.array((0.95, 0.93, 0.92)) * (shade * (0.62 + 0.36 * light.head))[..., None]
    photo = paint(photo, inside, ball)
    # The iris has a dark rim, and is brighter away from the light, as if it shone through.
    iris = shade * (1 + 0.55 * ramp(v, -0.02, 0.03)) * (1 - 0.6 * ramp(shapes.irises, -0.014, 0.0))
    photo = paint(photo, inside * fill(shapes.irises, pixel), face.iris * iris[..., None])
    photo = paint(photo, inside * fill(shapes.pupils, pixel), 0.04)
    photo = paint(photo, 0.35 * stroke(shapes.eyes, 0.006, pixel), photo * (0.55, 0.40, 0.38))
    photo = paint(photo, 0.92 * fill(shapes.lashes, pixel), face.hair_colour * 0.25 + 0.02)
    photo = paint(photo, 0.92 * inside * fill(shapes.glints, pixel), 1.0)
    brow = (0.62 * face.hair_colour + 0.10 * face.skin) * (1 + 0.25 * shapes.strands)[..., None]
    return paint(photo, 0.85 * fill(shapes.brows, pixel, 0.022), brow)


# The functions below draw in pencil. Darkness runs from 0, bare paper, to 1.

_PAPER = 0.965
_GRAPHITE = 0.84  # brightness that the darkest stroke takes from the paper
_LUMA = np.array((0.30, 0.59, 0.11))


def draw_sketch(
    face: Face, shapes: Anatomy, light: Light, painting: Field, rng: np.random.Generator
) -> Field:
    """Draw a face in pencil, as a grey sketch `(H, W)` of about [0, 1], 1 for white.

    The tones of the painted face are hatched; hair and outlines are drawn over them.
    """
    pixel = shapes.pixel
    pressure = 1 + 0.22 * noise(rng, 14, shapes.size)
    grain = noise(rng, 160, shapes.size)
    tone = 1 - painting @ _LUMA
    body = np.minimum(np.minimum(shapes.trunk, shapes.cloth), np.minimum(shapes.head, shapes.ears))
    person = fill(body, pixel)
    # Tones become strokes, which are crossed where it is dark, and merge where it is darker.
    first = np.maximum(
        _strokes(rng, shapes.x + 0.012 * pressure, shapes.y, -0.85, 0.031),
        0.85 * _strokes(rng, shapes.x, shapes.y, -0.68, 0.027),
    )
    second = _strokes(rng, shapes.x, shapes.y + 0.012 * pressure, 0.35, 0.034)
    shade = tone * (0.34 + 0.38 * person)
    strokes = 0.60 + 0.65 * first + 0.40 * ramp(shade, 0.40, 0.65) * (second - 0.5)
    merged = strokes + (1 - strokes) * ramp(shade, 0.6, 0.95)
    hatched = shade * merged * (0.75 + 0.25 * pressure)
    # Hair and brows are drawn strand by strand.
    back = fill(shapes.back_hair, pixel, shapes.hair_edge) * (1 - person)
    front = fill(shapes.front_hair, pixel, shapes.hair_edge)
    brows = fill(shapes.brows, pixel, 0.022)
    hair = np.max((back, front, 0.85 * shapes.beard, 0.9 * brows), axis=0)
    dark = paint(hatched * (1 + 0.1 * grain), hair, tone - 0.25 * shapes.strands)
    dark = paint(dark, fill(shapes.eyes, pixel), 1.2 * tone - 0.12)
    lines = _draw_lines(face, shapes, light, pressure) * np.clip(0.62 + 0.38 * pressure, 0.3, 1)
    dark = 1 - (1 - dark) * (1 - np.clip(lines * (1 + 0.14 * grain), 0, 0.97))
    return _PAPER - _GRAPHITE * np.clip(dark, 0, 1) - 0.008 * grain


def _strokes(rng: np.random.Generator, x: Field, y: Field, angle: float, spacing: float) -> Field:
    """Return strokes in uneven rows: about 1 in the middle of a stroke, 0 between strokes."""
    along, across = turn(x, y, angle)
    rows = strands(rng, along + 0.06 * strands(rng, across, 2 * spacing), 0.22)
    ridges = np.cos((across + 0.2 * spacing * rows) * (2 * np.pi / spacing))
    pressure = 0.72 + 0.28 * strands(rng, across, 1.3 * spacing) + 0.10 * rows
    return pressure * (0.5 + 0.5 * ridges)


def _draw_lines(face: Face, shapes: Anatomy, light: Light, pressure: Field) -> Field:
    """Draw outlines and features, heavier on the side away from the light."""
    pixel = shapes.pixel
    width = 0.0085 * np.clip(pressure, 0.5, 1.5) * (1.25 - 0.5 * light.head)
    lines = stroke(shapes.back_hair, width, pixel) * (0.35 if face.has_soft_hair else 0.7)
    body = (shapes.trunk, shapes.cloth, shapes.inner, shapes.collar)
    for shape in (*body, shapes.ears, shapes.head):  # each hides the lines behind it
        lines = paint(lines, fill(shape, pixel), 0.0)
        lines = np.maximum(lines, 0.85 * stroke(shape, width, pixel))
    v, side = shapes.v, shapes.side
    bridge = stroke(-shapes.u * np.sign(face.light[0]) - 0.032, 0.6 * width, pixel)
    bridge *= ramp(v, -0.06, 0.0) * ramp(-v, -face.nose_length + 0.03, -0.05)
    outer = ramp(side, 0.72 * face.nose_width, 0.9 * face.nose_width)
    fold = stroke(np.hypot(side - 0.03, (v - 0.31) * 0.9) - 0.145, 0.5 * width, pixel)
    fold *= min(0.55, 0.30 * max(face.smile, 0.0) + 0.5 * face.lines)
    features = (
        0.55 * stroke(shapes.eyes, 0.6 * width, pixel),
        0.95 * fill(shapes.lashes, pixel),
        0.38 * bridge,
        0.60 * stroke(shapes.wings, 0.7 * width, pixel) * outer,
        0.80 * fill(shapes.nostrils, pixel, 0.014),
        0.85 * stroke(shapes.gap, 0.55 * width, pixel),
        0.35 * stroke(np.minimum(shapes.upper_lip, shapes.lower_lip), 0.5 * width, pixel),
        fold * bump(side - 0.155, v - 0.25, 0.04, 0.05),
    )
    lines = np.max((lines, *features), axis=0)
    lines = paint(lines, fill(shapes.front_hair, pixel, shapes.hair_edge), 0.0)
    if not face.has_soft_hair:
        lines = np.maximum(lines, 0.6 * stroke(shapes.front_hair, width, pixel))
    return np.maximum(lines, 0.95 * stroke(shapes.glasses, 0.0085, pixel))
