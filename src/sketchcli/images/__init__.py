"""Reading, writing, resizing and converting images; no other package does so.

Images are uint8 RGB `(H, W, 3)` or grey `(H, W)`; tensors alone hold floats in [-1, 1] (`device`).
"""

import contextlib
import ctypes
import functools
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin, UnidentifiedImageError

from sketchcli import file_kinds, files, limits
from sketchcli.config import Fit
from sketchcli.errors import DataError, SketchError
from sketchcli.file_kinds import WRITABLE
from sketchcli.images.opencv import cv2

LARGEST_FILE = 2**30  # bytes
_BLOCK = 1 << 16  # bytes per read; reading up to the limit at once would allocate all of it
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "GIF", "JPEG2000", "PPM")
_SCALES = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}  # by Pillow's names of raw pixels
_ORIENTATION = 0x0112  # a tag of EXIF (CIPA DC-008); the others are TIFF 6.0's and DNG's
_SUBFILE_TYPE, _BITS, _SUB_IMAGES, _EXTRA_SAMPLES, _DNG_VERSION = 254, 258, 330, 338, 50706
_SRGB_GAMMA = 1 / 2.2
_ALIKE = 2  # levels by which a profile may differ from sRGB without being applied
_SEEN = 64  # alpha from which on the colour under it counts
_ONE_COLOUR = 24  # levels by which the colour of a drawing's ink may vary
_AS_PNG, _FEWER_BITS = "save it again as PNG", "save it with 8 or 16 bits"
_NO_FILE = "choose an image file (generate also takes a pipe: sketch2img generate - OUT.png)"

# What decoding takes is bounded by what the header announces. Decoders of some formats need more
# bytes a pixel than others; their images may have fewer pixels.
_MOST_PIXELS, _USUAL_BYTES, _LITTLE = 2**27, 12, 2**26
_BYTES = {"JPEG2000": 28, "AVIF": 20, "HEIF": 20, "PPM": 24}
_MOST_SCANNED, _MOST_COMMENTS = 2**32, 1000  # pixels times scans of a JPEG; in a plain PNM
_STRIP = 1 << 18  # pixels that are converted at once

# Pillow and libtiff would report damage on stderr. Sizes are checked below.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
Image.MAX_IMAGE_PIXELS = None
with contextlib.suppress(AttributeError, OSError):  # Windows' Pillow does not export libtiff
    for _kind in ("Error", "Warning"):
        getattr(ctypes.CDLL(Image.core.__file__), f"TIFFSet{_kind}Handler")(None)  # type: ignore[attr-defined]

Pixels = NDArray[np.uint8]  # an image, values in [0, 255]
Check = Callable[[int, int], object]  # of an image's width and height
Floats = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def use_one_thread() -> None:
    """Limit OpenCV to one thread, for a process that is one of many."""
    cv2.setNumThreads(1)


def read(path: Path, *, notes: list[str] | None = None, check: Check | None = None) -> Pixels:
    """Read an image as `decode` does."""
    try:
        if path.exists() and not path.is_file():  # opening a named pipe could wait for ever
            what = "a folder" if path.is_dir() else "a device or a named pipe"
            raise DataError(f"{path} is {what}, not an image file", hint=_NO_FILE)
        with path.open("rb") as file:
            return read_stream(file, name=str(path), notes=notes, check=check)
    except OSError as error:
        hint = "check its permissions" if isinstance(error, PermissionError) else ""
        raise DataError(f"{path}: {error.strerror or error}", hint=hint) from error


def read_stream(
    stream: BinaryIO, *, name: str, notes: list[str] | None = None, check: Check | None = None
) -> Pixels:
    """Read an image as `decode` does, from a stream that is called `name` in errors."""
    data = io.BytesIO()
    while data.tell() <= LARGEST_FILE and (block := stream.read(_BLOCK)):  # a pipe may never end
        data.write(block)
    if data.tell() > LARGEST_FILE:
        raise DataError(f"{name} is larger than {LARGEST_FILE >> 20} MB", hint="save it as PNG")
    return decode(data.getvalue(), name=name, notes=notes, check=check)


