"""Pictures from files, whatever they are, as upright RGB on white."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sketchcli.errors import DataError
from sketchcli.images import headers
from sketchcli.images.arrays import Pixels, luma, to_rgb
from sketchcli.images.opencv import cv2

LARGEST_FILE = 2**30  # bytes
_BLOCK = 1 << 16  # bytes: to ask for the largest file at once takes memory for it
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def read(path: Path) -> Pixels:
    """Read a picture as `decode` does.

    Raises:
        DataError: The file is missing, unreadable or no picture.
    """
    try:
        with path.open("rb") as file:  # bytes first: any file name, in any script
            return read_stream(file, name=str(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def read_stream(stream: BinaryIO, *, name: str) -> Pixels:
    """Read a picture from what has no name, such as standard input, as `decode` does.

    Args:
        stream: The encoded bytes, to the stream's end.
        name: What to call the picture in an error.

    Raises:
        DataError: It is no picture, or longer than `LARGEST_FILE`.
    """
    data = bytearray()
    while len(data) <= LARGEST_FILE and (block := stream.read(_BLOCK)):  # a pipe may never end
        data += block
    if len(data) > LARGEST_FILE:
        raise DataError(f"{name}: more than {LARGEST_FILE >> 20} MB", hint="save it as PNG")
    return decode(bytes(data), name=name)


def read_rgb(path: Path) -> Pixels:
    """Read a picture as `decode` does, a grey one as `(H, W, 3)` too.

    Raises:
        DataError: The file is missing, unreadable or no picture.
    """
    return to_rgb(read(path))


def read_luma(path: Path) -> Pixels:
    """Read a picture as grey `(H, W)`.

    Raises:
        DataError: The file is missing, unreadable or no picture.
    """
    return luma(read(path))


def decode(data: bytes, *, name: str) -> Pixels:
    """Decode an encoded picture, upright, with transparency laid on white.

    It is `(H, W)` where the file holds grey, which takes half the time, else RGB `(H, W, 3)`. The
    bytes say what it is, not the file's name. Of several frames or pages the first is read.
    Colours are taken for sRGB: a profile (ICC) is not applied.

    Args:
        data: The encoded bytes.
        name: What to call the picture in an error.

    Raises:
        DataError: The bytes are no picture, or one of a kind that cannot be read rightly.
    """
    if data.startswith(headers.JPEG):  # which OpenCV turns as its EXIF says
        is_grey = headers.jpeg_components(data) == 1
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR_RGB
        return _decode(data, mode, name).astype(np.uint8, copy=False)
    if data.startswith(b"P"):  # of a plain PNM, the last number must be followed by something
        data += b"\n"
    pixels = _decode(data, cv2.IMREAD_UNCHANGED, name)  # no other mode keeps alpha and depth
    transparent = headers.transparent_grey(data)
    if transparent is not None and pixels.ndim == 2:
        pixels = np.where(pixels == transparent, _WHITE[pixels.dtype], pixels)
    extra = headers.extra_sample(data)
    if extra and pixels.ndim == 2:  # OpenCV has dropped the alpha
        raise DataError(f"{name}: a grey TIFF with alpha", hint="save it as PNG")
    if extra == 0 and pixels.ndim == 3:  # a fourth channel is there, but it is no alpha
        pixels = pixels[:, :, :3]
    # libtiff multiplies 8-bit colours by their alpha itself.
    is_multiplied = extra == 1 or (extra == 2 and pixels.dtype == np.uint8)
    laid = _on_white(_to_uint8(pixels, data, name), is_multiplied=is_multiplied)
    return _turned(laid, headers.orientation(data))


def _decode(data: bytes, flags: int, name: str) -> NDArray[np.generic]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        is_huge = "CV_IO_MAX" in error.err
        reason = "it claims more pixels than are read" if is_huge else error.err
        raise DataError(f"{name}: {reason}", hint="save it again as PNG") from error
    if pixels is None:
        raise DataError(
            f"{name}: not a picture that can be read", hint="PNG, JPEG, WebP, BMP and TIFF are"
        )
    return np.asarray(pixels)


def _to_uint8(pixels: NDArray[np.generic], data: bytes, name: str) -> Pixels:
    if pixels.dtype not in _WHITE:
        raise DataError(f"{name}: {pixels.dtype} pixels", hint="save it with 8 or 16 bits")
    white = headers.white(data) or _WHITE[pixels.dtype]
    if white == 255:
        return pixels.astype(np.uint8, copy=False)
    scaled: Pixels = (
        np.rint(pixels.astype(np.float32) * (255 / white)).clip(0, 255).astype(np.uint8)
    )
    return scaled


def _on_white(pixels: Pixels, *, is_multiplied: bool) -> Pixels:
    """RGB from BGR or BGRA, or from BGRA whose colours hold their alpha already; grey stays."""
    if pixels.ndim == 2:
        return pixels
    rgb: Pixels = cv2.cvtColor(pixels[:, :, :3], cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    if pixels.shape[2] == 3:
        return rgb
    alpha = pixels[:, :, 3:].astype(np.float32) / 255
    colour = rgb.astype(np.float32) if is_multiplied else rgb * alpha
    laid: Pixels = np.rint(colour + 255 * (1 - alpha)).clip(0, 255).astype(np.uint8)
    return laid


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Undo the camera's turn: `orientation` as in EXIF, 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
