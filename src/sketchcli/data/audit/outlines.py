"""Where outlines run in small pictures, and which way: what a sketch shares with its photo."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchcli.data.audit.features import SIDE

Floats = NDArray[np.floating]

FIELD = SIDE - 2  # side of an outline field: the border has no central differences
_CELLS = 24  # a descriptor's cells, a side


def fields(pictures: NDArray[Any]) -> Floats:
    """Outline fields (N, 2, FIELD, FIELD) of small pictures uint8 (N, SIDE, SIDE).

    A gradient of length m and angle a becomes w (cos 2a, sin 2a) with w = m / (m + mean m). The
    doubled angle is the same for a dark line on light paper and for an edge in either
    direction (Bigun and Granlund 1987); w lets faint outlines count nearly as much as strong ones.
    """
    across, down = _differences(pictures)
    across, down = across[:, 1:-1], down[:, :, 1:-1]
    length = np.sqrt(across * across + down * down) + np.float32(1e-3)
    weight = 1 / (length * (length + length.mean(axis=(1, 2), keepdims=True)))
    cosine = (across * across - down * down) * weight
    return np.stack([cosine, 2 * across * down * weight], axis=1)


def descriptors(pictures: NDArray[Any]) -> Floats:
    """Outline fields averaged over 24x24 overlapping cells: (N, 1152).

    They are histograms of oriented gradients (Dalal and Triggs 2005) with the first harmonic of
    each cell's histogram in the place of its bins.
    """
    pooled: Floats = _POOL @ fields(pictures) @ _POOL.T
    return pooled.reshape(len(pooled), -1)


def likeness(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Correlation of the gradients of two rows of small pictures, each (N, SIDE, SIDE), in [-1, 1].

    Light and contrast may differ, and strong compression costs little; the sign of every edge
    counts, so that two pictures of the same kind and pose stay apart.
    """
    left, right = _gradients(first), _gradients(second)
    scale = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    values: Floats = (left * right).sum(axis=1) / np.maximum(scale, np.float32(1e-6))
    return values


def _differences(pictures: NDArray[Any]) -> tuple[Floats, Floats]:
    """Central differences to the right (N, SIDE, FIELD) and down (N, FIELD, SIDE)."""
    grey = pictures.astype(np.float32)
    return grey[:, :, 2:] - grey[:, :, :-2], grey[:, 2:] - grey[:, :-2]


def _gradients(pictures: NDArray[Any]) -> Floats:
    across, down = _differences(pictures)
    count = len(pictures)
    return np.concatenate([across.reshape(count, -1), down.reshape(count, -1)], axis=1)


def _pool() -> NDArray[np.float32]:
    """Weights (cells, FIELD): triangles that overlap by half, each summing to 1."""
    positions = (np.arange(FIELD) + 0.5) / FIELD * _CELLS - 0.5
    weights = np.maximum(0, 1 - np.abs(positions - np.arange(_CELLS)[:, None]))
    pool: NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
    return pool.astype(np.float32)


_POOL = _pool()
