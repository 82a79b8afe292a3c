"""One face as a photo and as a pencil sketch."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sketchcli.assets.demo.anatomy import Anatomy, measure
from sketchcli.assets.demo.face import (
    Clothes,
    ClothesKind,
    Colour,
    Extras,
    Face,
    Features,
    Hair,
    HairStyle,
    Scene,
    Skin,
    Skull,
)
from sketchcli.assets.demo.photo import Light, illuminate, photograph
from sketchcli.assets.demo.shapes import Field, bump, fill, hatch, noise, paint, ramp, stroke

_TEXTURES = 1  # separates the random stream of grain and hair strands from that of the face


def draw_pair(
    index: int, *, size: int = 128, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a face as a pencil sketch and as a photo that match pixel for pixel.

    Args:
        index: Number of the face, 0 or more.
        size: Height and width in pixels, 16 to 1024; it does not change the face.
        seed: Number of the endless series of faces, 0 or more.

    Returns:
        The sketch `(H, W)`, grey, and the photo `(H, W, 3)`, RGB; both in [0, 255].
    """
    face = sample_face(np.random.default_rng((seed, index)))
    textures = np.random.default_rng((seed, index, _TEXTURES))
    anatomy = measure(face, size, textures)
    light = illuminate(face, anatomy)
    sketch = draw_sketch(face, anatomy, light, textures)
    photo = photograph(face, anatomy, light, textures)
    return _to_bytes(sketch), _to_bytes(photo)


