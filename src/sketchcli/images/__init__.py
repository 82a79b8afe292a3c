"""Reading, writing, resizing and converting images; no other package does so.

Images are uint8 RGB `(H, W, 3)` or grey `(H, W)`; floats in [-1, 1] exist only inside the models.
"""

import functools
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from sketchcli import files
from sketchcli.config import Fit
from sketchcli.errors import DataError
from sketchcli.files import WRITABLE
from sketchcli.images.opencv import MOST_PIXELS, cv2

LARGEST_FILE = 2**30  # bytes
_BLOCK = 1 << 16  # bytes per read; reading up to the limit at once would allocate all of it
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "GIF", "JPEG2000", "PPM")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# The first bytes of other files, what they are, and what to do.
_OTHERS = (
    (b"<svg", "an SVG drawing", "export it as PNG, 1000 pixels or more wide"),
    (b"<?xml", "an XML document, perhaps an SVG drawing", "export it as PNG"),
    (b"<!doctype html", "a web page", "download the image itself"),
    (b"<html", "a web page", "download the image itself"),
    (b"%pdf", "a PDF document", "export its page as PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the image", "run: git lfs pull"),
    (b"pk\3\4", "a ZIP archive or a drawing of Krita or Procreate", "export it as PNG"),
    (b"8bps", "a Photoshop drawing", "export it as PNG"),
    (b"gimp xcf", "a GIMP drawing", "export it as PNG"),
    (b"\xff\x0a", "a JPEG XL image", "convert it to PNG"),
    (b"\0\0\0\x0cjxl ", "a JPEG XL image", "convert it to PNG"),
    (b"\0\0\1\0", "an icon", "convert it to PNG"),
)
_MAGIC = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"BM", b"II", b"MM", b"RIFF")
_SCALES = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}  # by Pillow's names of raw pixels
_ORIENTATION, _EXTRA_SAMPLES = 0x0112, 338  # tags of EXIF (CIPA DC-008) and TIFF 6.0
_JPEG_MODES = {
    "L": cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION,
    "RGB": cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION,
}
_SRGB_GAMMA = 1 / 2.2
_ALIKE = 2  # levels by which a profile may differ from sRGB without being applied

# Pillow would report damaged metadata on stderr. Of its own limit on pixels it only warns; files of
# twice as many are refused, which is changed only if the user sets a higher limit.
warnings.filterwarnings("ignore", module=r"PIL\.")
if Image.MAX_IMAGE_PIXELS and MOST_PIXELS > 2 * Image.MAX_IMAGE_PIXELS:
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS

Pixels = NDArray[np.uint8]  # an image, values in [0, 255]
Floats = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def use_one_thread() -> None:
    """Limit OpenCV to one thread, for a process that is one of many."""
    cv2.setNumThreads(1)


def read(path: Path, *, notes: list[str] | None = None) -> Pixels:
    """Read an image as `decode` does."""
    try:
        with path.open("rb") as file:
            return read_stream(file, name=str(path), notes=notes)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def read_stream(stream: BinaryIO, *, name: str, notes: list[str] | None = None) -> Pixels:
    """Read an image as `decode` does, from a stream that is called `name` in errors."""
    data = io.BytesIO()
    while data.tell() <= LARGEST_FILE and (block := stream.read(_BLOCK)):  # a pipe may never end
        data.write(block)
    if data.tell() > LARGEST_FILE:
        raise DataError(f"{name} is larger than {LARGEST_FILE >> 20} MB", hint="save it as PNG")
    return decode(data.getvalue(), name=name, notes=notes)


def read_rgb(path: Path) -> Pixels:
    """Read an image as `decode` does; a grey image gets the shape `(H, W, 3)` too."""
    return to_rgb(read(path))


def read_luma(path: Path) -> Pixels:
    """Read an image as grey `(H, W)`."""
    return luma(read(path))


