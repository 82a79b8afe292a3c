"""Pictures as files, whole or not at all."""

from pathlib import Path

from sketchcli import files
from sketchcli.errors import DataError
from sketchcli.files import WRITABLE
from sketchcli.images.arrays import Pixels
from sketchcli.images.opencv import cv2

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