def read_rgb(path: Path) -> Pixels:
    """Read an image as `decode` does; a grey image gets the shape `(H, W, 3)` too."""
    return to_rgb(read(path))


def decode(
    data: bytes, *, name: str, notes: list[str] | None = None, check: Check | None = None
) -> Pixels:
    """Decode an image as sRGB, upright, with transparent areas on white.

    The result is `(H, W)` if the file is grey, and RGB `(H, W, 3)` otherwise. A drawing in one
    light colour on transparent ground becomes black on white. Of several frames or pages the first
    is read, and `notes` says so. `name` is what errors call the image. `check` gets the width and
    height that the header announces, and may raise an error before anything is decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_formats(data, name)) as image:
            if check is not None:
                check(*image.size)
            pixels, orientation = _decoded(image, data, name, [] if notes is None else notes)
        return _turned(pixels, orientation)
    except (SketchError, MemoryError):
        raise
    except Exception as error:  # Pillow's parsers raise whatever damage leads to
        raise _unreadable(data, name, error) from error


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file may have."""
    brands = data[8 : int.from_bytes(data[:4], "big")] if data[4:8] == b"ftyp" else b""
    if brands[:4] not in file_kinds.HEIF_BRANDS or b"avif" in brands:
        return _FORMATS
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415 - it may not be installed
    except ImportError as error:
        raise DataError(
            f"{name} is a HEIC or HEIF image, which needs the package pillow-heif",
            hint="run: pipx inject sketch2img pillow-heif, or save the image as JPEG",
        ) from error
    register_heif_opener()
    return ("HEIF",)


