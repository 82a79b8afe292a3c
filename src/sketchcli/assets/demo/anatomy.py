"""Outlines of a face: signed distances, in head units, that photo and sketch share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sketchcli.assets.demo.face import ClothesKind, Extras, Face, Features, Hair, Skull
from sketchcli.assets.demo.shapes import (
    Field,
    bow,
    box,
    bump,
    ellipse,
    noise,
    pixel_grid,
    ramp,
    segment,
    smooth_union,
    strands,
    turn,
)

MOUTH = 0.305  # distance of the line between the lips below the eyes, head units


@dataclass(frozen=True)
class Frame:
    """Positions of the pixels: `u`, `v` on the tilted head, `x`, `y` on the upright body."""

    u: Field
    v: Field
    x: Field
    y: Field
    pixel: float
    size: int


@dataclass(frozen=True)
class Eyes:
    """Both eyes and brows; `glint` is on the side of the light."""

    opening: Field
    iris: Field
    pupil: Field
    glint: Field
    lash: Field
    crease: Field
    brow: Field


@dataclass(frozen=True)
class Mouth:
    """Lips; `bend` is the distance below the line at which they meet."""

    upper: Field
    lower: Field
    gap: Field
    bend: Field


@dataclass(frozen=True)
class Garment:
    """Clothes: `cloth`, `collar` and `inner` are signed distances, `seams` is unsigned."""

    cloth: Field
    collar: Field
    inner: Field
    seams: Field


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


@dataclass(frozen=True)
class Anatomy:
    """All outlines of a face; `beard` and `freckles` are densities in [0, 1]."""

    frame: Frame
    head: Field
    ears: Field
    trunk: Field
    garment: Garment
    eyes: Eyes
    nostrils: Field
    wings: Field
    mouth: Mouth
    beard: Field
    freckles: Field
    glasses: Field
    earrings: Field
    hair: HairShape


def measure(face: Face, size: int, textures: np.random.Generator) -> Anatomy:
    """Lay a face's outlines over `size` x `size` pixels."""
    frame = _frame(face, size)
    u, v, skull, features = frame.u, frame.v, face.skull, face.features
    head = _head(u, v, skull)
    trunk = shape_trunk(frame.x, frame.y, skull.neck)
    mouth = _mouth(u, v, features)
    nose = v - features.nose_length
    return Anatomy(
        frame=frame,
        head=head,
        ears=_ears(u, v, skull),
        trunk=trunk,
        garment=dress(face.clothes.kind, frame.x, frame.y, trunk),
        eyes=_eyes(u, v, face),
        nostrils=ellipse(
            *turn(np.abs(u) - 0.52 * features.nose_width, nose - 0.004, 0.25), 0.019, 0.0085
        ),
        wings=ellipse(np.abs(u) - 0.70 * features.nose_width, nose + 0.016, 0.027, 0.027),
        mouth=mouth,
        beard=_beard(u, v, face, head, mouth),
        freckles=_freckles(u, v, face, noise(textures, 110, size)),
        glasses=_glasses(u, v, face),
        earrings=_earrings(u, v, skull, face.extras),
        hair=comb(face.hair, skull, u, v, textures),
    )


def _frame(face: Face, size: int) -> Frame:
    scene = face.scene
    right, down = pixel_grid(size)
    x = (right - scene.shift[0]) / scene.scale
    y = (down + 0.02 - scene.shift[1]) / scene.scale
    u, v = turn(x, y - 0.4, scene.tilt)  # the head tilts about the neck
    return Frame(u, v + 0.4, x, y, 2 / (size * scene.scale), size)


def _head(u: Field, v: Field, skull: Skull) -> Field:
    cranium = ellipse(u, v + 0.12, skull.width, 0.395)
    jaw = ellipse(u, v - 0.13, skull.width * skull.jaw, 0.32)
    chin = ellipse(u, v - (skull.length - 0.105), skull.chin, 0.10)
    return smooth_union(smooth_union(cranium, jaw, 0.14), chin, 0.12)


def _ears(u: Field, v: Field, skull: Skull) -> Field:
    outward, down = turn(np.abs(u) - (skull.width + 0.005), v - 0.055, -0.18)
    return ellipse(outward, down, 0.047, 0.098 * skull.ear)


