"""Other sizes: by resampling, and by cropping and padding around it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sketchcli import files
from sketchcli.config import Fit
from sketchcli.errors import DataError
from sketchcli.files import WRITABLE
from sketchcli.images.opencv import cv2
from sketchcli.images.reading import Pixels, to_rgb


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to `(height, width)`: INTER_AREA to reduce (it keeps thin strokes), else cubic.

    Where one side shrinks and the other grows, the first is reduced before the other is enlarged:
    INTER_AREA does its work only where nothing grows.
    """
    height, width = size
    reduced = (min(height, pixels.shape[0]), min(width, pixels.shape[1]))
    if reduced != pixels.shape[:2]:
        pixels = _resize(pixels, reduced, cv2.INTER_AREA)
    return pixels if reduced == size else _resize(pixels, size, cv2.INTER_CUBIC)


def fit(pixels: Pixels, size: tuple[int, int], how: Fit) -> Pixels:
    """Make a picture, grey or RGB, `(height, width)` large; `Fit` tells the ways.

    Cropping and padding change the aspect ratio by no more than what rounding a side to whole
    pixels does.
    """
    if how == Fit.CROP:
        return _cropped(pixels, size)
    if how == Fit.PAD:
        return _padded(pixels, size)
    return resize(pixels, size)


def inner_size(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width of a shape's aspect ratio that fit into a size.

    >>> inner_size((250, 200, 3), (128, 128))
    (128, 102)
    """
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def sheet(rows: Sequence[Sequence[Pixels]], *, gap: int = 4) -> Pixels:
    """Lay equally sized pictures out as rows on a white sheet."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    shape = (len(rows) * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            top, left = gap + r * (height + gap), gap + c * (width + gap)
            canvas[top : top + height, left : left + width] = to_rgb(picture)
    return canvas


def _resize(pixels: Pixels, size: tuple[int, int], method: int) -> Pixels:
    return cv2.resize(pixels, size[::-1], interpolation=method).astype(np.uint8, copy=False)


def _cropped(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    # What surely falls away goes first: of a thin strip, the whole could be too large to enlarge.
    kept = [_kept(s, wanted / scale) for s, wanted in zip(pixels.shape[:2], size, strict=True)]
    pixels = centre(pixels, (kept[0], kept[1]))
    tall, wide = (round(side * scale) for side in kept)
    return np.ascontiguousarray(centre(resize(pixels, (max(tall, height), max(wide, width))), size))


def _kept(side: int, wanted: float) -> int:
    """The fewest pixels of a side that hold `wanted`, where the rest falls away evenly."""
    least = min(side, math.ceil(wanted - 1e-6))
    return least + (side - least) % 2


def centre(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The `(height, width)` in the middle of a picture: undoes padding."""
    top, left = (pixels.shape[0] - size[0]) // 2, (pixels.shape[1] - size[1]) // 2
    return pixels[top : top + size[0], left : left + size[1]]


def _padded(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    tall, wide = inner_size(pixels.shape, size)
    top, left = (size[0] - tall) // 2, (size[1] - wide) // 2
    canvas = np.full((*size, *pixels.shape[2:]), 255, np.uint8)
    canvas[top : top + tall, left : left + wide] = resize(pixels, (tall, wide))
    return canvas


# Pictures as files, whole or not at all.

_QUALITY = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
}


def write(path: Path, pixels: Pixels, *, quality: int | None = None) -> None:
    """Write `(H, W)` or `(H, W, 3)` RGB in the format of the file's suffix, whole or not at all.

    Args:
        path: The file.
        pixels: What it is to hold.
        quality: 1 to 100, of JPEG and WebP; OpenCV's own by default.

    Raises:
        DataError: The suffix names no picture format, or the folder cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(f"{path}: not a picture's suffix", hint="use .png, .jpg or .webp")
    data = encode(pixels, suffix, name=str(path), quality=quality)
    files.write_whole(path, lambda part: part.write_bytes(data))


def encode(
    pixels: Pixels, suffix: str, *, name: str = "picture", quality: int | None = None
) -> bytes:
    """The bytes of `(H, W)` or `(H, W, 3)` RGB in a format such as `.png`.

    Raises:
        DataError: OpenCV cannot write the picture in this format.
    """
    bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    options = [] if quality is None or suffix not in _QUALITY else [_QUALITY[suffix], quality]
    try:
        is_encoded, data = cv2.imencode(suffix, bgr, options)
    except cv2.error as error:
        raise DataError(f"{name}: {error.err}") from error
    if not is_encoded:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise DataError(f"{name}: OpenCV cannot write {size} as {suffix}", hint="use .png")
    return data.tobytes()
