"""A face as a pencil drawing.

Darkness is built up from 0, bare paper, to 1: tones first, which are hatched, then lines.
"""

import numpy as np

from sketchcli.assets.demo.anatomy import Anatomy
from sketchcli.assets.demo.face import Colour, Face
from sketchcli.assets.demo.light import Light
from sketchcli.assets.demo.shapes import Field, bump, fill, paint, ramp, stroke
from sketchcli.assets.demo.texture import hatch, noise

_PAPER = 0.965
_GRAPHITE = 0.84  # how much of the paper's white the darkest stroke takes away


def draw_sketch(face: Face, anatomy: Anatomy, light: Light, textures: np.random.Generator) -> Field:
    """Draw a face in pencil.

    Returns:
        Sketch `(H, W)`, grey, about [0, 1], 1 for white.
    """
    size = anatomy.frame.size
    pressure = 1 + 0.22 * noise(textures, 14, size)
    grain = noise(textures, 256, size)
    tone = _lay_tones(face, anatomy, light)
    dark = _hatch_tones(tone, anatomy, pressure, grain, textures)
    dark = _lay_strands(dark, face, anatomy, light)
    lines = _draw_lines(face, anatomy, light, pressure)
    dark = 1 - (1 - dark) * (1 - np.clip(lines * (1 + 0.14 * grain), 0, 0.97))
    return _PAPER - _GRAPHITE * np.clip(dark, 0, 1) - 0.008 * grain


def _darkness(colour: Colour) -> float:
    """How dark a colour is to the eye, in [0, 1]."""
    red, green, blue = colour
    return 1 - (0.30 * red + 0.59 * green + 0.11 * blue)


def _lay_tones(face: Face, anatomy: Anatomy, light: Light) -> Field:
    """Darkness of every surface before it is hatched, `(H, W)`."""
    frame, garment = anatomy.frame, anatomy.garment
    pixel = frame.pixel
    skin = 0.05 + 0.36 * face.skin.depth
    glow = bump(frame.x + 0.5 * face.scene.light[0], frame.y + 0.15, 0.75, 0.8)
    tone = (0.34 * _darkness(face.scene.background)) * (1.15 - 0.5 * glow)
    tone = paint(tone, fill(anatomy.trunk, pixel), skin + 0.42 * (1 - light.trunk))
    tone = paint(tone, fill(garment.cloth, pixel), _cloth_tone(face, anatomy, light))
    tone = paint(tone, fill(anatomy.ears, pixel), skin + 0.16 + 0.2 * (1 - light.head))
    tone = paint(tone, fill(anatomy.head, pixel), _face_tone(skin, face, anatomy, light))
    return _eye_tones(tone, face, anatomy)


def _cloth_tone(face: Face, anatomy: Anatomy, light: Light) -> Field:
    """Darkness of the clothes: their own, and that of their shadows."""
    garment, frame = anatomy.garment, anatomy.frame
    pale = 0.04 + 0.22 * (1 - light.cloth)
    own = 0.06 + 0.72 * _darkness(face.clothes.colour)
    tone = own * (1.18 - 0.45 * light.cloth) + 0.25 * (1 - light.cloth)
    tone = paint(tone, fill(garment.collar, frame.pixel), 0.86 * tone)
    if face.clothes.is_striped:
        tone = paint(tone, fill(np.abs(np.mod(frame.y, 0.11) - 0.055) - 0.02, frame.pixel), pale)
    return paint(tone, fill(garment.inner, frame.pixel), pale)


def _face_tone(skin: float, face: Face, anatomy: Anatomy, light: Light) -> Field:
    """Darkness of the skin, lips, beard and freckles."""
    u, v, pixel = anatomy.frame.u, anatomy.frame.v, anatomy.frame.pixel
    f, mouth = face.features, anatomy.mouth
    tone = skin + 0.40 * ramp(1 - light.head, 0.06, 0.85) - 0.10 * light.gloss
    cheeks = bump(np.abs(u) - 0.20, v - 0.15, 0.085, 0.065)
    under = bump(u + 0.03 * face.scene.light[0], v - f.nose_length - 0.022, 0.052, 0.016)
    tone = tone + 0.06 * face.skin.blush * cheeks + 0.16 * under + 0.16 * anatomy.freckles
    lips = 0.10 + 0.75 * _darkness(f.lip_colour)
    tone = paint(tone, fill(mouth.upper, pixel, 0.018), lips + 0.08)
    tone = paint(tone, fill(mouth.lower, pixel, 0.020), lips - 0.10)
    return paint(tone, fill(mouth.gap, pixel, 0.010), 0.04 if f.shows_teeth else 0.8)


