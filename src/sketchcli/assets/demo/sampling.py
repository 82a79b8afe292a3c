"""Chance: how often which face occurs, and what goes with what."""

from typing import TypeVar

import numpy as np

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
# From dark to light, so that the tone of a sketch's background tells its hue.
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
    """Draw the parameters of a face by chance."""
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
    """Draw a plain float, which leaves float32 arrays float32."""
    return float(rng.uniform(low, high))


def _pick(rng: np.random.Generator, choices: list[_T]) -> _T:
    """Draw one of several, all as likely."""
    return choices[int(rng.integers(len(choices)))]


def _weighted(rng: np.random.Generator, chances: dict[HairStyle, float]) -> HairStyle:
    """Draw a style by its share of the chances."""
    shares = np.cumsum(list(chances.values()))
    return list(chances)[int(np.searchsorted(shares, rng.random() * shares[-1]))]


def _between(stops: list[Colour], position: float) -> Colour:
    """Colour at a position in [0, 1] along a row of stops."""
    places = np.linspace(0, 1, len(stops))
    red, green, blue = (
        float(np.interp(position, places, band)) for band in zip(*stops, strict=True)
    )
    return red, green, blue


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Shift a colour's brightness and, half as much, each of its channels."""
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
    room = 0.90 if hair.style in ("bun", "curly") else 1.0  # for hair that stands tall
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
