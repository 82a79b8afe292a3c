"""Which names are those of pictures; nothing heavy is imported to tell."""

from pathlib import Path

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
READABLE = WRITABLE | {".avif", ".gif", ".jp2", ".pbm", ".pgm", ".ppm"}


def is_picture(path: Path) -> bool:
    """Whether the file's name says that it is a picture (hidden files are not)."""
    return path.suffix.lower() in READABLE and not path.name.startswith(".")
