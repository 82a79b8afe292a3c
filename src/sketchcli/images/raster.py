"""Pictures from files, whatever they are, as upright RGB on white."""

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
_BLOCK = 1 << 16  # bytes: to ask for the largest file at once takes memory for it
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
# What pictures are in memory, and their ranges.

Pixels = NDArray[np.uint8]


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
    if data.startswith(JPEG):  # which OpenCV turns as its EXIF says
        is_grey = jpeg_components(data) == 1
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR_RGB
        return _decode(data, mode, name).astype(np.uint8, copy=False)
    if data.startswith(b"P"):  # of a plain PNM, the last number must be followed by something
        data += b"\n"
    pixels = _decode(data, cv2.IMREAD_UNCHANGED, name)  # no other mode keeps alpha and depth
    transparent = transparent_grey(data)
    if transparent is not None and pixels.ndim == 2:
        pixels = np.where(pixels == transparent, _WHITE[pixels.dtype], pixels)
    extra = extra_sample(data)
    if extra and pixels.ndim == 2:  # OpenCV has dropped the alpha
        raise DataError(f"{name}: a grey TIFF with alpha", hint="save it as PNG")
    if extra == 0 and pixels.ndim == 3:  # a fourth channel is there, but it is no alpha
        pixels = pixels[:, :, :3]
    # libtiff multiplies 8-bit colours by their alpha itself.
    is_multiplied = extra == 1 or (extra == 2 and pixels.dtype == np.uint8)
    laid = _on_white(_to_uint8(pixels, data, name), is_multiplied=is_multiplied)
    return _turned(laid, orientation(data))


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
    white = white_level(data) or _WHITE[pixels.dtype]
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


# What a picture's file says beside its pixels, where OpenCV does not pass it on.
#
# OpenCV turns a picture as its metadata say only where it drops alpha and depth too, and an AVIF
# never; it does not tell which grey of a PNG is transparent, which value is white where pixels have
# 10 or 12 bits, and whether a TIFF's colours are already multiplied by its alpha. Every function
# here reads bytes alone, and takes what is damaged or absent for "not said".

UPRIGHT = 1
JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # how JPEG 2000's own bytes begin, in a .jp2 or bare
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION, _EXTRA_SAMPLES = 0x0112, 0x0152  # tags of TIFF and of EXIF, which is a TIFF
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # T.81, table B.1: SOF0 to SOF15
_PNM = re.compile(rb"P([2356])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3)
# By quarter turns against the clock, then by the axis of the mirror that follows (none, 0, 1).
_AVIF_ORIENTATIONS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))


def orientation(data: bytes) -> int:
    """EXIF's orientation (CIPA DC-008, tag 0x0112), 1 to 8, of a PNG, WebP or AVIF.

    It is 1 for JPEG and TIFF, which OpenCV turns by itself, and where nothing is said.
    """
    if data.startswith(_PNG):
        return _exif_orientation(dict(_png_chunks(data)).get(b"eXIf", b""))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_orientation(dict(_riff_chunks(data)).get(b"EXIF", b""))
    if data[4:8] == b"ftyp":
        return _avif_orientation(data)
    return UPRIGHT


def jpeg_components(data: bytes) -> int | None:
    """How many components a JPEG's frame header (T.81, B.2.2) counts: 1 is grey; or None."""
    place = len(JPEG)
    while data[place : place + 1] == b"\xff" and place + 10 <= len(data):
        marker, length = struct.unpack_from(">BH", data, place + 1)
        if marker in _JPEG_FRAMES:
            return data[place + 9]
        place += 1 if marker == 0xFF else 2 + length  # 0xFF may be repeated to fill up
    return None


def transparent_grey(data: bytes) -> int | None:
    """The one transparent value of a grey PNG (its tRNS chunk), as 8 or 16 bits; or None."""
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
    """Which value is white in OpenCV's pixels of a PNM, AVIF or JPEG 2000; None for other files."""
    if match := _PNM.match(data):
        kind, largest = match[1], int(match[4])
        return 255 if kind in b"23" and largest <= 255 else largest  # plain text comes scaled
    if data[4:8] == b"ftyp":
        return _largest(_avif_depth(data))
    if data[4:8] == b"jP  " or data.startswith(_CODESTREAM):
        return _largest(_jpeg_2000_depth(data))
    return None


def extra_sample(data: bytes) -> int | None:
    """What a TIFF has beside its colours (TIFF 6.0, section 18); None for other files.

    0 is no alpha, 1 is alpha that the colours are multiplied by, 2 is alpha.
    """
    return _tiff_tag(data, _EXTRA_SAMPLES, default=0) if data[:4] in _TIFF_ORDERS else None


def _largest(bits: int) -> int:
    return (1 << bits) - 1


def _exif_orientation(exif: bytes) -> int:
    found = _tiff_tag(exif.removeprefix(b"Exif\0\0"), _ORIENTATION, default=UPRIGHT)
    return found if 1 <= found <= 8 else UPRIGHT


def _tiff_tag(data: bytes, tag: int, *, default: int) -> int:
    """The first value of a SHORT tag in the first directory (TIFF 6.0, section 2)."""
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
    """Kind and content of each chunk that is no pixels (W3C PNG, section 5)."""
    place = len(_PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind != b"IDAT":
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of a WebP's chunks, which are padded to even lengths (RFC 9649)."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _jpeg_2000_depth(data: bytes) -> int:
    """Bits of the first component (ISO 15444-1, A.5.1: Ssiz)."""
    size = data[data.find(_CODESTREAM) :][:43]
    return (size[42] & 127) + 1 if len(size) == 43 else 8


def _avif_properties(data: bytes) -> dict[bytes, bytes]:
    """The properties of a picture; where it has an alpha plane too, they are the same for both."""
    meta = _box(data, b"meta")[4:]
    return dict(_boxes(_box(_box(meta, b"iprp"), b"ipco")))


def _avif_depth(data: bytes) -> int:
    """From the box `av1C` (AV1-ISOBMFF 2.3.3): the flags high_bitdepth and twelve_bit."""
    flags = _avif_properties(data).get(b"av1C", b"")[2:3] or b"\0"
    return {0x00: 8, 0x40: 10, 0x60: 12}.get(flags[0] & 0x60, 8)


def _avif_orientation(data: bytes) -> int:
    """From the boxes `irot` and `imir` (ISO 23008-12, 6.5.10 and 6.5.12): AVIF ignores EXIF's."""
    properties = _avif_properties(data)
    turns = properties.get(b"irot", b"")[:1] or b"\0"
    mirror = properties.get(b"imir", b"")[:1]
    axis = 1 + (mirror[0] & 1) if mirror else 0
    return _AVIF_ORIENTATIONS[turns[0] & 3][axis]


def _box(data: bytes, kind: bytes) -> bytes:
    return next((content for found, content in _boxes(data) if found == kind), b"")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that stand side by side in `data` (ISO 14496-12, 4.2)."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if length < 8:  # to the end of the file, or 64 bits long: `mdat`, which comes last
            return
        yield kind, data[place + 8 : place + length]
        place += length


Floats = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def luma(pixels: Pixels) -> Pixels:
    """Grey `(H, W)` from `(H, W, 3)`: .299 R + .587 G + .114 B, within one level; grey stays.

    >>> luma(np.full((1, 1, 3), 200, np.uint8)).tolist()
    [[200]]
    """
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


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


# Other sizes: by resampling, and by cropping and padding around it.


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