def _eye_tones(tone: Field, face: Face, anatomy: Anatomy) -> Field:
    """White of the eyes, iris, pupil and the highlight left bare."""
    eyes, frame, f = anatomy.eyes, anatomy.frame, face.features
    socket = bump(np.abs(frame.u) - f.eye_spacing, frame.v + 0.03, 0.085, 0.035)
    inside = fill(eyes.opening, frame.pixel)
    tone = paint(tone + 0.10 * socket, inside, 0.04)
    iris = 0.08 + 0.80 * _darkness(f.iris) + 0.25 * ramp(eyes.iris, -0.014, 0.0)
    tone = paint(tone, inside * fill(eyes.iris, frame.pixel), iris)
    tone = paint(tone, inside * fill(eyes.pupil, frame.pixel), 0.97)
    return paint(tone, inside * fill(eyes.glint, frame.pixel), 0.0)


def _hatch_tones(
    tone: Field, anatomy: Anatomy, pressure: Field, grain: Field, textures: np.random.Generator
) -> Field:
    """Turn tones into strokes on grainy paper, crossed where they are dark."""
    frame = anatomy.frame
    first = np.maximum(
        hatch(textures, frame.x + 0.012 * pressure, frame.y, -0.85, 0.031),
        0.85 * hatch(textures, frame.x, frame.y, -0.68, 0.027),
    )
    second = hatch(textures, frame.x, frame.y + 0.012 * pressure, 0.35, 0.034)
    crossed = ramp(tone, 0.40, 0.65)
    strokes = 0.45 + 0.95 * first * (1 - 0.35 * crossed) + 0.40 * crossed * (second - 0.2)
    flat = ramp(tone, 0.6, 0.95)
    strokes = strokes + (1 - strokes) * flat
    tooth = 1 + (0.04 + 0.11 * (1 - flat)) * grain
    return np.clip(tone * strokes * tooth * (0.75 + 0.25 * pressure), 0, 1)