def decode(data: bytes, *, name: str, notes: list[str] | None = None) -> Pixels:
    """Decode an image as sRGB, upright, with transparent areas on white.

    The result is `(H, W)` if the file is grey, which takes half the time, and RGB `(H, W, 3)`
    otherwise. The format is recognised by the bytes, not by the file's name. Of several frames or
    pages the first is read, and `notes` says so. `name` is what errors call the image.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_formats(data, name)) as image:
            return _decoded(image, data, name, [] if notes is None else notes)
    except (DataError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{name} claims to have more pixels than the limit ({MOST_PIXELS:,})",
            hint="save a smaller copy as PNG",
        ) from error
    except UnidentifiedImageError as error:
        raise _unidentified(data, name) from error
    except Exception as error:  # Pillow's parsers raise whatever damage leads to
        raise DataError(f"{name} is damaged or cut short", hint="save it again as PNG") from error


def _formats(data: bytes, name: str) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file may have."""
    brands = data[8 : int.from_bytes(data[:4], "big")] if data[4:8] == b"ftyp" else b""
    if brands[:4] not in _HEIF_BRANDS or b"avif" in brands:
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


def _decoded(image: Image.Image, data: bytes, name: str, notes: list[str]) -> Pixels:
    _check_size(image)
    profile = image.info.get("icc_profile")
    is_jpeg = image.format in {"JPEG", "MPO"}
    # The further images of a JPEG (MPO) are previews and depth maps of the same photo.
    if getattr(image, "is_animated", False) and not is_jpeg:
        notes.append("has several frames or pages: only the first is used")
    if is_jpeg and image.mode in _JPEG_MODES and _to_srgb(profile, image.mode) is None:
        # OpenCV decodes to the same pixels (by libjpeg too), right into an array: a third faster.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _JPEG_MODES[image.mode])
        return _turned(np.asarray(pixels, np.uint8), _orientation(image))
    tiles = image.tile if isinstance(image, PngImagePlugin.PngImageFile) else []
    found, scale = image.info.get("transparency"), _SCALES.get(str(tiles[0].args) if tiles else "")
    if found is not None and scale:  # Pillow brings a PNG's pixels to 8 bits, but not this colour
        scaled = [int(v * scale) for v in (found if isinstance(found, tuple) else [found])]
        image.info["transparency"] = tuple(scaled) if len(scaled) > 1 else scaled[0]
    image.load()
    _check_size(image)  # a HEIC image may have another size than its header says
    turn = _orientation(image)
    laid = _on_white(_eight_bits(image, name))
    if laid is not image:
        image.close()  # gives its memory back
    return _turned(np.array(laid), turn)


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError


def _unidentified(data: bytes, name: str) -> DataError:
    if not data:
        return DataError(f"{name} is empty", hint="save or download it again")
    start = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for bytes_, what, hint in _OTHERS:
        if start.startswith(bytes_):
            return DataError(f"{name} is {what}", hint=hint)
    if data.startswith(_MAGIC):
        return DataError(f"{name} is damaged or of a rare kind", hint="save it again as PNG")
    return DataError(f"{name} is not a readable image", hint="use PNG, JPEG, WebP, BMP or TIFF")


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Return an image as `L`, `LA`, `RGB`, `RGBA` or `CMYK`."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        values, transparent = np.asarray(image), image.info.get("transparency")
        grey = Image.fromarray(np.rint(values * np.float32(1 / 257)).astype(np.uint8))
        if transparent is not None:
            grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
        grey.info = image.info
        return grey
    if image.mode in {"I", "F"}:
        raise DataError(f"{name} has 32-bit pixels", hint="save it with 8 or 16 bits")
    if image.mode in {"1", "L", "LA", "La"}:
        wanted = "LA" if image.has_transparency_data else "L"
        return image if image.mode == wanted else image.convert(wanted)
    if image.mode == "CMYK":
        return image
    is_alpha = image.has_transparency_data
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # without this tag, it is not alpha
        is_alpha = is_alpha and _EXTRA_SAMPLES in image.tag_v2
    wanted = "RGBA" if is_alpha else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _on_white(image: Image.Image) -> Image.Image:
    """Return an image as sRGB or grey, with alpha put on white."""
    if image.mode not in {"LA", "RGBA"}:
        return _in_srgb(image)
    alpha = image.getchannel("A")
    colour = _in_srgb(image.convert(image.mode[:-1]))
    image.close()  # gives its memory back
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
        return int(image.getexif().get(_ORIENTATION, 1))
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