def _decoded(
    image: ImageFile.ImageFile, data: bytes, name: str, notes: list[str]
) -> tuple[Pixels, int]:
    """Return the pixels as they are stored, and their orientation."""
    _check_size(image, data, name)
    wanted = _wanted_mode(image, name)
    # The further images of a JPEG (MPO) are previews and depth maps of the same photo.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("has several frames or pages: only the first is used")
    found, scale = image.info.get("transparency"), 0.0
    if image.format == "PNG" and image.tile:
        scale = _SCALES.get(str(image.tile[0].args), 0.0)
    if found is not None and scale:  # Pillow brings a PNG's pixels to 8 bits, but not this colour
        scaled = [int(v * scale) for v in (found if isinstance(found, tuple) else [found])]
        image.info["transparency"] = tuple(scaled) if len(scaled) > 1 else scaled[0]
    rows = _rows(image, data, wanted)
    _check_size(image, data, name)  # a HEIC image may have another size than its header says
    step, ink = max(1, _STRIP // image.width), None
    places = [slice(y, min(y + step, image.height)) for y in range(0, image.height, step)]
    if wanted in {"LA", "RGBA"}:
        ink = _ink(np.asarray(_eight_bits(rows(place), wanted)) for place in places)
    channels = () if wanted in {"L", "LA"} else (3,)
    pixels = np.empty((image.height, image.width, *channels), np.uint8)
    for place in places:
        pixels[place] = np.asarray(_on_white(_eight_bits(rows(place), wanted), ink))
    return pixels, _orientation(image)


def _check_size(image: ImageFile.ImageFile, data: bytes, name: str) -> None:
    """Refuse an image that would take too much memory, or a JPEG too much time."""
    pixels = image.width * image.height
    needed = pixels * _BYTES.get(image.format or "", _USUAL_BYTES)
    limits.check_tiles(data, name, needed + _LITTLE)
    if needed > _LITTLE:  # asking how much memory is free takes as long as reading a small image
        what = f"{name} ({image.width:,}x{image.height:,} pixels)"
        limits.check_memory(needed, what, most=_USUAL_BYTES * _MOST_PIXELS)
        is_jpeg = image.format in {"JPEG", "MPO"} or image.info.get("compression") == "jpeg"
        scans = data.count(b"\xff\xda") if is_jpeg else 0
        if scans * pixels > _MOST_SCANNED:
            raise DataError(f"{name} has too many scans ({scans:,})", hint=_AS_PNG)
    if image.format == "PPM" and data[1:2] in b"123" and data.count(b"#") > _MOST_COMMENTS:
        raise DataError(f"{name} has too many comments", hint=_AS_PNG)  # which take long to remove


def _rows(image: ImageFile.ImageFile, data: bytes, wanted: str) -> Callable[[slice], Image.Image]:
    """Decode an image, and return a function that returns some of its rows.

    Conversions are made strip by strip: a second copy of the whole would take too much memory.
    """
    is_rle = bool(image.tile) and image.tile[0].codec_name == "bmp_rle"
    if image.format != "WEBP" and not is_rle:
        image.load()
        return lambda place: image.crop((0, place.start, image.width, place.stop))
    # OpenCV needs a third of Pillow's memory for WebP, and a fraction of its time for RLE.
    how = cv2.IMREAD_GRAYSCALE if wanted == "L" else cv2.IMREAD_UNCHANGED
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if decoded is None or decoded.shape[:2] != (image.height, image.width):
        raise ValueError("OpenCV cannot decode it")

    def strip(place: slice) -> Image.Image:
        part = decoded[place]
        if part.ndim == 3:
            part = part[:, :, [2, 1, 0, 3][: part.shape[2]]]
        found = Image.fromarray(np.ascontiguousarray(part, np.uint8))
        found.info = image.info
        return found

    return strip


def _ink(strips: Iterable[NDArray[np.uint8]]) -> list[int] | None:
    """Return the grey level for each alpha if an image with alpha is a drawing in a light colour.

    White strokes would vanish on white. If the colour, as it is or multiplied by alpha, is the same
    everywhere, the alpha is the drawing, and its ink what covers the smaller part.
    """
    ways = [np.array([255.0, 0.0]).repeat(3).reshape(2, 3) for _ in range(2)]  # lows and highs
    total, count, lowest, highest = 0, 0, 255, 0  # of alpha
    for strip in strips:
        alpha = strip[:, :, -1]
        total, count = total + int(alpha.sum(dtype=np.int64)), count + alpha.size
        lowest, highest = min(lowest, int(alpha.min())), max(highest, int(alpha.max()))
        seen = strip[alpha >= _SEEN].astype(np.float32)
        if not len(seen):
            continue
        factor = np.float32(255) / seen[:, -1:]
        for way, colours in zip(ways, (seen[:, :-1], (seen * factor)[:, :-1]), strict=True):
            way[0], way[1] = np.minimum(way[0], colours.min(0)), np.maximum(way[1], colours.max(0))
        if all((way[1] - way[0]).max() > _ONE_COLOUR for way in ways):
            return None
    is_one = any((way[1] - way[0]).max() <= _ONE_COLOUR and way[0] @ LUMA >= 128 for way in ways)
    if not is_one or highest - lowest < _SEEN:
        return None
    return list(range(256)) if total > 127.5 * count else list(range(255, -1, -1))


def _unreadable(data: bytes, name: str, error: Exception) -> DataError:
    """Return the error that says why an image cannot be read."""
    is_opened = not isinstance(error, UnidentifiedImageError)
    is_cut = "truncated" in str(error)
    what, hint = file_kinds.why_unreadable(data, is_opened=is_opened, is_cut=is_cut)
    if not is_opened and _bits(data) > 16:
        what, hint = "has 32-bit pixels", _FEWER_BITS
    return DataError(f"{name} {what}", hint=hint)


def _bits(data: bytes) -> int:
    """Return the bits per channel of a TIFF whose pixels Pillow cannot read; 0 if unknown."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        return int(max(tags.get(_BITS, (0,))))
    except Exception:  # noqa: BLE001 - Pillow's parsers raise whatever damage leads to
        return 0


def _wanted_mode(image: ImageFile.ImageFile, name: str) -> str:
    """Return which of `L`, `LA`, `RGB`, `RGBA` and `CMYK` an image is converted to."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        raise DataError(f"{name} has 32-bit pixels", hint=_FEWER_BITS)
    if image.mode == "CMYK":
        return image.mode
    is_alpha = image.has_transparency_data
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if _DNG_VERSION in image.tag_v2 or (
            _SUB_IMAGES in image.tag_v2 and image.tag_v2.get(_SUBFILE_TYPE) == 1
        ):
            raise DataError(f"{name} is a camera's RAW photo", hint="export it as JPEG or PNG")
        if image.mode not in {"LA", "La"}:  # without this tag, a fourth channel is not alpha
            is_alpha = is_alpha and _EXTRA_SAMPLES in image.tag_v2
    if image.mode in {"1", "L", "LA", "La"} or image.mode.startswith("I"):
        return "LA" if is_alpha else "L"
    return "RGBA" if is_alpha else "RGB"


def _eight_bits(image: Image.Image, wanted: str) -> Image.Image:
    """Convert a strip to the wanted mode."""
    if not image.mode.startswith("I"):
        return image if image.mode == wanted else image.convert(wanted)
    values = np.asarray(image)
    grey = Image.fromarray(np.rint(values * np.float32(1 / 257)).astype(np.uint8))
    if wanted == "LA":
        is_clear = values == image.info["transparency"]
        grey.putalpha(Image.fromarray(np.where(is_clear, 0, 255).astype(np.uint8)))
    grey.info = image.info
    return grey


def _on_white(image: Image.Image, ink: list[int] | None) -> Image.Image:
    """Return a strip as sRGB or grey, with alpha put on white, or used as `_ink` says."""
    if image.mode not in {"LA", "RGBA"}:
        return _in_srgb(image)
    alpha = image.getchannel("A")
    if ink is not None:
        return alpha.point(ink).convert(image.mode[:-1])
    colour = _in_srgb(image.convert(image.mode[:-1]))
    paper = Image.new(colour.mode, colour.size, "white")
    paper.paste(colour, mask=alpha)
    return paper


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert colours by the ICC profile or, in a PNG without one, by `gAMA`."""
    transform = _to_srgb(image.info.get("icc_profile"), image.mode)
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    if transform is not None and image.mode == "L":
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        return image.point(list(transform.apply(ramp).getchannel("G").tobytes()))
    if transform is not None:
        return transform.apply(image)
    is_other = abs(gamma / _SRGB_GAMMA - 1) > 0.05 and gamma > 0  # libpng has this threshold too
    if is_other and not {"srgb", "icc_profile"} & image.info.keys() and image.mode != "CMYK":
        curve = np.rint(255 * (np.arange(256) / 255) ** (_SRGB_GAMMA / gamma))
        image = image.point(list(curve.astype(int)) * len(image.getbands()))
    return image.convert("RGB") if image.mode == "CMYK" else image


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None if absent, sRGB, damaged or for another mode."""
    if not profile:
        return None
    try:
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(io.BytesIO(profile), srgb, mode, "RGB")
    except ImageCms.PyCMSError:
        return None
    if mode == "CMYK":
        return transform
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
    chart = Image.fromarray(colours if mode == "RGB" else colours[..., 0].copy())
    changed = np.asarray(transform.apply(chart)).astype(int) - np.asarray(chart.convert("RGB"))
    return transform if np.abs(changed).max() > _ALIKE else None


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; damaged metadata count as none."""
    try:
        is_usual = len(image.info.get("exif", b"")) <= _LITTLE // 16
        return int(image.getexif().get(_ORIENTATION, 1)) if is_usual else 1
    except Exception:  # noqa: BLE001 - Pillow's parsers raise whatever damage leads to
        return 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Undo the camera's rotation, given as an EXIF orientation; other numbers change nothing."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def luma(pixels: Pixels) -> Pixels:
    """Convert RGB `(H, W, 3)` to grey `(H, W)`: 0.299 R + 0.587 G + 0.114 B, within one level.

    >>> luma(np.full((1, 1, 3), 200, np.uint8)).tolist()
    [[200]]
    """
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def to_rgb(pixels: Pixels) -> Pixels:
    """Convert grey `(H, W)` to `(H, W, 3)`; RGB stays as it is."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def all_rgb(pixels: Pixels) -> Pixels:
    """Convert grey images `(N, H, W)` to `(N, H, W, 3)`; RGB images stay as they are."""
    return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=3)


