"""Reading image files as upright RGB on white, and resizing and writing images."""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sketchcli import files
from sketchcli.config import Fit
from sketchcli.errors import DataError
from sketchcli.files import WRITABLE
from sketchcli.images.opencv import cv2

LARGEST_FILE = 2**30  # bytes
_BLOCK = 1 << 16  # bytes per read; reading up to the limit at once would allocate all of it
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}

Pixels = NDArray[np.uint8]  # an image, values in [0, 255]


def read(path: Path) -> Pixels:
    """Read an image as `decode` does."""
    try:
        with path.open("rb") as file:  # OpenCV cannot open every file name
            return read_stream(file, name=str(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def read_stream(stream: BinaryIO, *, name: str) -> Pixels:
    """Read an image as `decode` does, from a stream that is called `name` in errors."""
    data = bytearray()
    while len(data) <= LARGEST_FILE and (block := stream.read(_BLOCK)):  # a pipe may never end
        data += block
    if len(data) > LARGEST_FILE:
        raise DataError(f"{name} is larger than {LARGEST_FILE >> 20} MB", hint="save it as PNG")
    return decode(bytes(data), name=name)


def read_rgb(path: Path) -> Pixels:
    """Read an image as `decode` does; a grey image gets the shape `(H, W, 3)` too."""
    return to_rgb(read(path))


def read_luma(path: Path) -> Pixels:
    """Read an image as grey `(H, W)`."""
    return luma(read(path))


def decode(data: bytes, *, name: str) -> Pixels:
    """Decode an image, upright, with transparent areas on white.

    The result is `(H, W)` if the file is grey, which takes half the time, and RGB `(H, W, 3)`
    otherwise. The format is recognised by the bytes, not by the file's name. Of several frames or
    pages the first is read. Colours are taken for sRGB: an ICC profile is not applied. `name` is
    what errors call the image.
    """
    if data.startswith(JPEG):  # OpenCV applies a JPEG's EXIF orientation by itself
        is_grey = jpeg_components(data) == 1
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR_RGB
        return _decode(data, mode, name).astype(np.uint8, copy=False)
    if data.startswith(b"P"):  # OpenCV needs a byte after the last number of a plain PNM
        data += b"\n"
    pixels = _decode(data, cv2.IMREAD_UNCHANGED, name)  # no other mode keeps alpha and depth
    transparent = transparent_grey(data)
    if transparent is not None and pixels.ndim == 2:
        pixels = np.where(pixels == transparent, _WHITE[pixels.dtype], pixels)
    extra = extra_sample(data)
    if extra and pixels.ndim == 2:  # OpenCV has dropped the alpha channel
        raise DataError(f"{name} is a grey TIFF with alpha", hint="save it as PNG")
    if extra == 0 and pixels.ndim == 3:  # a fourth channel would not be alpha
        pixels = pixels[:, :, :3]
    # libtiff multiplies 8-bit colours by their alpha.
    is_multiplied = extra == 1 or (extra == 2 and pixels.dtype == np.uint8)
    laid = _on_white(_to_uint8(pixels, data, name), is_multiplied=is_multiplied)
    return _turned(laid, orientation(data))


def _decode(data: bytes, flags: int, name: str) -> NDArray[np.generic]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        is_huge = "CV_IO_MAX" in error.err
        reason = "it claims to have more pixels than the limit" if is_huge else error.err
        raise DataError(f"{name}: {reason}", hint="save it again as PNG") from error
    if pixels is None:
        raise DataError(f"{name} is not a readable image", hint="use PNG, JPEG, WebP, BMP or TIFF")
    return np.asarray(pixels)


def _to_uint8(pixels: NDArray[np.generic], data: bytes, name: str) -> Pixels:
    if pixels.dtype not in _WHITE:
        raise DataError(f"{name} has {pixels.dtype} pixels", hint="save it with 8 or 16 bits")
    white = white_level(data) or _WHITE[pixels.dtype]
    if white == 255:
        return pixels.astype(np.uint8, copy=False)
    scaled: Pixels = (
        np.rint(pixels.astype(np.float32) * (255 / white)).clip(0, 255).astype(np.uint8)
    )
    return scaled


def _on_white(pixels: Pixels, *, is_multiplied: bool) -> Pixels:
    """Convert BGR or BGRA, with or without premultiplied alpha, to RGB on white; keep grey."""
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
    """Undo the camera's rotation, given as an EXIF orientation from 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


# The functions below read metadata that OpenCV does not pass on.
#
# OpenCV applies the orientation only if it drops alpha and depth too, and never that of an AVIF. It
# does not say which grey of a PNG is transparent, which value is white in 10- or 12-bit pixels, and
# whether a TIFF's colours are multiplied by its alpha already. Every function reads only bytes, and
# treats damaged metadata like absent metadata.

UPRIGHT = 1
JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # start of JPEG 2000 data, in a .jp2 file or bare
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION, _EXTRA_SAMPLES = 0x0112, 0x0152  # tags of TIFF, and of EXIF, which has its format
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # T.81, table B.1: SOF0 to SOF15
_PNM = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3)
# EXIF orientations by anticlockwise quarter turns, then by the axis of the mirror (none, 0, 1).
_AVIF_ORIENTATIONS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))


def orientation(data: bytes) -> int:
    """Return the EXIF orientation (CIPA DC-008, tag 0x0112), 1 to 8, of a PNG, WebP or AVIF.

    It is 1 if the file states none, and for JPEG and TIFF, which OpenCV turns by itself.
    """
    if data.startswith(_PNG):
        return _exif_orientation(dict(_png_chunks(data)).get(b"eXIf", b""))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_orientation(dict(_riff_chunks(data)).get(b"EXIF", b""))
    if data[4:8] == b"ftyp":
        return _avif_orientation(data)
    return UPRIGHT


def jpeg_components(data: bytes) -> int | None:
    """Return the number of components in a JPEG's frame header (T.81, B.2.2), 1 for grey."""
    place = len(JPEG)
    while data[place : place + 1] == b"\xff" and place + 10 <= len(data):
        marker, length = struct.unpack_from(">BH", data, place + 1)
        if marker in _JPEG_FRAMES:
            return data[place + 9]
        place += 1 if marker == 0xFF else 2 + length  # 0xFF may be repeated as padding
    return None


def transparent_grey(data: bytes) -> int | None:
    """Return the transparent value of a grey PNG (its tRNS chunk) in 8 or 16 bits, or None."""
    if not data.startswith(_PNG):
        return None
    chunks = dict(_png_chunks(data))
    header, value = chunks.get(b"IHDR", b""), chunks.get(b"tRNS", b"")
    if len(header) != 13 or header[9] != 0 or len(value) != 2:
        return None
    depth = header[8]
    grey = int.from_bytes(value, "big") & _largest(depth)
    return grey * 255 // _largest(depth) if depth < 8 else grey


def white_level(data: bytes) -> int | None:
    """Return the value of white in OpenCV's pixels of a PNM, AVIF or JPEG 2000, else None."""
    if match := _PNM.match(data):
        kind, largest = match[1], int(match[4])
        return 255 if kind in b"23" and largest <= 255 else largest  # OpenCV scales plain PNMs
    if data[4:8] == b"ftyp":
        return _largest(_avif_depth(data))
    if data[4:8] == b"jP  " or data.startswith(_CODESTREAM):
        return _largest(_jpeg_2000_depth(data))
    return None


def extra_sample(data: bytes) -> int | None:
    """Return the kind of a TIFF's extra sample (TIFF 6.0, section 18), or None for other files.

    0 is not alpha, 1 is alpha that the colours are multiplied by, 2 is plain alpha.
    """
    return _tiff_tag(data, _EXTRA_SAMPLES, default=0) if data[:4] in _TIFF_ORDERS else None


def _largest(bits: int) -> int:
    return (1 << bits) - 1


def _exif_orientation(exif: bytes) -> int:
    found = _tiff_tag(exif.removeprefix(b"Exif\0\0"), _ORIENTATION, default=UPRIGHT)
    return found if 1 <= found <= 8 else UPRIGHT


def _tiff_tag(data: bytes, tag: int, *, default: int) -> int:
    """Return the first value of a SHORT tag in the first directory (TIFF 6.0, section 2)."""
    order = _TIFF_ORDERS.get(data[:4])
    if order is None:
        return default
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for index in range(count):
            found, value = struct.unpack_from(f"{order}H6xH", data, start + 2 + 12 * index)
            if found == tag:
                return int(value)
    except struct.error:
        return default
    return default


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk without pixels (W3C PNG, section 5)."""
    place = len(_PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind != b"IDAT":
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of a WebP's chunks, which have even lengths (RFC 9649)."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _jpeg_2000_depth(data: bytes) -> int:
    """Return the bits of the first component (ISO 15444-1, A.5.1: Ssiz)."""
    size = data[data.find(_CODESTREAM) :][:43]
    return (size[42] & 127) + 1 if len(size) == 43 else 8


def _avif_properties(data: bytes) -> dict[bytes, bytes]:
    """Return the properties of an image; those of an alpha plane are the same."""
    meta = _box(data, b"meta")[4:]
    return dict(_boxes(_box(_box(meta, b"iprp"), b"ipco")))


def _avif_depth(data: bytes) -> int:
    """Read the bits from the box `av1C` (AV1-ISOBMFF 2.3.3): high_bitdepth and twelve_bit."""
    flags = _avif_properties(data).get(b"av1C", b"")[2:3] or b"\0"
    return {0x00: 8, 0x40: 10, 0x60: 12}.get(flags[0] & 0x60, 8)


def _avif_orientation(data: bytes) -> int:
    """Read the boxes `irot` and `imir` (ISO 23008-12, 6.5.10 and 6.5.12): AVIF ignores EXIF."""
    properties = _avif_properties(data)
    turns = properties.get(b"irot", b"")[:1] or b"\0"
    mirror = properties.get(b"imir", b"")[:1]
    axis = 1 + (mirror[0] & 1) if mirror else 0
    return _AVIF_ORIENTATIONS[turns[0] & 3][axis]


def _box(data: bytes, kind: bytes) -> bytes:
    return next((content for found, content in _boxes(data) if found == kind), b"")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of adjacent boxes in `data` (ISO 14496-12, 4.2)."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if length < 8:  # the last box, `mdat`: it extends to the end or has a 64-bit length
            return
        yield kind, data[place + 8 : place + length]
        place += length


Floats = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def luma(pixels: Pixels) -> Pixels:
    """Convert RGB `(H, W, 3)` to grey `(H, W)`: 0.299 R + 0.587 G + 0.114 B, within one level.

    >>> luma(np.full((1, 1, 3), 200, np.uint8)).tolist()
    [[200]]
    """
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def to_model_range(pixels: Pixels) -> Floats:
    """Convert uint8 in [0, 255] to floats in [-1, 1].

    >>> to_model_range(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def from_model_range(values: Floats) -> Pixels:
    """Convert floats in [-1, 1] to uint8 in [0, 255], rounded and clamped.

    >>> from_model_range(np.array([-1.5, 0.0, 1.01], np.float32)).tolist()
    [0, 128, 255]
    """
    pixels: Pixels = np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)
    return pixels


def to_rgb(pixels: Pixels) -> Pixels:
    """Convert grey `(H, W)` to `(H, W, 3)`; RGB stays as it is."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


# Images get other sizes by resampling, cropping and padding.


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to `(height, width)`: INTER_AREA to reduce, which keeps thin strokes, else cubic.

    If one side shrinks and the other grows, the shrinking side is resized first, because
    INTER_AREA averages only if neither side grows.
    """
    height, width = size
    reduced = (min(height, pixels.shape[0]), min(width, pixels.shape[1]))
    if reduced != pixels.shape[:2]:
        pixels = _resize(pixels, reduced, cv2.INTER_AREA)
    return pixels if reduced == size else _resize(pixels, size, cv2.INTER_CUBIC)


def fit(pixels: Pixels, size: tuple[int, int], how: Fit) -> Pixels:
    """Bring an image, grey or RGB, to `(height, width)` in one of the ways of `Fit`.

    Cropping and padding change the aspect ratio only by rounding a side to whole pixels.
    """
    if how == Fit.CROP:
        return _cropped(pixels, size)
    if how == Fit.PAD:
        return _padded(pixels, size)
    return resize(pixels, size)


def inner_size(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest height and width with a shape's aspect ratio that fit into a size.

    >>> inner_size((250, 200, 3), (128, 128))
    (128, 102)
    """
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def sheet(rows: Sequence[Sequence[Pixels]], *, gap: int = 4) -> Pixels:
    """Arrange images of equal size in rows on a white sheet."""
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
    # Crop what is not needed before resizing: a whole thin strip could be too large to enlarge.
    kept = [_kept(s, wanted / scale) for s, wanted in zip(pixels.shape[:2], size, strict=True)]
    pixels = centre(pixels, (kept[0], kept[1]))
    tall, wide = (round(side * scale) for side in kept)
    return np.ascontiguousarray(centre(resize(pixels, (max(tall, height), max(wide, width))), size))


def _kept(side: int, wanted: float) -> int:
    """Return the fewest pixels of a side that hold `wanted` if both ends are cropped equally."""
    least = min(side, math.ceil(wanted - 1e-6))
    return least + (side - least) % 2


def centre(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the central `(height, width)` of an image, which undoes padding."""
    top, left = (pixels.shape[0] - size[0]) // 2, (pixels.shape[1] - size[1]) // 2
    return pixels[top : top + size[0], left : left + size[1]]


def _padded(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    tall, wide = inner_size(pixels.shape, size)
    top, left = (size[0] - tall) // 2, (size[1] - wide) // 2
    canvas = np.full((*size, *pixels.shape[2:]), 255, np.uint8)
    canvas[top : top + tall, left : left + wide] = resize(pixels, (tall, wide))
    return canvas


# Image files are written whole or not at all.

_QUALITY = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
}


def write(path: Path, pixels: Pixels, *, quality: int | None = None) -> None:
    """Write `(H, W)` or RGB `(H, W, 3)` in the format of the file's extension, whole or not at all.

    `quality` (1 to 100) applies to JPEG and WebP; OpenCV has its own default.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(f"{path} has an unsupported extension", hint="use .png, .jpg or .webp")
    data = encode(pixels, suffix, name=str(path), quality=quality)
    files.write_whole(path, lambda part: part.write_bytes(data))


def encode(
    pixels: Pixels, suffix: str, *, name: str = "picture", quality: int | None = None
) -> bytes:
    """Encode `(H, W)` or RGB `(H, W, 3)` in a format such as `.png`."""
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