def _to_bytes(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


# The functions below draw a face in pencil. Darkness is built up from 0, bare paper, to 1: first
# tones, which are hatched, then lines.

_PAPER = 0.965
_GRAPHITE = 0.84  # brightness that the darkest stroke takes from the paper


def draw_sketch(face: Face, anatomy: Anatomy, light: Light, textures: np.random.Generator) -> Field:
    """Draw a face in pencil, as a grey sketch `(H, W)` of about [0, 1], 1 for white."""
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
    red, green, blue = colour
    return 1 - (0.30 * red + 0.59 * green + 0.11 * blue)


def _lay_tones(face: Face, anatomy: Anatomy, light: Light) -> Field:
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
    garment, frame = anatomy.garment, anatomy.frame
    pale = 0.04 + 0.22 * (1 - light.cloth)
    own = 0.06 + 0.72 * _darkness(face.clothes.colour)
    tone = own * (1.18 - 0.45 * light.cloth) + 0.25 * (1 - light.cloth)
    tone = paint(tone, fill(garment.collar, frame.pixel), 0.86 * tone)
    if face.clothes.is_striped:
        tone = paint(tone, fill(np.abs(np.mod(frame.y, 0.11) - 0.055) - 0.02, frame.pixel), pale)
    return paint(tone, fill(garment.inner, frame.pixel), pale)


def _face_tone(skin: float, face: Face, anatomy: Anatomy, light: Light) -> Field:
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
    """Turn tones into strokes on grainy paper, cross-hatched where they are dark."""
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
    """Return how far head and body hide the hair behind them."""
    pixel = anatomy.frame.pixel
    body = np.minimum(anatomy.trunk, anatomy.garment.cloth)
    return fill(np.minimum(np.minimum(body, anatomy.head), anatomy.ears), pixel)


def _draw_lines(face: Face, anatomy: Anatomy, light: Light, pressure: Field) -> Field:
    """Draw outlines and features, heavier on the side away from the light."""
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
    garment, pixel = anatomy.garment, anatomy.frame.pixel
    edges = np.maximum(
        stroke(garment.collar, 0.8 * width, pixel), stroke(garment.seams, 0.6 * width, pixel)
    )
    edges = np.maximum(edges, stroke(garment.inner, 0.6 * width, pixel))
    worn = fill(np.minimum(garment.cloth, garment.collar), pixel, 0.03)
    return 0.8 * edges * worn * (1 - fill(np.minimum(anatomy.head, anatomy.ears), pixel))


def _eye_lines(anatomy: Anatomy, width: Field) -> Field:
    eyes, pixel = anatomy.eyes, anatomy.frame.pixel
    lid = 0.55 * stroke(eyes.opening, 0.6 * width, pixel)
    crease = 0.5 * stroke(eyes.crease, 0.5 * width, pixel)
    rim = 0.5 * stroke(eyes.iris, 0.5 * width, pixel) * fill(eyes.opening, pixel)
    lash = 0.95 * fill(eyes.lash, pixel)
    return np.maximum(np.maximum(lid, crease), np.maximum(rim, lash))


def _nose_lines(face: Face, anatomy: Anatomy, width: Field) -> Field:
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
    mouth, pixel, f = anatomy.mouth, anatomy.frame.pixel, face.features
    u, v = anatomy.frame.u, anatomy.frame.v
    middle = 0.85 * stroke(mouth.gap, 0.55 * width, pixel)
    rims = stroke(np.minimum(mouth.upper, mouth.lower), 0.5 * width, pixel)
    fold = np.hypot(np.abs(u) - 0.03, (v - 0.31) * 0.9) - 0.145
    fold = stroke(fold, 0.5 * width, pixel) * bump(np.abs(u) - 0.155, v - 0.25, 0.04, 0.05)
    depth = min(0.55, 0.30 * max(f.smile, 0.0) + 0.5 * face.skin.lines)
    return np.maximum(np.maximum(middle, 0.35 * rims), depth * fold)


# The functions below sample the parameters of a face, some of which depend on others.

_T = TypeVar("_T")
_SKIN: list[Colour] = [
    (0.97, 0.84, 0.77),
    (0.94, 0.77, 0.66),
    (0.87, 0.67, 0.53),
    (0.76, 0.55, 0.40),
    (0.60, 0.41, 0.29),
    (0.43, 0.28, 0.20),
]
_DARK_HAIR: list[Colour] = [(0.09, 0.08, 0.09), (0.16, 0.11, 0.09), (0.26, 0.16, 0.11)]
_FAIR_HAIR: list[Colour] = [
    (0.38, 0.24, 0.14),
    (0.50, 0.33, 0.18),
    (0.78, 0.60, 0.34),
    (0.88, 0.74, 0.48),
    (0.60, 0.25, 0.11),
    (0.72, 0.36, 0.16),
]
_GREY_HAIR: list[Colour] = [(0.48, 0.48, 0.50), (0.66, 0.66, 0.67), (0.82, 0.81, 0.79)]
_DARK_IRIS: list[Colour] = [(0.24, 0.14, 0.08), (0.33, 0.20, 0.10)]
_FAIR_IRIS: list[Colour] = [(0.33, 0.50, 0.66), (0.36, 0.52, 0.36), (0.45, 0.48, 0.52)]
_CLOTHES: dict[ClothesKind, list[Colour]] = {
    "crew": [(0.68, 0.20, 0.20), (0.84, 0.44, 0.34)],
    "vee": [(0.16, 0.36, 0.30), (0.36, 0.56, 0.42)],
    "shirt": [(0.44, 0.60, 0.80), (0.80, 0.87, 0.95)],
    "polo_neck": [(0.46, 0.26, 0.34), (0.84, 0.64, 0.28)],
    "jacket": [(0.13, 0.16, 0.24), (0.32, 0.33, 0.40)],
}
# These run from dark to light, so that the tone of a sketch's background shows its hue.
_BACKGROUND: list[Colour] = [
    (0.22, 0.27, 0.33),
    (0.33, 0.45, 0.50),
    (0.54, 0.63, 0.60),
    (0.76, 0.72, 0.63),
    (0.90, 0.85, 0.78),
]
_WOMEN: dict[HairStyle, float] = {
    "cropped": 0.05,
    "parted": 0.05,
    "fringe": 0.22,
    "long": 0.24,
    "wavy": 0.2,
    "bun": 0.14,
    "curly": 0.1,
}
_MEN: dict[HairStyle, float] = {
    "bald": 0.12,
    "cropped": 0.3,
    "parted": 0.38,
    "fringe": 0.04,
    "wavy": 0.04,
    "curly": 0.12,
}


def sample_face(rng: np.random.Generator) -> Face:
    """Sample the parameters of a face."""
    is_man = bool(rng.random() < 0.5)
    age = float(rng.random())
    skin = _sample_skin(rng, age)
    hair = _sample_hair(rng, skin, is_man=is_man, age=age)
    return Face(
        skin=skin,
        skull=_sample_skull(rng, is_man=is_man),
        features=_sample_features(rng, skin, hair, is_man=is_man),
        hair=hair,
        extras=_sample_extras(rng, is_man=is_man, age=age),
        clothes=_sample_clothes(rng),
        scene=_sample_scene(rng, hair),
    )


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Sample a plain float, which leaves float32 arrays float32."""
    return float(rng.uniform(low, high))


def _pick(rng: np.random.Generator, choices: list[_T]) -> _T:
    return choices[int(rng.integers(len(choices)))]


def _weighted(rng: np.random.Generator, chances: dict[HairStyle, float]) -> HairStyle:
    shares = np.cumsum(list(chances.values()))
    return list(chances)[int(np.searchsorted(shares, rng.random() * shares[-1]))]


def _between(stops: list[Colour], position: float) -> Colour:
    places = np.linspace(0, 1, len(stops))
    red, green, blue = (
        float(np.interp(position, places, band)) for band in zip(*stops, strict=True)
    )
    return red, green, blue


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Randomly shift a colour's brightness and, half as much, each of its channels."""
    shift = rng.uniform(-spread, spread) + rng.uniform(-spread / 2, spread / 2, 3)
    red, green, blue = (float(c) for c in np.clip(np.array(colour) + shift, 0.03, 0.97))
    return red, green, blue


def _sample_skin(rng: np.random.Generator, age: float) -> Skin:
    depth = float(rng.random() ** 1.2)
    is_freckled = depth < 0.45 and rng.random() < 0.3
    return Skin(
        depth=depth,
        colour=_vary(rng, _between(_SKIN, depth), 0.015),
        blush=_uniform(rng, 0.25, 1.0),
        freckles=_uniform(rng, 0.5, 1.0) if is_freckled else 0.0,
        lines=max(0.0, age - 0.55) * 2,
    )


def _sample_skull(rng: np.random.Generator, *, is_man: bool) -> Skull:
    man = float(is_man)
    return Skull(
        width=_uniform(rng, 0.345, 0.395) + 0.008 * man,
        jaw=_uniform(rng, 0.74, 0.86) + 0.06 * man,
        chin=_uniform(rng, 0.10, 0.15) + 0.045 * man,
        length=_uniform(rng, 0.475, 0.525) + 0.01 * man,
        ear=_uniform(rng, 0.85, 1.15),
        neck=_uniform(rng, 0.155, 0.185) + 0.045 * man,
    )


def _sample_features(rng: np.random.Generator, skin: Skin, hair: Hair, *, is_man: bool) -> Features:
    man = float(is_man)
    smile = _uniform(rng, -0.2, 1.0)
    is_fair = skin.depth < 0.5 and (sum(hair.colour) > 0.9 or rng.random() < 0.2)
    lips = np.array(skin.colour) * (0.90, 0.62, 0.64) + (0.02, 0.01, 0.02)
    made_up = (0.0 if is_man else _uniform(rng, 0.0, 0.75)) * (rng.random() < 0.6)
    rouge = np.array((0.72, 0.16, 0.22))
    red, green, blue = (float(c) for c in lips + (rouge - lips) * made_up)
    return Features(
        eye_spacing=_uniform(rng, 0.150, 0.172),
        eye_width=_uniform(rng, 0.074, 0.088) - 0.003 * man,
        eye_opening=_uniform(rng, 0.029, 0.042) - 0.004 * man,
        eye_slant=_uniform(rng, -0.06, 0.16),
        gaze=_uniform(rng, -0.012, 0.012),
        iris=_vary(rng, _pick(rng, _FAIR_IRIS if is_fair else _DARK_IRIS), 0.05),
        lash=_uniform(rng, 0.006, 0.009) + (0.0 if is_man else _uniform(rng, 0.001, 0.006)),
        brow_height=_uniform(rng, 0.088, 0.112) - 0.008 * man,
        brow_arch=_uniform(rng, 0.010, 0.032) - 0.006 * man,
        brow_thickness=_uniform(rng, 0.010, 0.016) + 0.005 * man,
        nose_width=_uniform(rng, 0.058, 0.078) + 0.012 * skin.depth + 0.005 * man,
        nose_length=_uniform(rng, 0.165, 0.195) + 0.008 * man,
        mouth_width=_uniform(rng, 0.110, 0.135) + 0.02 * max(smile, 0.0),
        lip_fullness=_uniform(rng, 0.8, 1.2) + 0.25 * skin.depth - 0.15 * man,
        lip_colour=(red, green, blue),
        smile=smile,
        shows_teeth=bool(smile > 0.45 and rng.random() < 0.6),
    )


def _sample_hair(rng: np.random.Generator, skin: Skin, *, is_man: bool, age: float) -> Hair:
    style = _weighted(rng, _MEN if is_man else _WOMEN)
    ends = {"fringe": (0.22, 0.48), "long": (0.62, 1.05), "wavy": (0.5, 0.9), "curly": (0.05, 0.4)}
    low, high = ends.get(style, (0.0, 0.05))
    return Hair(
        style=style,
        colour=_sample_hair_colour(rng, skin, age),
        volume=_uniform(rng, 0.0, 1.0),
        length=_uniform(rng, low, low + 0.1 if is_man else high),
        part=_uniform(rng, 0.08, 0.22) * _pick(rng, [-1.0, 1.0]),
        line=_uniform(rng, -0.36, -0.30) - (0.04 * age if is_man else 0.0),
    )


def _sample_hair_colour(rng: np.random.Generator, skin: Skin, age: float) -> Colour:
    if age > 0.78 and rng.random() < 0.75:
        return _vary(rng, _pick(rng, _GREY_HAIR), 0.04)
    is_dark = rng.random() < 0.25 + 1.3 * skin.depth
    return _vary(rng, _pick(rng, _DARK_HAIR if is_dark else _FAIR_HAIR), 0.03)


def _sample_extras(rng: np.random.Generator, *, is_man: bool, age: float) -> Extras:
    has_beard = is_man and rng.random() < 0.4
    has_moustache = is_man and rng.random() < (0.9 if has_beard else 0.12)
    wears_glasses = rng.random() < 0.14 + 0.2 * age
    return Extras(
        beard=_uniform(rng, 0.3, 1.0) if has_beard else 0.0,
        moustache=_uniform(rng, 0.6, 1.0) if has_moustache else 0.0,
        glasses=_pick(rng, ["round", "square"]) if wears_glasses else "none",
        earrings=bool(not is_man and rng.random() < 0.5),
    )


def _sample_clothes(rng: np.random.Generator) -> Clothes:
    kind = _pick(rng, list(_CLOTHES))
    return Clothes(
        kind=kind,
        colour=_vary(rng, _between(_CLOTHES[kind], _uniform(rng, 0, 1)), 0.03),
        is_striped=bool(kind == "crew" and rng.random() < 0.5),
    )


def _sample_scene(rng: np.random.Generator, hair: Hair) -> Scene:
    room = 0.90 if hair.style in ("bun", "curly") else 1.0  # tall hair needs space
    side = _uniform(rng, 0.30, 0.62) * _pick(rng, [-1.0, 1.0])
    direction = np.array((side, _uniform(rng, -0.62, -0.40), 0.72))
    right, down, near = (float(c) for c in direction / np.linalg.norm(direction))
    return Scene(
        shift=(_uniform(rng, -0.05, 0.05), _uniform(rng, -0.03, 0.03)),
        tilt=_uniform(rng, -0.09, 0.09),
        scale=_uniform(rng, 1.24, 1.38) * room,
        background=_vary(rng, _between(_BACKGROUND, _uniform(rng, 0, 1)), 0.02),
        light=(right, down, near),
        warmth=_uniform(rng, -1.0, 1.0),
    )
