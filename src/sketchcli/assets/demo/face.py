"""Random parameters of a face, some of which depend on others.

Lengths are in head units: the eyes lie on v = 0, the crown near v = -0.5, the chin near v = 0.5.
Colours are RGB in [0, 1].
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float64]


class HairStyle(NamedTuple):
    """How hair of one style stands off the skull and falls over the brow."""

    rise: float = 0.045  # depth of the hair on the crown
    volume: float = 0.035  # extra depth of the most voluminous hair
    frizz: float = 0.003  # depth of the waves along the outline
    drop: float = 0.24  # fall of the hairline from the parting to the temple
    power: float = 3.5  # exponent of that fall: a higher one has a flatter middle
    parting: float = 0.0  # how far off the middle the hairline peaks, as a fraction of `part`
    widen: float = 0.0  # growth of the half width towards the ends
    fan: tuple[float, float] | None = None  # density of strands that spread, height of their origin
    ends: tuple[float, float] = (0.0, 0.05)  # shortest and longest end of the hair, v


HAIR = {
    "bald": HairStyle(rise=0.0),
    "cropped": HairStyle(
        rise=0.012, volume=0.012, frizz=0.002, drop=0.26, power=5.0, fan=(0.9, 0.1)
    ),
    "parted": HairStyle(power=2.6, parting=1.0),
    "fringe": HairStyle(drop=0.02, power=2.0, widen=-0.01, fan=(0.55, 0.85), ends=(0.22, 0.48)),
    "long": HairStyle(drop=0.40, power=2.2, parting=0.7, widen=0.03, ends=(0.62, 1.05)),
    "wavy": HairStyle(frizz=0.006, drop=0.40, power=2.0, parting=1.0, widen=0.07, ends=(0.5, 0.9)),
    "bun": HairStyle(rise=0.02, volume=0.012, drop=0.34, power=3.0, fan=(0.42, 0.62)),
    "curly": HairStyle(rise=0.13, volume=0.06, frizz=0.016, ends=(0.05, 0.4)),
}
# Chances of the styles, in the order of HAIR.
_WOMENS_HAIR = (0.0, 0.05, 0.05, 0.22, 0.24, 0.20, 0.14, 0.10)
_MENS_HAIR = (0.12, 0.30, 0.38, 0.04, 0.0, 0.04, 0.0, 0.12)


def _palette(colours: str) -> Colour:
    """Return colours `(N, 3)` from their hexadecimal notation."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()]) / 255


_DARK_HAIR = _palette("171417 291c17 42291c")
_FAIR_HAIR = _palette("613d24 80542e c79957 e0bd7a 99401c b85c29")
_GREY_HAIR = _palette("7a7a80 a8a8ab d1cfc9")
_DARK_IRIS = _palette("3d2414 54331a")
_FAIR_IRIS = _palette("5480a8 5c855c 737a85")
# Skin, clothes and backdrops lie between neighbouring colours of a palette.
_SKIN = _palette("f7d6c4 f0c4a8 deab87 c28c66 99694a 6e4733")
# The kind of the clothes decides the hue, so that a sketch shows the colour.
_CLOTHES = {
    "crew": _palette("ad3333 d67057"),
    "vee": _palette("295c4d 5c8f6b"),
    "shirt": _palette("7099cc ccdef2"),
    "polo_neck": _palette("754257 d6a347"),
    "jacket": _palette("21293d 525466"),
}
# These run from dark to light, so that the tone of a sketch's background shows its hue.
_BACKDROP = _palette("384554 547380 8aa199 c2b8a1 e6d9c7")


