"""Parameters of a face. Colours are RGB in [0, 1].

Lengths are in head units: the eyes lie on v = 0, the crown near v = -0.5, the chin near v = 0.5.
"""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[float, float, float]
HairStyle = Literal["bald", "cropped", "parted", "fringe", "long", "wavy", "bun", "curly"]
ClothesKind = Literal["crew", "vee", "shirt", "polo_neck", "jacket"]


@dataclass(frozen=True)
class Skin:
    """Skin; `depth` runs from 0, the palest, to 1, the darkest."""

    depth: float
    colour: Colour
    blush: float
    freckles: float
    lines: float


@dataclass(frozen=True)
class Skull:
    """Shape of the head; widths are half widths."""

    width: float
    jaw: float
    chin: float
    length: float
    ear: float
    neck: float


@dataclass(frozen=True)
class Features:
    """Eyes, brows, nose and mouth; `smile` runs from -0.2, stern, to 1."""

    eye_spacing: float
    eye_width: float
    eye_opening: float
    eye_slant: float
    gaze: float
    iris: Colour
    lash: float
    brow_height: float
    brow_arch: float
    brow_thickness: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    lip_colour: Colour
    smile: float
    shows_teeth: bool


@dataclass(frozen=True)
class Hair:
    """Hair on the head; `length` is where it ends, `line` where it begins on the brow."""

    style: HairStyle
    colour: Colour
    volume: float
    length: float
    part: float
    line: float

    @property
    def is_short(self) -> bool:
        """Whether the hair ends above the ears, in sideburns."""
        return self.length < 0.06

    @property
    def is_soft(self) -> bool:
        """Whether the edge of the hair is a fuzz rather than a line."""
        return self.style in ("cropped", "curly")


@dataclass(frozen=True)
class Extras:
    """Features that only some faces have; 0 means none."""

    beard: float
    moustache: float
    glasses: Literal["none", "round", "square"]
    earrings: bool


@dataclass(frozen=True)
class Clothes:
    """Clothes, whose colour depends on their kind, so that a sketch shows the colour."""

    kind: ClothesKind
    colour: Colour
    is_striped: bool


@dataclass(frozen=True)
class Scene:
    """Position of the head, background and direction of the light."""

    shift: tuple[float, float]
    tilt: float
    scale: float
    background: Colour
    light: tuple[float, float, float]
    warmth: float


@dataclass(frozen=True)
class Face:
    """All parameters of one face."""

    skin: Skin
    skull: Skull
    features: Features
    hair: Hair
    extras: Extras
    clothes: Clothes
    scene: Scene