def _lay_strands(dark: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    """Draw hair and brows strand by strand; the sheen is left lighter."""
    hair, eyes, pixel = anatomy.hair, anatomy.eyes, anatomy.frame.pixel
    own = _darkness(face.hair.colour)
    base = 0.02 + 0.94 * own**1.5 + 0.20 * (1 - light.hair)
    base = base * (1 - 0.5 * np.clip(light.hair_gloss, 0, 1) * (hair.softness == 0))
    strokes = (0.22 + 0.14 * own) * ramp(-hair.strands, -0.35, 0.75)
    lock = np.clip(base * (0.94 - 0.16 * hair.strands) + strokes, 0, 0.98)
    behind = fill(hair.back, pixel, hair.softness) * (1 - _before_hair(anatomy))
    dark = paint(dark, behind, np.clip(lock + 0.14, 0, 0.98))
    brow = np.clip(0.30 + 0.55 * own - 0.12 * hair.strands, 0, 0.95)
    dark = paint(dark, 0.9 * fill(eyes.brow, pixel, 0.022), brow)
    whiskers = 0.24 + 0.62 * own**1.3 - 0.30 * hair.strands
    dark = paint(dark, 0.85 * anatomy.beard, np.clip(whiskers, 0, 0.95))
    return paint(dark, fill(hair.front, pixel, hair.softness), lock)


def _before_hair(anatomy: Anatomy) -> Field:
    """Where the head or the body hides the hair that hangs behind."""
    pixel = anatomy.frame.pixel
    body = np.minimum(anatomy.trunk, anatomy.garment.cloth)
    return fill(np.minimum(np.minimum(body, anatomy.head), anatomy.ears), pixel)


def _draw_lines(face: Face, anatomy: Anatomy, light: Light, pressure: Field) -> Field:
    """Outlines and features, heavier on the side away from the light."""
    pixel, hair, garment = anatomy.frame.pixel, anatomy.hair, anatomy.garment
    width = 0.0085 * np.clip(pressure, 0.5, 1.5) * (1.25 - 0.5 * light.head)
    lines = stroke(hair.back, width, pixel) * (0.7 if hair.softness == 0 else 0.35)
    for shape in (anatomy.trunk, garment.cloth, anatomy.ears, anatomy.head):
        lines = paint(lines, fill(shape, pixel), 0.0)
        lines = np.maximum(lines, stroke(shape, width, pixel) * 0.85)
    lines = np.maximum(lines, _garment_lines(anatomy, width))
    features = np.maximum(_eye_lines(anatomy, width), _nose_lines(face, anatomy, width))
    lines = np.maximum(lines, np.maximum(features, _mouth_lines(face, anatomy, width)))
    lines = paint(lines, fill(hair.front, pixel, hair.softness), 0.0)
    if hair.softness == 0:
        lines = np.maximum(lines, 0.6 * stroke(hair.front, width, pixel))
    lines = np.maximum(lines, 0.95 * stroke(anatomy.glasses, 0.0085, pixel))
    return lines * np.clip(0.62 + 0.38 * pressure, 0.3, 1)


def _garment_lines(anatomy: Anatomy, width: Field) -> Field:
    """Edges of collar and inner shirt, and seams; none on face or ears."""
    garment, pixel = anatomy.garment, anatomy.frame.pixel
    edges = np.maximum(
        stroke(garment.collar, 0.8 * width, pixel), stroke(garment.seams, 0.6 * width, pixel)
    )
    edges = np.maximum(edges, stroke(garment.inner, 0.6 * width, pixel))
    worn = fill(np.minimum(garment.cloth, garment.collar), pixel, 0.03)
    return 0.8 * edges * worn * (1 - fill(np.minimum(anatomy.head, anatomy.ears), pixel))


def _eye_lines(anatomy: Anatomy, width: Field) -> Field:
    """Lids, lashes and the rim of the iris."""
    eyes, pixel = anatomy.eyes, anatomy.frame.pixel
    lid = 0.55 * stroke(eyes.opening, 0.6 * width, pixel)
    crease = 0.5 * stroke(eyes.crease, 0.5 * width, pixel)
    rim = 0.5 * stroke(eyes.iris, 0.5 * width, pixel) * fill(eyes.opening, pixel)
    lash = 0.95 * fill(eyes.lash, pixel)
    return np.maximum(np.maximum(lid, crease), np.maximum(rim, lash))


def _nose_lines(face: Face, anatomy: Anatomy, width: Field) -> Field:
    """Nostrils, wings, and the bridge on the side away from the light."""
    u, v, pixel = anatomy.frame.u, anatomy.frame.v, anatomy.frame.pixel
    f = face.features
    outer = ramp(np.abs(u), 0.72 * f.nose_width, 0.9 * f.nose_width)
    wings = 0.6 * stroke(anatomy.wings, 0.7 * width, pixel) * outer
    away = -float(np.sign(face.scene.light[0]))
    beside = u * away - 0.030 - 0.25 * np.maximum(v - 0.06, 0) ** 1.5
    bridge = 0.38 * stroke(beside, 0.6 * width, pixel)
    bridge = bridge * ramp(v, -0.06, 0.0) * ramp(-v, -f.nose_length + 0.03, -0.05)
    nostrils = 0.8 * fill(anatomy.nostrils, pixel, 0.014)
    return np.maximum(np.maximum(wings, bridge), nostrils)


def _mouth_lines(face: Face, anatomy: Anatomy, width: Field) -> Field:
    """The line between the lips, and lighter ones around them; laughter folds."""
    mouth, pixel, f = anatomy.mouth, anatomy.frame.pixel, face.features
    u, v = anatomy.frame.u, anatomy.frame.v
    middle = 0.85 * stroke(mouth.gap, 0.55 * width, pixel)
    rims = stroke(np.minimum(mouth.upper, mouth.lower), 0.5 * width, pixel)
    fold = np.hypot(np.abs(u) - 0.03, (v - 0.31) * 0.9) - 0.145
    fold = stroke(fold, 0.5 * width, pixel) * bump(np.abs(u) - 0.155, v - 0.25, 0.04, 0.05)
    depth = min(0.55, 0.30 * max(f.smile, 0.0) + 0.5 * face.skin.lines)
    return np.maximum(np.maximum(middle, 0.35 * rims), depth * fold)