def _eyes(u: Field, v: Field, face: Face) -> Eyes:
    """Return eyes, lids and brows, mirrored except for the gaze and the glint."""
    f = face.features
    outward = np.abs(u) - f.eye_spacing
    sideways = u - np.sign(u) * f.eye_spacing - f.gaze
    down = v + f.eye_slant * outward
    top, bottom = 1.2 * f.eye_opening, f.eye_opening * (0.8 - 0.25 * max(f.smile, 0.0))
    side = float(np.sign(face.scene.light[0]))
    thick = f.brow_thickness * (1 - 0.45 * np.clip(outward / f.eye_width, -1, 1))
    brow_down = v + f.brow_height + (0.10 + 0.6 * f.eye_slant) * outward
    return Eyes(
        opening=bow(outward, down, f.eye_width, top, bottom),
        iris=np.hypot(sideways, v + 0.005) - 0.039,
        pupil=np.hypot(sideways, v + 0.005) - 0.017,
        glint=np.hypot(sideways - 0.015 * side, v + 0.018) - 0.0095,
        lash=bow(outward - 0.005, down, f.eye_width * 1.07, top + f.lash, -top),
        crease=bow(outward - 0.002, down + 0.014, f.eye_width * 1.02, top + 0.012, -top - 0.004),
        brow=bow(
            outward - 0.006,
            brow_down,
            f.eye_width * 1.28,
            f.brow_arch + thick,
            0.6 * thick - f.brow_arch,
        ),
    )


def _mouth(u: Field, v: Field, f: Features) -> Mouth:
    bend = v - MOUTH + f.smile * 0.042 * np.minimum((u / f.mouth_width) ** 2, 1.6)
    gap = 0.026 if f.shows_teeth else 0.0
    cupid = 0.030 * f.lip_fullness * (1 - 0.28 * bump(u, 0.0, 0.016, 1.0))
    return Mouth(
        upper=bow(u, bend, f.mouth_width, cupid, 0.004),
        lower=bow(u, bend, f.mouth_width * 0.90, 0.0, gap + 0.040 * f.lip_fullness),
        gap=bow(u, bend, f.mouth_width * 0.88, 0.002, max(gap, 0.0015)),
        bend=bend,
    )


def _beard(u: Field, v: Field, face: Face, head: Field, mouth: Mouth) -> Field:
    extras, f = face.extras, face.features
    cheek = 0.31 - 0.34 * np.minimum(np.abs(u) / face.skull.width, 1.1) ** 3
    edge = ramp(v, cheek - 0.01, cheek + 0.09)
    reach = ramp(-head, -0.024 * extras.beard, -0.018 * extras.beard + 0.008)
    bare = ramp(ellipse(u, mouth.bend - 0.008, f.mouth_width * 0.98, 0.055), -0.01, 0.02)
    lip = bow(u, mouth.bend + 0.048, f.mouth_width * 1.15, 0.020, 0.034)
    on_lip = ramp(-lip, -0.012, 0.014) * ramp(-mouth.upper, 0.012, 0.0)
    full = extras.beard * edge * reach * bare
    return np.maximum(full, extras.moustache * on_lip)


def _freckles(u: Field, v: Field, face: Face, specks: Field) -> Field:
    where = bump(np.abs(u) - 0.13, v - 0.13, 0.10, 0.06) + bump(u, v - 0.10, 0.09, 0.05)
    return face.skin.freckles * where * ramp(specks, 0.5, 1.4)


def _glasses(u: Field, v: Field, face: Face) -> Field:
    """Return the unsigned distance to the wire of the glasses; far away if there are none."""
    kind, spacing, width = face.extras.glasses, face.features.eye_spacing, face.skull.width
    if kind == "none":
        return np.full_like(u, 9.0)
    outward = np.abs(u) - spacing - 0.004
    down = v - 0.012
    if kind == "round":
        rim, reach = np.hypot(outward, down) - 0.112, 0.112
    else:
        rim, reach = box(outward, down, 0.122, 0.088, 0.038), 0.122
    bridge = np.abs(bow(u, v + 0.012, spacing - reach + 0.01, 0.016, 9.0))
    bridge = np.where(v < 0.0, bridge, 9.0)
    arms = segment(np.abs(u), v, (spacing + reach, -0.02), (width + 0.01, -0.03))
    return np.minimum(np.minimum(np.abs(rim), bridge), arms)


def _earrings(u: Field, v: Field, skull: Skull, extras: Extras) -> Field:
    if not extras.earrings:
        return np.full_like(u, 9.0)
    return np.hypot(np.abs(u) - skull.width + 0.008, v - 0.055 - 0.115 * skull.ear) - 0.018


# The functions below shape the hair and its strands.

_FAR = 9.0


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
    """Return strands in [-1, 1], coarse to fine; those too fine for the pixels fade out."""
    locks = 0.30 * strands(rng, flow, 0.040)
    for spacing, strength in ((0.018, 0.45), (0.008, 0.50)):
        locks = locks + strength * min(1.0, 0.9 * spacing / pixel) * strands(rng, flow, spacing)
    return locks


def _frizz_depth(hair: Hair) -> float:
    return {"curly": 0.016, "wavy": 0.006, "cropped": 0.002}.get(hair.style, 0.003)