class Face:
    """All parameters of one face, its clothes and the light on it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.is_man = rng.random() < 0.5
        self.age = rng.random()  # from 0, young, to 1, old
        self.depth = rng.random() ** 1.2  # from 0, the palest skin, to 1, the darkest
        is_freckled = self.depth < 0.45 and rng.random() < 0.3
        self.skin = _vary(rng, _between(_SKIN, self.depth), 0.015)
        self.blush = rng.uniform(0.25, 1.0)
        self.freckles = rng.uniform(0.5, 1.0) if is_freckled else 0.0
        self.lines = max(0.0, self.age - 0.55) * 2
        self._sample_hair(rng)
        self._sample_features(rng)
        self._sample_extras(rng)
        self._sample_scene(rng)

    def _sample_hair(self, rng: np.random.Generator) -> None:
        chances = _MENS_HAIR if self.is_man else _WOMENS_HAIR
        self.hair = str(rng.choice(list(HAIR), p=chances))
        is_grey = self.age > 0.78 and rng.random() < 0.75
        is_dark = not is_grey and rng.random() < 0.25 + 1.3 * self.depth
        colours = _GREY_HAIR if is_grey else _DARK_HAIR if is_dark else _FAIR_HAIR
        self.hair_colour = _vary(rng, rng.choice(colours), 0.04 if is_grey else 0.03)
        self.hair_volume = rng.uniform(0.0, 1.0)
        shortest, longest = HAIR[self.hair].ends
        self.hair_length = rng.uniform(shortest, shortest + 0.1 if self.is_man else longest)
        self.has_short_hair = self.hair_length < 0.06  # above the ears, with sideburns
        self.has_soft_hair = self.hair in {"cropped", "curly"}  # with a fuzz for an edge
        self.hair_part = rng.uniform(0.08, 0.22) * rng.choice((-1.0, 1.0))
        self.hairline = rng.uniform(-0.36, -0.30) - (0.04 * self.age if self.is_man else 0.0)

    def _sample_features(self, rng: np.random.Generator) -> None:
        self.head_width = rng.uniform(0.345, 0.395) + 0.008 * self.is_man  # half widths
        self.jaw_width = rng.uniform(0.74, 0.86) + 0.06 * self.is_man  # as a fraction of the head's
        self.chin_width = rng.uniform(0.10, 0.15) + 0.045 * self.is_man
        self.chin = rng.uniform(0.475, 0.525) + 0.01 * self.is_man
        self.ear = rng.uniform(0.85, 1.15)
        self.neck = rng.uniform(0.155, 0.185) + 0.045 * self.is_man
        self.smile = rng.uniform(-0.2, 1.0)  # from -0.2, stern
        is_fair = self.depth < 0.5 and (self.hair_colour.sum() > 0.9 or rng.random() < 0.2)
        lips = self.skin * (0.90, 0.62, 0.64) + (0.02, 0.01, 0.02)
        made_up = (0.0 if self.is_man else rng.uniform(0.0, 0.75)) * (rng.random() < 0.6)
        self.lip_colour = lips + (np.array((0.72, 0.16, 0.22)) - lips) * made_up
        self.eye_spacing = rng.uniform(0.150, 0.172)
        self.eye_width = rng.uniform(0.074, 0.088) - 0.003 * self.is_man
        self.eye_opening = rng.uniform(0.029, 0.042) - 0.004 * self.is_man
        self.eye_slant = rng.uniform(-0.06, 0.16)
        self.gaze = rng.uniform(-0.012, 0.012)
        self.iris = _vary(rng, rng.choice(_FAIR_IRIS if is_fair else _DARK_IRIS), 0.05)
        self.lash = rng.uniform(0.006, 0.009) + (0 if self.is_man else rng.uniform(0.001, 0.006))
        self.brow_height = rng.uniform(0.088, 0.112) - 0.008 * self.is_man
        self.brow_arch = rng.uniform(0.010, 0.032) - 0.006 * self.is_man
        self.brow_thickness = rng.uniform(0.010, 0.016) + 0.005 * self.is_man
        self.nose_width = rng.uniform(0.058, 0.078) + 0.012 * self.depth + 0.005 * self.is_man
        self.nose_length = rng.uniform(0.165, 0.195) + 0.008 * self.is_man
        self.mouth_width = rng.uniform(0.110, 0.135) + 0.02 * max(self.smile, 0.0)
        self.lip_fullness = rng.uniform(0.8, 1.2) + 0.25 * self.depth - 0.15 * self.is_man
        self.shows_teeth = self.smile > 0.45 and rng.random() < 0.6

    def _sample_extras(self, rng: np.random.Generator) -> None:
        has_beard = self.is_man and rng.random() < 0.4
        has_moustache = self.is_man and rng.random() < (0.9 if has_beard else 0.12)
        wears_glasses = rng.random() < 0.14 + 0.2 * self.age
        self.beard = rng.uniform(0.3, 1.0) if has_beard else 0.0
        self.moustache = rng.uniform(0.6, 1.0) if has_moustache else 0.0
        self.glasses = str(rng.choice(("round", "square"))) if wears_glasses else "none"
        self.has_earrings = not self.is_man and rng.random() < 0.5
        self.clothes = str(rng.choice(list(_CLOTHES)))
        self.cloth_colour = _vary(rng, _between(_CLOTHES[self.clothes], rng.random()), 0.03)
        self.is_striped = self.clothes == "crew" and rng.random() < 0.5

    def _sample_scene(self, rng: np.random.Generator) -> None:
        side = rng.uniform(0.30, 0.62) * rng.choice((-1.0, 1.0))
        direction = np.array((side, rng.uniform(-0.62, -0.40), 0.72))
        self.light = direction / np.linalg.norm(direction)  # right, down, towards the camera
        self.shift = rng.uniform(-0.05, 0.05), rng.uniform(-0.03, 0.03)
        self.tilt = rng.uniform(-0.09, 0.09)  # radians
        room = 0.90 if self.hair in {"bun", "curly"} else 1.0  # tall hair needs space
        self.scale = rng.uniform(1.24, 1.38) * room
        self.backdrop = _vary(rng, _between(_BACKDROP, rng.random()), 0.02)
        self.warmth = rng.uniform(-1.0, 1.0)


def _between(palette: Colour, position: float) -> Colour:
    places = np.linspace(0, 1, len(palette))
    return np.array([np.interp(position, places, channel) for channel in palette.T])


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Randomly shift a colour's brightness and, half as much, each of its channels."""
    shift = rng.uniform(-spread, spread) + rng.uniform(-spread / 2, spread / 2, 3)
    return np.clip(colour + shift, 0.03, 0.97)
