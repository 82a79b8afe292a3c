"""Pictures for reference values, drawn by integer arithmetic: the same on every machine."""

import numpy as np


def drawn(height: int, width: int) -> np.ndarray:
    """Something like a face before a pattern, uint8 (height, width, 3)."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    bend = 3 * (x - width // 2) ** 2 + 2 * (y - height // 2) ** 2
    shade = 218 - bend // (height + width // 2)
    for eye in (width // 3, 2 * width // 3):
        shade = np.where((x - eye) ** 2 + (y - height // 3) ** 2 < 40, 40, shade)
    mouth = abs(y - 2 * height // 3) + abs(x - width // 2) // 4
    shade = np.where(mouth < 4, 90, shade) + 6 * ((x // 5 + y // 3) % 4)
    planes = [shade + 10, shade - x // 8, shade - 30 + y // 6]
    return np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)


def spoiled(photo: np.ndarray) -> np.ndarray:
    """The picture moved by two pixels, with a ghost, noise and a tint."""
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.int64)
    noise = (x * x * 7919 + y * y * 104729 + x * y * 31) % 61 - 30
    moved = np.roll(photo, 2, axis=1).astype(np.int64)
    mixed = (3 * moved + photo) // 4 + noise[..., None] + np.array([12, 0, -9])
    return np.clip(mixed, 0, 255).astype(np.uint8)
