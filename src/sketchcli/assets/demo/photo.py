"""A face as a softly lit photo."""

from dataclasses import dataclass, replace

import numpy as np

from sketchcli.assets.demo.anatomy import MOUTH, Anatomy, Frame
from sketchcli.assets.demo.face import Colour, Face, Scene
from sketchcli.assets.demo.shapes import Field, bump, ellipse, fill, noise, paint, ramp, stroke

_WHITE = (0.93, 0.91, 0.89)
_GOLD = (0.85, 0.68, 0.35)


@dataclass(frozen=True)
class Light:
    """Light on each surface, from 0 (dark) to 1 (full light), and the shadows cast on it."""

    head: Field
    trunk: Field
    cloth: Field
    hair: Field
    gloss: Field
    hair_gloss: Field


def photograph(face: Face, anatomy: Anatomy, light: Light, textures: np.random.Generator) -> Field:
    """Paint a face from back to front, as an RGB photo `(H, W, 3)` of about [0, 1]."""
    photo = _backdrop(face, anatomy)
    photo = _paint_hair(photo, anatomy.hair.back, face, anatomy, _dim(light))
    photo = _paint_trunk(photo, face, anatomy, light)
    photo = _paint_clothes(photo, face, anatomy, light)
    photo = _paint_head(photo, face, anatomy, light)
    photo = _paint_nose(photo, face, anatomy)
    photo = _paint_mouth(photo, face, anatomy, light)
    photo = _paint_eyes(photo, face, anatomy, light)
    photo = _paint_beard(photo, face, anatomy, light)
    photo = _paint_hair(photo, anatomy.hair.front, face, anatomy, light)
    photo = _paint_extras(photo, face, anatomy)
    return _develop(photo, face, noise(textures, 256, anatomy.frame.size), anatomy)


def _rgb(colour: Colour) -> Field:
    return np.array(colour)


def _backdrop(face: Face, anatomy: Anatomy) -> Field:
    x, y = anatomy.frame.x, anatomy.frame.y
    glow = bump(x + 0.5 * face.scene.light[0], y + 0.15, 0.75, 0.8)
    return _rgb(face.scene.background) * (0.74 + 0.36 * glow)[..., None]


def _lit_skin(skin: Field, shade: Field) -> Field:
    """Shade skin; shadows turn warmer, since light scatters red in skin."""
    dark = skin * (0.40, 0.27, 0.25)
    bright = skin * (1.08, 1.07, 1.05) + 0.015
    return dark + (bright - dark) * shade[..., None]


def _lit(colour: Field, shade: Field) -> Field:
    return colour * (0.38 + 0.72 * shade)[..., None]


def _dim(light: Light) -> Light:
    """Return the light that reaches the hair behind the head."""
    return replace(light, hair=0.6 * light.hair - 0.2, hair_gloss=0.5 * light.hair_gloss)


