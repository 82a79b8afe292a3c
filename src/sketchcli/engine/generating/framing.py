"""How a sketch of any shape is shown to a model, and how its photo gets that shape back."""

from dataclasses import dataclass
from typing import Protocol

from sketchcli import images
from sketchcli.config import Fit
from sketchcli.errors import DataError
from sketchcli.images import Pixels

MOST_STRETCHED = 8  # sides of a sketch, the long one to the short one


class Framing(Protocol):
    """Cuts a sketch into what a model takes, and joins what it draws."""

    def cut(self, sketch: Pixels) -> Pixels:
        """Frames uint8 `(K, h, w)` of a sketch `(H, W)`."""

    def join(self, photos: Pixels) -> Pixels:
        """The photo `(H', W', 3)`, of the sketch's aspect ratio, from `(K, h, w, 3)`."""


@dataclass(frozen=True)
class Whole:
    """The whole sketch in one frame, as the training sketches were shown.

    Stretched, padded, or, where those were cropped, whole at the same scale. The photo is as large
    as the model draws: its shorter side is the model's.

    Args:
        size: The model's height and width.
        fit: How its training sketches got that size.
        shape: The sketch's height and width.
    """

    size: tuple[int, int]
    fit: Fit
    shape: tuple[int, int]

    def cut(self, sketch: Pixels) -> Pixels:
        """One frame."""
        if self.fit is Fit.CROP:
            return images.resize(sketch, natural_size(self.shape, self.size))[None]
        return images.fit(sketch, self.size, self.fit)[None]

    def join(self, photos: Pixels) -> Pixels:
        """The frame's photo without what was added around the sketch."""
        if self.fit is Fit.STRETCH:
            return images.resize(photos[0], natural_size(self.shape, self.size))
        if self.fit is Fit.PAD:
            return images.centre(photos[0], images.inner_size(self.shape, self.size))
        whole: Pixels = photos[0]
        return whole


def natural_size(sketch: tuple[int, ...], model: tuple[int, int]) -> tuple[int, int]:
    """Height and width with the sketch's aspect ratio and the model's shorter side.

    >>> natural_size((250, 200), (128, 128))
    (160, 128)
    """
    height, width = sketch[:2]
    scale = min(model) / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def check_shape(sketch: tuple[int, ...]) -> None:
    """Refuse what is no sketch.

    Raises:
        DataError: It is a strip, more than eight times as long as wide.
    """
    height, width = sketch[:2]
    if max(height, width) > MOST_STRETCHED * min(height, width):
        raise DataError(f"{width}x{height} pixels: a strip, not a sketch", hint="crop it")
