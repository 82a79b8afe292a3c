"""The only reader, writer, resizer and range converter of pixels.

Pictures are uint8 RGB `(H, W, 3)` or grey `(H, W)` on disk and in arrays; floats in [-1, 1]
exist only inside the models.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sketchcli import files
from sketchcli.errors import DataError, DeviceError

try:
    import cv2
except ImportError as error:  # pragma: no cover - needs a machine without libGL
    raise DeviceError(
        f"OpenCV cannot start: {error}",
        hint="apt install libgl1 libglib2.0-0 libxcb1, or put opencv-python-headless in the "
        "place of opencv-python",
    ) from error


# Of a damaged picture it would write to stderr by itself; here it becomes an error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
READABLE = WRITABLE | {".avif", ".gif", ".jp2", ".pbm", ".pgm", ".ppm"}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def is_picture(path: Path) -> bool:
    """Whether the file's name says that it is a picture (hidden files are not)."""
    return path.suffix.lower() in READABLE and not path.name.startswith(".")


def read_rgb(path: Path) -> Pixels:
    """Read a picture as `(H, W, 3)` RGB, with transparency laid on white.

    Raises:
        DataError: The file is missing, unreadable or no picture.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)  # bytes first: any file name, in any script
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return decode_rgb(data, name=str(path))


def decode_rgb(data: Pixels, *, name: str) -> Pixels:
    """Decode an encoded picture as `(H, W, 3)` RGB, with transparency laid on white.

    Args:
        data: The encoded bytes.
        name: What to call the picture in an error.

    Raises:
        DataError: The bytes are no picture.
    """
    is_jpeg = data[:2].tobytes() == b"\xff\xd8"
    # Only IMREAD_COLOR turns a JPEG as its EXIF says; only IMREAD_UNCHANGED keeps alpha and depth.
    flags = cv2.IMREAD_COLOR if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise DataError(f"{name}: {error.err}") from error
    if pixels is None:
        raise DataError(
            f"{name}: not a picture that can be read", hint="PNG, JPEG, WebP, BMP and TIFF are"
        )
    return _to_rgb(_to_uint8(pixels, name))


def read_luma(path: Path) -> Pixels:
    """Read a picture as grey `(H, W)`.

    Raises:
        DataError: The file is missing, unreadable or no picture.
    """
    return luma(read_rgb(path))


def luma(rgb: NDArray[np.uint8]) -> Pixels:
    """Grey `(H, W)` from `(H, W, 3)`: .299 R + .587 G + .114 B, rounded.

    >>> luma(np.full((1, 1, 3), 200, np.uint8)).tolist()
    [[200]]
    """
    grey: Pixels = np.rint(rgb.astype(np.float32) @ LUMA).astype(np.uint8)
    return grey


def write(path: Path, pixels: Pixels) -> None:
    """Write `(H, W)` or `(H, W, 3)` RGB in the format of the file's suffix, whole or not at all.

    Raises:
        DataError: The suffix names no picture format, or the folder cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(f"{path}: not a picture's suffix", hint="use .png, .jpg or .webp")
    data = encode(pixels, suffix, name=str(path))
    files.write_whole(path, lambda part: part.write_bytes(data))


def encode(pixels: Pixels, suffix: str, *, name: str = "picture") -> bytes:
    """The bytes of `(H, W)` or `(H, W, 3)` RGB in a format such as `.png`.

    Raises:
        DataError: OpenCV cannot write the picture in this format.
    """
    bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    try:
        is_encoded, data = cv2.imencode(suffix, bgr)
    except cv2.error as error:
        raise DataError(f"{name}: {error.err}") from error
    if not is_encoded:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise DataError(f"{name}: OpenCV cannot write {size} as {suffix}", hint="use .png")
    return data.tobytes()


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


def to_model_range(pixels: Pixels) -> Floats:
    """Floats in [-1, 1] from uint8 in [0, 255].

    >>> to_model_range(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def from_model_range(values: Floats) -> Pixels:
    """uint8 in [0, 255] from floats in [-1, 1]: rounded, and clamped instead of wrapped.

    >>> from_model_range(np.array([-1.5, 0.0, 1.01], np.float32)).tolist()
    [0, 128, 255]
    """
    pixels: Pixels = np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def to_rgb(pixels: Pixels) -> Pixels:
    """`(H, W, 3)` from grey `(H, W)`; RGB passes through."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


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


def _to_uint8(pixels: NDArray[np.generic], name: str) -> Pixels:
    if pixels.dtype == np.uint16:
        return np.rint(pixels.astype(np.float32) / 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise DataError(f"{name}: {pixels.dtype} pixels", hint="save it with 8 or 16 bits")
    return pixels.astype(np.uint8, copy=False)


def _to_rgb(pixels: Pixels) -> Pixels:
    if pixels.ndim == 2:
        return to_rgb(pixels)
    if pixels.shape[2] == 2:  # grey with alpha
        pixels = pixels[:, :, [0, 0, 0, 1]]
    rgb = pixels[:, :, 2::-1]
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.float32) / 255
        rgb = np.rint(rgb * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(rgb)