def _paint_hair(photo: Field, shape: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    hair, colour = anatomy.hair, _rgb(face.hair.colour)
    shade = (0.42 + 0.62 * light.hair) * (1 + 0.24 * hair.strands)
    sheen = light.hair_gloss * (0.05 if face.hair.is_soft else 0.34)
    glow = (0.28 + 0.8 * colour) * sheen[..., None]
    return paint(
        photo, fill(shape, anatomy.frame.pixel, hair.softness), _tint(colour, shade) + glow
    )


def _tint(colour: Field, shade: Field) -> Field:
    """Return a colour at a shade around 1; darker shades keep more of the red."""
    return colour * shade[..., None] ** (0.92, 1.05, 1.12)


def _paint_trunk(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    skin = _lit_skin(_rgb(face.skin.colour) * 0.97, light.trunk)
    return paint(photo, fill(anatomy.trunk, anatomy.frame.pixel), skin)


def _paint_clothes(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    garment, pixel, y = anatomy.garment, anatomy.frame.pixel, anatomy.frame.y
    colour = _rgb(face.clothes.colour)
    edge = ramp(-garment.cloth, -0.03, 0.01) * fill(anatomy.trunk, pixel)
    photo = paint(photo, 0.3 * edge, photo * 0.5)
    photo = paint(photo, fill(garment.inner, pixel), _lit(_rgb(_WHITE), light.cloth))
    shirt = garment.inner
    cloth = np.maximum(garment.cloth, -shirt)
    photo = paint(photo, fill(cloth, pixel), _lit(colour, light.cloth))
    if face.clothes.is_striped:
        stripe = fill(np.abs(np.mod(y, 0.11) - 0.055) - 0.02, pixel) * fill(cloth, pixel)
        photo = paint(photo, stripe, _lit(_rgb(_WHITE), light.cloth))
    band = fill(garment.collar, pixel)
    photo = paint(photo, band, _lit(_collar_colour(colour), light.cloth))
    rim = stroke(garment.collar, 0.006, pixel) * fill(
        np.minimum(garment.cloth, garment.collar), pixel
    )
    photo = paint(photo, 0.4 * rim, photo * 0.4)
    return paint(photo, 0.5 * stroke(garment.seams, 0.005, pixel), photo * 0.45)


def _collar_colour(colour: Field) -> Field:
    return np.clip(colour * 1.08 + 0.02, 0, 1)


def _paint_head(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    frame, skin = anatomy.frame, _rgb(face.skin.colour)
    ear = light.head * (0.62 + 0.35 * ramp(anatomy.ears, -0.012, -0.035))
    cover = fill(anatomy.ears, frame.pixel)
    photo = paint(photo, cover, _lit_skin(skin * (1.0, 0.93, 0.91), 0.06 + 0.7 * ear))
    blushed = _blush(skin, face, anatomy)
    lit = _lit_skin(blushed, light.head)
    gloss = (0.10 + 0.10 * face.skin.depth) * light.gloss[..., None]
    lit = lit + gloss * _rgb((1.0, 0.95, 0.88))
    return paint(photo, fill(anatomy.head, frame.pixel), lit)


def _blush(skin: Field, face: Face, anatomy: Anatomy) -> Field:
    """Redden cheeks, nose and chin and add freckles, `(H, W, 3)`."""
    u, v = anatomy.frame.u, anatomy.frame.v
    red = bump(np.abs(u) - 0.20, v - 0.15, 0.085, 0.065)
    red = red + 0.6 * bump(u, v - 0.16, 0.05, 0.04) + 0.3 * bump(u, v - 0.43, 0.08, 0.04)
    red = (face.skin.blush * red)[..., None]
    flushed = skin * (1 - red * _rgb((0.0, 0.20, 0.17)))
    return flushed * (1 - anatomy.freckles[..., None] * _rgb((0.10, 0.19, 0.24)))


def _paint_nose(photo: Field, face: Face, anatomy: Anatomy) -> Field:
    u, v, pixel = anatomy.frame.u, anatomy.frame.v, anatomy.frame.pixel
    f = face.features
    under = bump(u + 0.03 * face.scene.light[0], v - f.nose_length - 0.022, 0.052, 0.016)
    photo = paint(photo, 0.22 * under, photo * (0.50, 0.36, 0.34))
    return paint(photo, 0.72 * fill(anatomy.nostrils, pixel, 0.016), photo * (0.34, 0.22, 0.20))


def _paint_mouth(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    mouth, pixel, f = anatomy.mouth, anatomy.frame.pixel, face.features
    lips = _rgb(f.lip_colour)
    photo = paint(photo, 0.95 * fill(mouth.upper, pixel, 0.018), _lit(lips * 0.86, light.head))
    photo = paint(photo, 0.92 * fill(mouth.lower, pixel, 0.020), _lit(lips * 1.12, light.head))
    u = anatomy.frame.u - 0.03 * face.scene.light[0]
    low = 0.022 + (0.024 if f.shows_teeth else 0.0)
    shine = bump(u, mouth.bend - low, 0.035, 0.006) * fill(mouth.lower, 0.02)
    photo = paint(photo, 0.40 * shine, _rgb((1.0, 0.93, 0.90)))
    inside = _rgb((0.90, 0.87, 0.83)) if f.shows_teeth else lips * 0.30
    shaded = inside * (1 - 0.5 * ramp(np.abs(u), 0.03, f.mouth_width))[..., None]
    photo = paint(photo, fill(mouth.gap, pixel, 0.010), shaded)
    corner = bump(np.abs(u) - f.mouth_width, mouth.bend, 0.014, 0.010)
    return paint(photo, 0.45 * corner, photo * 0.45)


def _paint_eyes(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    eyes, pixel, f = anatomy.eyes, anatomy.frame.pixel, face.features
    u, v = anatomy.frame.u, anatomy.frame.v
    socket = bump(np.abs(u) - f.eye_spacing, v + 0.028, 0.085, 0.035)
    photo = paint(photo, 0.22 * socket, photo * (0.62, 0.48, 0.46))
    photo = paint(photo, 0.5 * stroke(eyes.crease, 0.005, pixel), photo * (0.55, 0.42, 0.40))
    inside = fill(eyes.opening, pixel)
    lid_shade = 0.70 + 0.30 * ramp(v + f.eye_opening, 0.0, 0.035)
    ball = _rgb((0.95, 0.93, 0.92)) * (lid_shade * (0.62 + 0.36 * light.head))[..., None]
    photo = paint(photo, inside, ball)
    photo = paint(
        photo, inside * fill(eyes.iris, pixel), _iris(face, anatomy) * lid_shade[..., None]
    )
    photo = paint(photo, inside * fill(eyes.pupil, pixel), 0.04)
    lash = _rgb(face.hair.colour) * 0.25 + 0.02
    photo = paint(photo, 0.35 * stroke(eyes.opening, 0.006, pixel), photo * (0.55, 0.40, 0.38))
    photo = paint(photo, 0.92 * fill(eyes.lash, pixel), lash)
    photo = paint(photo, 0.92 * inside * fill(eyes.glint, pixel), 1.0)
    brow = _tint(_brow_colour(face), 1 + 0.25 * anatomy.hair.strands)
    return paint(photo, 0.85 * fill(eyes.brow, pixel, 0.022), brow)


def _iris(face: Face, anatomy: Anatomy) -> Field:
    """Return an iris with a dark rim, brighter away from the light, as if it shone through."""
    colour, eyes = _rgb(face.features.iris), anatomy.eyes
    rim = ramp(eyes.iris, -0.014, 0.0)
    glow = 1.0 + 0.55 * ramp(anatomy.frame.v, -0.02, 0.03)
    return colour * (glow * (1 - 0.6 * rim))[..., None]


def _brow_colour(face: Face) -> Field:
    return 0.62 * _rgb(face.hair.colour) + 0.10 * _rgb(face.skin.colour)


def _paint_beard(photo: Field, face: Face, anatomy: Anatomy, light: Light) -> Field:
    colour = 0.85 * _rgb(face.hair.colour) + 0.02
    shade = (0.45 + 0.6 * light.head) * (1 + 0.25 * anatomy.hair.strands)
    return paint(photo, 0.93 * anatomy.beard, _tint(colour, shade))


def _paint_extras(photo: Field, face: Face, anatomy: Anatomy) -> Field:
    pixel = anatomy.frame.pixel
    if face.hair.is_short:
        photo = paint(photo, fill(anatomy.earrings, pixel), _rgb(_GOLD))
        photo = paint(photo, 0.8 * fill(anatomy.earrings + 0.011, pixel), 1.0)
    photo = paint(photo, 0.25 * stroke(anatomy.glasses, 0.018, pixel), photo * 0.5)
    return paint(photo, 0.95 * stroke(anatomy.glasses, 0.0075, pixel), _rgb((0.13, 0.10, 0.09)))


def _develop(photo: Field, face: Face, grain: Field, anatomy: Anatomy) -> Field:
    """Tint by the light's warmth, darken the corners and add film grain."""
    tint = 1 + 0.025 * face.scene.warmth * _rgb((1.0, 0.2, -1.0))
    corners = 1 - 0.22 * ramp(ellipse(anatomy.frame.x, anatomy.frame.y, 0.9, 0.9), -0.35, 0.35)
    return photo * tint * corners[..., None] + (0.011 * grain)[..., None]


# The functions below light a face: diffuse shade, gloss and soft shadows, all in [0, 1].


def illuminate(face: Face, anatomy: Anatomy) -> Light:
    """Light a face from the scene's direction (Lambert's law on a rough height map)."""
    frame, scene = anatomy.frame, face.scene
    head, gloss = _shade(_relief(face, anatomy), frame, scene)
    trunk, _ = _shade(_roundness(anatomy.trunk, 0.20, 0.75), frame, scene)
    cloth, _ = _shade(_roundness(anatomy.garment.cloth, 0.10, 0.55) + _folds(frame), frame, scene)
    hair, _ = _shade(_hair_relief(anatomy), frame, scene)
    return Light(
        head=head * (1 - 0.45 * _hair_shadow(face, anatomy)),
        trunk=trunk * (1 - 0.62 * _chin_shadow(face, anatomy)),
        cloth=cloth * (1 - 0.30 * _chin_shadow(face, anatomy)),
        hair=hair,
        gloss=gloss,
        hair_gloss=_sheen(anatomy, scene),
    )


def _shade(height: Field, frame: Frame, scene: Scene) -> tuple[Field, Field]:
    """Return the diffuse and the glossy light on a height map in head units."""
    down, right = np.gradient(height, frame.pixel)
    length = np.sqrt(right * right + down * down + 1)
    lx, ly, lz = scene.light
    facing = (lz - lx * right - ly * down) / length
    half = np.array((lx, ly, lz + 1)) / np.sqrt(lx * lx + ly * ly + (lz + 1) ** 2)
    hx, hy, hz = (float(h) for h in half)
    mirror = np.clip((hz - hx * right - hy * down) / length, 0, 1)
    return np.clip(0.24 + 0.80 * facing, 0, 1), mirror**28


def _roundness(distance: Field, reach: float, swell: float) -> Field:
    """Return the height of a shape that curves away over `reach` from its outline."""
    inward = np.clip(-distance / reach, 0, 1)
    return swell * reach * np.sqrt(1 - (1 - inward) ** 2 * 0.96)


def _relief(face: Face, anatomy: Anatomy) -> Field:
    u, v = anatomy.frame.u, anatomy.frame.v
    ball = ((u / (face.skull.width * 1.08)) ** 2 + ((v + 0.02) / 0.62) ** 2).clip(0, 1)
    height = 0.26 * np.sqrt(1 - 0.97 * ball) + _roundness(anatomy.head, 0.10, 0.32)
    return height + _nose_relief(u, v, face) + _soft_relief(np.abs(u), u, v, face)


def _nose_relief(u: Field, v: Field, face: Face) -> Field:
    width, length = face.features.nose_width, face.features.nose_length
    rise = 0.25 + 0.75 * ramp(v, -0.08, length - 0.03)
    fall = ramp(-v, -length - 0.034, -length + 0.048)
    spread = 0.030 + 0.020 * ramp(v, -0.05, length)
    ridge = 0.050 * rise * fall * ramp(v, -0.16, -0.02) * np.exp(-0.5 * (u / spread) ** 2)
    tip = 0.020 * bump(u, v - length + 0.025, 0.034, 0.028)
    wings = 0.022 * bump(np.abs(u) - 0.68 * width, v - length + 0.014, 0.020, 0.022)
    return ridge + tip + wings


def _soft_relief(side: Field, u: Field, v: Field, face: Face) -> Field:
    """Return the height of the soft parts; `side` is the distance from the middle."""
    f = face.features
    smile = max(f.smile, 0.0)
    fold = bump(side - 0.135 - 0.1 * (v - 0.24), v - 0.24, 0.018, 0.06)
    return (
        0.014 * bump(side - 0.13, v + 0.10, 0.12, 0.035)
        - 0.026 * bump(side - f.eye_spacing + 0.02, v + 0.01, 0.085, 0.045)
        + 0.012 * bump(side - f.eye_spacing, v, 0.05, 0.035)
        + (0.018 + 0.014 * smile) * bump(side - 0.20, v - 0.15, 0.085, 0.075)
        + 0.016 * bump(u, v - MOUTH, 0.10, 0.05)
        - 0.010 * bump(u, v - MOUTH - 0.075, 0.07, 0.018)
        + 0.018 * bump(u, v - 0.42, 0.075, 0.05)
        - 0.006 * bump(u, v - 0.245, 0.012, 0.02)
        - (0.004 * smile + 0.007 * face.skin.lines) * fold
    )


def _folds(frame: Frame) -> Field:
    slant = np.abs(frame.x) * 9 + frame.y * 15
    height: Field = 0.006 * np.sin(slant + 2 * np.sin(frame.y * 7 + frame.x * 5))
    return height


def _hair_relief(anatomy: Anatomy) -> Field:
    return _roundness(-anatomy.hair.depth, 0.22, 0.75) + 0.004 * anatomy.hair.strands


def _sheen(anatomy: Anatomy, scene: Scene) -> Field:
    """Return the band of light around the crown, broken up by the strands."""
    u, v = anatomy.frame.u, anatomy.frame.v
    around = ellipse(u - 0.25 * scene.light[0], v + 0.10, 0.33, 0.40)
    band = bump(around, 0.0, 0.055, 1.0) * ramp(-v, -0.05, 0.3)
    low = 0.5 * bump(around - 0.08, v - 0.22, 0.05, 0.16)
    return (band + low) * (0.55 + 0.45 * anatomy.hair.strands)


def _hair_shadow(face: Face, anatomy: Anatomy) -> Field:
    """Return the shadow of the hair on brow and cheeks, longer away from the light."""
    front = anatomy.hair.front
    if face.hair.style == "bald":
        return np.zeros_like(front)
    right, down = (round(s / anatomy.frame.pixel) for s in (0.03 * -face.scene.light[0], 0.035))
    moved = np.roll(front, (down, right), axis=(0, 1))
    reach = 0.02 if face.hair.style == "cropped" else 0.045
    return ramp(-moved, -reach, 0.01)


def _chin_shadow(face: Face, anatomy: Anatomy) -> Field:
    frame = anatomy.frame
    u = frame.u + 0.10 * face.scene.light[0]
    below = ellipse(u, frame.v - 0.24, face.skull.width * 0.82, 0.40)
    return ramp(-below, -0.10, 0.08)