def _outline(hair: Hair, skull: Skull, u: Field, v: Field) -> Field:
    """Return the distance to all of the hair, as if no face were in front of it."""
    style, volume = hair.style, hair.volume
    extra = {"cropped": 0.012, "bald": 0.0, "bun": 0.02, "curly": 0.13}.get(style, 0.045)
    extra += {"cropped": 0.012, "bun": 0.012, "curly": 0.06}.get(style, 0.035) * volume
    side = extra
    if hair.is_short:  # short hair lies closer near the ears
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
    if hair.style == "wavy":
        u = u + 0.016 * np.sin(v * 21 + hair.part * 40)
    top = -0.15
    widen = {"wavy": 0.07, "long": 0.03, "fringe": -0.01}.get(hair.style, 0.0)
    half_width = skull.width + side + widen * ramp(v, 0.0, 0.5)
    centre, half_height = (top + hair.length) / 2, (hair.length - top) / 2
    return box(u * (skull.width / half_width), v - centre, skull.width, half_height, 0.14)


def _window(hair: Hair, skull: Skull, u: Field, v: Field, locks: Field) -> Field:
    """Return the distance to the opening in the hair that shows the face."""
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
    """Return how far off the middle the hairline peaks, as a fraction of `part`."""
    return {"parted": 1.0, "long": 0.7, "wavy": 1.0}.get(hair.style, 0.0)


def _flow(hair: Hair, u: Field, v: Field, outer: Field, frizz: Field) -> Field:
    """Return a coordinate that is constant along a strand."""
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


# The functions below shape neck, shoulders and clothes.

_FAR_CLOTH = 9.0
_NAPE = 0.54  # upper end of clothes on the neck, y in head units
_Cut = tuple[Field, Field, Field, Field]  # opening, collar, inner shirt, seams


def shape_trunk(x: Field, y: Field, neck: float) -> Field:
    """Return the distance to neck and shoulders."""
    width = neck + 0.018 * ramp(y, 0.3, 0.65) - 0.012 * ramp(-np.abs(y - 0.5), -0.2, 0.0)
    column = np.maximum(np.abs(x) - width, 0.2 - y)
    torso = ellipse(x, y - 1.31, 0.62 + 1.1 * neck, 0.72)
    return smooth_union(column, torso, 0.16)


def dress(kind: ClothesKind, x: Field, y: Field, trunk: Field) -> Garment:
    """Shape clothes of a kind to fit a trunk."""
    opening, collar, inner, seams = _CUTS[kind](x, y)
    outline = trunk - 0.012
    cloth = np.maximum(outline, -np.minimum(opening, y - _NAPE))
    inside = np.maximum(trunk - 0.02, -np.minimum(opening, y - _NAPE))
    return Garment(
        cloth=cloth,
        collar=np.maximum(np.maximum(collar, outline), _NAPE - y),
        inner=np.maximum(inner, inside),
        seams=np.where(cloth < 0, seams, _FAR_CLOTH),
    )


def _none(x: Field, y: Field) -> Field:
    return np.full(np.broadcast_shapes(x.shape, y.shape), _FAR_CLOTH)


def _wedge(x: Field, y: Field, bottom: float, half_angle: float) -> Field:
    """Return the distance to a V that opens upward from its point at `bottom`."""
    c, s = float(np.cos(half_angle)), float(np.sin(half_angle))
    return np.abs(x) * c + (y - bottom) * s


def _crew(x: Field, y: Field) -> _Cut:
    opening = ellipse(x, y - 0.57, 0.27, 0.16)
    collar = np.abs(opening - 0.022) - 0.022
    return opening, np.maximum(collar, 0.5 - y), _none(x, y), _none(x, y)


def _vee(x: Field, y: Field) -> _Cut:
    opening = _wedge(x, y, 0.90, 0.62)
    return opening, np.abs(opening - 0.02) - 0.02, _none(x, y), _none(x, y)


def _shirt(x: Field, y: Field) -> _Cut:
    opening = _wedge(x, y, 0.76, 0.52)
    flap = np.maximum(np.abs(opening - 0.055) - 0.055, _slant(x, y))
    placket = np.where(y > 0.76, np.abs(np.abs(x) - 0.035), _FAR_CLOTH)
    buttons = np.hypot(x, np.mod(y - 0.76, 0.1) - 0.05) - 0.008
    seams = np.minimum(placket, np.where(y > 0.78, np.abs(buttons), _FAR_CLOTH))
    return opening, flap, _none(x, y), seams


def _slant(x: Field, y: Field) -> Field:
    """Return the slanted cut of a collar flap, which ends in a point."""
    return (y - 0.79) * 0.9 + (0.13 - np.abs(x)) * 0.45


def _polo_neck(x: Field, y: Field) -> _Cut:
    brim = y - 0.50 - 0.35 * np.minimum(x * x, 0.1) * -1
    opening = brim - 0.045
    collar = np.maximum(-opening, y - 0.66 + 0.4 * x * x)
    fold = np.abs(y - 0.66 + 0.4 * x * x)
    return opening, collar, _none(x, y), np.where(np.abs(x) < 0.25, fold, _FAR_CLOTH)


def _jacket(x: Field, y: Field) -> _Cut:
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
