"""How light falls on a face: diffuse shade, gloss and soft shadows, all in [0, 1]."""

from dataclasses import dataclass

import numpy as np

from sketchcli.assets.demo.anatomy import MOUTH, Anatomy, Frame
from sketchcli.assets.demo.face import Face, Scene
from sketchcli.assets.demo.shapes import Field, bump, ellipse, ramp


@dataclass(frozen=True)
class Light:
    """Shade of each surface, from 0 in the dark to 1 in full light, and what is cast on it."""

    head: Field
    trunk: Field
    cloth: Field
    hair: Field
    gloss: Field
    hair_gloss: Field


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
    """Diffuse and glossy light on a height map given in head units."""
    down, right = np.gradient(height, frame.pixel)
    length = np.sqrt(right * right + down * down + 1)
    lx, ly, lz = scene.light
    facing = (lz - lx * right - ly * down) / length
    half = np.array((lx, ly, lz + 1)) / np.sqrt(lx * lx + ly * ly + (lz + 1) ** 2)
    hx, hy, hz = (float(h) for h in half)
    mirror = np.clip((hz - hx * right - hy * down) / length, 0, 1)
    return np.clip(0.24 + 0.80 * facing, 0, 1), mirror**28


def _roundness(distance: Field, reach: float, swell: float) -> Field:
    """Height of a shape that curves away over `reach` from its outline."""
    inward = np.clip(-distance / reach, 0, 1)
    return swell * reach * np.sqrt(1 - (1 - inward) ** 2 * 0.96)


def _relief(face: Face, anatomy: Anatomy) -> Field:
    """Height of the face: a ball for the head, and hills and hollows upon it."""
    u, v = anatomy.frame.u, anatomy.frame.v
    ball = ((u / (face.skull.width * 1.08)) ** 2 + ((v + 0.02) / 0.62) ** 2).clip(0, 1)
    height = 0.26 * np.sqrt(1 - 0.97 * ball) + _roundness(anatomy.head, 0.10, 0.32)
    return height + _nose_relief(u, v, face) + _soft_relief(np.abs(u), u, v, face)


def _nose_relief(u: Field, v: Field, face: Face) -> Field:
    """Height of bridge, tip and wings."""
    width, length = face.features.nose_width, face.features.nose_length
    rise = 0.25 + 0.75 * ramp(v, -0.08, length - 0.03)
    fall = ramp(-v, -length - 0.034, -length + 0.048)
    spread = 0.030 + 0.020 * ramp(v, -0.05, length)
    ridge = 0.050 * rise * fall * ramp(v, -0.16, -0.02) * np.exp(-0.5 * (u / spread) ** 2)
    tip = 0.020 * bump(u, v - length + 0.025, 0.034, 0.028)
    wings = 0.022 * bump(np.abs(u) - 0.68 * width, v - length + 0.014, 0.020, 0.022)
    return ridge + tip + wings


def _soft_relief(side: Field, u: Field, v: Field, face: Face) -> Field:
    """Height of brow, sockets, cheeks, lips and chin; `side` is how far off the middle."""
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
    """Height of the creases in clothes, which run down from the shoulders."""
    slant = np.abs(frame.x) * 9 + frame.y * 15
    height: Field = 0.006 * np.sin(slant + 2 * np.sin(frame.y * 7 + frame.x * 5))
    return height


def _hair_relief(anatomy: Anatomy) -> Field:
    """Height of the hair, with strands in it."""
    return _roundness(-anatomy.hair.depth, 0.22, 0.75) + 0.004 * anatomy.hair.strands


def _sheen(anatomy: Anatomy, scene: Scene) -> Field:
    """Band of light that lies around the crown, broken up by the strands."""
    u, v = anatomy.frame.u, anatomy.frame.v
    around = ellipse(u - 0.25 * scene.light[0], v + 0.10, 0.33, 0.40)
    band = bump(around, 0.0, 0.055, 1.0) * ramp(-v, -0.05, 0.3)
    low = 0.5 * bump(around - 0.08, v - 0.22, 0.05, 0.16)
    return (band + low) * (0.55 + 0.45 * anatomy.hair.strands)


def _hair_shadow(face: Face, anatomy: Anatomy) -> Field:
    """Shadow that hair casts on brow and cheeks: near the hair, more so away from the light."""
    front = anatomy.hair.front
    if face.hair.style == "bald":
        return np.zeros_like(front)
    right, down = (round(s / anatomy.frame.pixel) for s in (0.03 * -face.scene.light[0], 0.035))
    moved = np.roll(front, (down, right), axis=(0, 1))
    reach = 0.02 if face.hair.style == "cropped" else 0.045
    return ramp(-moved, -reach, 0.01)


def _chin_shadow(face: Face, anatomy: Anatomy) -> Field:
    """Shadow of the head on the neck and, fainter, on the shoulders."""
    frame = anatomy.frame
    u = frame.u + 0.10 * face.scene.light[0]
    below = ellipse(u, frame.v - 0.24, face.skull.width * 0.82, 0.40)
    return ramp(-below, -0.10, 0.08)