def in_channels(pixels: Pixels, channels: int) -> Pixels:
    """Convert an image to grey `(H, W)` for 1 channel, and to RGB `(H, W, 3)` for 3."""
    return luma(pixels) if channels == 1 else to_rgb(pixels)


# Images get other sizes by resampling, cropping and padding.


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to `(height, width)`: INTER_AREA to reduce, which keeps thin strokes, else cubic.

    INTER_AREA averages only if neither side grows, so a side that shrinks is resized first.
    """
    height, width = size
    reduced = (min(height, pixels.shape[0]), min(width, pixels.shape[1]))
    for wanted, method in ((reduced, cv2.INTER_AREA), (size, cv2.INTER_CUBIC)):
        if wanted != pixels.shape[:2]:
            resized = cv2.resize(pixels, wanted[::-1], interpolation=method)
            pixels = resized.astype(np.uint8, copy=False)
    return pixels


def fit(pixels: Pixels, size: tuple[int, int], how: Fit) -> Pixels:
    """Bring an image, grey or RGB, to `(height, width)` in one of the ways of `Fit`.

    Cropping and padding change the aspect ratio only by rounding a side to whole pixels.
    """
    if how == Fit.CROP:
        return _cropped(pixels, size)
    if how == Fit.PAD:
        inner = inner_size(pixels.shape, size)
        canvas = np.full((*size, *pixels.shape[2:]), 255, np.uint8)
        centre(canvas, inner)[:] = resize(pixels, inner)
        return canvas
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


def _cropped(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    # Crop what is not needed before resizing: a whole thin strip could be too large to enlarge.
    kept = []
    for side, wanted in zip(pixels.shape[:2], size, strict=True):
        least = min(side, math.ceil(wanted / scale - 1e-6))
        kept.append(least + (side - least) % 2)  # both ends are cropped equally
    pixels = centre(pixels, (kept[0], kept[1]))
    tall, wide = (round(side * scale) for side in kept)
    return np.ascontiguousarray(centre(resize(pixels, (max(tall, height), max(wide, width))), size))


def centre(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the central `(height, width)` of an image, which undoes padding."""
    top, left = (pixels.shape[0] - size[0]) // 2, (pixels.shape[1] - size[1]) // 2
    return pixels[top : top + size[0], left : left + size[1]]


# Image files are written whole or not at all.

_QUALITY = {
    ".jpg": cv2.IMWRITE_JPEG_QUALITY,
    ".jpeg": cv2.IMWRITE_JPEG_QUALITY,
    ".webp": cv2.IMWRITE_WEBP_QUALITY,
}


def write(
    path: Path,
    pixels: Pixels,
    *,
    quality: int | None = None,
    is_new: bool = False,
    comment: str = "",
) -> None:
    """Write `(H, W)` or RGB `(H, W, 3)` in the format of the extension, as `write_whole` does.

    `quality` (1 to 100) applies to JPEG and WebP; OpenCV has its own default. `comment` becomes a
    text field of a PNG or JPEG.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise DataError(f"{path} has an unsupported extension", hint="use .png, .jpg or .webp")
    data = encode(pixels, suffix, name=str(path), quality=quality, comment=comment)
    files.write_whole(path, lambda part: part.write_bytes(data), is_new=is_new)


def encode(
    pixels: Pixels,
    suffix: str,
    *,
    name: str = "picture",
    quality: int | None = None,
    comment: str = "",
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
    return files.with_text(data.tobytes(), comment)
