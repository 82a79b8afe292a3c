"""The two factors of structural similarity (Wang et al. 2004)."""

import numpy as np

from sketchcli.metrics._filters import Values, smooth

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luminance_and_structure(
    first: Values, second: Values, weights: Values
) -> tuple[Values, Values]:
    """Luminance, and contrast times structure, at each place where the window fits.

    Args:
        first: Grey `(H, W)` in [0, 255].
        second: The same size.
        weights: `(n,)` of sum 1: the window is their product with themselves.

    Returns:
        Two of `(H - n + 1, W - n + 1)`; their product is the similarity (equation 13).
    """
    x, y, xx, yy, xy = smooth(
        np.stack([first, second, first * first, second * second, first * second]), weights
    )
    variances = np.maximum(xx - x * x, 0) + np.maximum(yy - y * y, 0)
    luminance = (2 * x * y + C1) / (x * x + y * y + C1)
    structure = (2 * (xy - x * y) + C2) / (variances + C2)
    return luminance, structure
