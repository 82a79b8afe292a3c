"""Outlines of a face: signed distances, in head units, that photo and sketch share."""

from dataclasses import dataclass

import numpy as np

from sketchcli.assets.demo.clothing import Garment, dress, shape_trunk
from sketchcli.assets.demo.face import Extras, Face, Features, Skull
from sketchcli.assets.demo.hair import HairShape, comb
from sketchcli.assets.demo.shapes import (
    Field,
    bow,
    box,
    bump,
    ellipse,
    pixel_grid,
    ramp,
    segment,
    smooth_union,
    turn,
)
from sketchcli.assets.demo.texture import noise

MOUTH = 0.305  # where the lips meet, in head units below the eyes


@dataclass(frozen=True)
class Frame:
    """Where pixels lie: `u`, `v` on the tilted head, `x`, `y` on the upright body."""

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
    """Lips; `bend` is the height below the line at which they meet."""

    upper: Field
    lower: Field
    gap: Field
    bend: Field


@dataclass(frozen=True)
class Anatomy:
    """Everything that has an outline; `beard` and `freckles` are densities in [0, 1]."""

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
    """Coordinates of the pixels on the face."""
    scene = face.scene
    right, down = pixel_grid(size)
    x = (right - scene.shift[0]) / scene.scale
    y = (down + 0.02 - scene.shift[1]) / scene.scale
    u, v = turn(x, y - 0.4, scene.tilt)  # the head nods about the neck
    return Frame(u, v + 0.4, x, y, 2 / (size * scene.scale), size)


def _head(u: Field, v: Field, skull: Skull) -> Field:
    """Outline of the head without ears: skull, jaw and chin melted into one."""
    cranium = ellipse(u, v + 0.12, skull.width, 0.395)
    jaw = ellipse(u, v - 0.13, skull.width * skull.jaw, 0.32)
    chin = ellipse(u, v - (skull.length - 0.105), skull.chin, 0.10)
    return smooth_union(smooth_union(cranium, jaw, 0.14), chin, 0.12)


def _ears(u: Field, v: Field, skull: Skull) -> Field:
    """Both ears, which lean outward."""
    outward, down = turn(np.abs(u) - (skull.width + 0.005), v - 0.055, -0.18)
    return ellipse(outward, down, 0.047, 0.098 * skull.ear)


def _eyes(u: Field, v: Field, face: Face) -> Eyes:
    """Eyes, lids and brows; both sides are mirrored but for the gaze and the glint."""
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
    """Lips along a line that a smile bends upward at its ends."""
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
    """Density of beard and moustache in [0, 1]."""
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
    """Density of freckles in [0, 1]: across the nose and the cheeks."""
    where = bump(np.abs(u) - 0.13, v - 0.13, 0.10, 0.06) + bump(u, v - 0.10, 0.09, 0.05)
    return face.skin.freckles * where * ramp(specks, 0.5, 1.4)


def _glasses(u: Field, v: Field, face: Face) -> Field:
    """Unsigned distance to the wire of the glasses; far away if there are none."""
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
    """Outline of the earrings; far away if there are none."""
    if not extras.earrings:
        return np.full_like(u, 9.0)
    return np.hypot(np.abs(u) - skull.width + 0.008, v - 0.055 - 0.115 * skull.ear) - 0.018
