"""Which files are images, by their names, and what other files are, by their first bytes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sketchcli.errors import DataError

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
READABLE = WRITABLE | {".avif", ".gif", ".heic", ".heif", ".jp2", ".pbm", ".pgm", ".ppm"}


def is_picture(path: Path) -> bool:
    """Return whether a file name has an image extension and is not hidden."""
    return path.suffix.lower() in READABLE and not path.name.startswith(".")


def kinds(suffixes: Counter[str]) -> str:
    """Say how many files have which extension.

    >>> kinds(Counter({".svg": 3, "": 1}))
    '3 .svg, 1 without an extension'
    """
    common = suffixes.most_common(4)
    shown = [f"{count} {suffix or 'without an extension'}" for suffix, count in common]
    rest = suffixes.total() - sum(count for _, count in common)
    return ", ".join([*shown, f"{rest} others"] if rest else shown)


def no_images(fault: str, others: Counter[str], links: Sequence[Path] = ()) -> DataError:
    """Return an error for folders without images that says what is in them instead.

    `others` counts files by their extensions; `links` are those to folders, which nobody followed.
    """
    hint = "use PNG, JPEG, WebP, BMP or TIFF"
    if others:
        fault += f", only other files: {kinds(others)}"
        hint = "export or convert them to PNG"
    if links:
        fault += f"; links to folders are not followed ({len(links)})"
        hint = f"give the linked folders themselves, such as {links[0]}"
    return DataError(fault, hint=hint)


HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BRANDS = HEIF_BRANDS | {b"avif", b"avis"}
_MAGIC = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP")
NEEDED = 4096  # bytes of the start of a file by which its kind is recognised
_PNG, _WIDE = "export it as PNG", "export it as PNG, 1000 pixels or more wide"
_ITSELF, _UNPACK, _FRAME = "download the image itself", "unpack it", "export one frame of it as PNG"
_AGAIN, _OTHER = "save, copy or download it again", "choose the file that it leads to"
# Where the bytes are, the bytes, what the file is, what to do.
_KINDS = (
    (0, (b"%PDF",), "a PDF document or an Illustrator drawing", _WIDE),
    (0, (b"%!PS", b"\xc5\xd0\xd3\xc6"), "a PostScript (EPS) drawing", _WIDE),
    (0, (b"\xd7\xcd\xc6\x9a",), "a Windows metafile", _WIDE),
    (40, (b" EMF",), "a Windows metafile", _WIDE),
    (8, (b"CDR",), "a CorelDRAW drawing", _WIDE),
    (0, (b"8BPS",), "a Photoshop drawing", _PNG),
    (0, (b"gimp xcf",), "a GIMP drawing", _PNG),
    (0, (b"CSFCHUNK",), "a Clip Studio Paint drawing", _PNG),
    (0, (b"\0\xffKA",), "an Affinity drawing", _PNG),
    (0, (b"SAI-CANVAS",), "a PaintTool SAI drawing", _PNG),
    (0, (b"PDN3",), "a Paint.NET drawing", _PNG),
    (0, (b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL image", _PNG),
    (0, (b"\0\0\1\0", b"icns"), "an icon", _PNG),
    (0, (b"BPG\xfb",), "a BPG image", _PNG),
    (0, (b"AT&TFORM",), "a DjVu document", _PNG),
    (0, (b"v/1\1", b"#?RADIANCE", b"#?RGBE"), "an HDR image", "save it as PNG"),
    (0, (b"qoif",), "a QOI image", _PNG),
    (0, (b"DDS ",), "a DDS texture", _PNG),
    (0, tuple(bytes([0, 0, n, 0, 0, 0, 0, 0]) for n in (2, 3, 10, 11)), "a TGA image", _PNG),
    (0, (b"\n\5\1",), "a PCX image", _PNG),
    (0, (b"P7\n",), "a PAM image", _PNG),
    (0, (b"SIMPLE  =",), "a FITS image", _PNG),
    (128, (b"DICM",), "a DICOM image", _PNG),
    (0, (b"\x93NUMPY",), "a NumPy array", "save it as PNG"),
    (0, (b"II*\0\x10\0\0\0CR", b"IIR", b"MMOR", b"IIU\0", b"II\x1a\0", b"FUJIFILM", b"FOVb"),
     "a camera's RAW photo", "export it as JPEG or PNG"),
    (4, (b"ftypcrx",), "a camera's RAW photo", "export it as JPEG or PNG"),
    (4, (b"ftyp",), "a video", _FRAME),  # images have been ruled out
    (8, (b"AVI ",), "a video", _FRAME),
    (0, (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1"), "a video", _FRAME),
    (0, (b"\x1f\x8b",), "a gzip file, perhaps a compressed SVG drawing", "unpack or export it"),
    (0, (b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "an archive", _UNPACK),
    (257, (b"ustar",), "an archive", _UNPACK),
    (0, (b"\xd0\xcf\x11\xe0", b"{\\rtf"), "an Office document", "save its image as PNG"),
    (0, (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"#!"), "a program", "choose an image"),
    (0, (b"L\0\0\0\1\x14\2\0", b"[InternetShortcut]"), "a Windows shortcut", _OTHER),
    (0, (b"book\0\0\0\0mark",), "a macOS alias", _OTHER),
    (0, (b"\0\5\x16\7",), "macOS metadata", "choose the file without ._ in its name"),
    (0, (b"bplist00",), "a property list, as of a file still in iCloud", "download the image"),
    (0, (b"version https://git-lfs",), "a Git LFS pointer, not the image", "run: git lfs pull"),
)  # fmt: skip
_ZIPPED = (  # what the names at the start of a ZIP archive say
    (b"application/x-krita", "a Krita drawing", _PNG),
    (b"image/openraster", "an OpenRaster drawing", _PNG),
    (b"oasis.opendocument", "an OpenDocument file", _PNG),
    (b"Document.archive", "a Procreate drawing", _PNG),
    (b"[Content_Types].xml", "an Office document", "save its image as PNG"),
    (b"", "a ZIP archive", _UNPACK),
)
_TEXTS = (  # what text begins with, in lower case
    ("<!doctype html", "a web page", _ITSELF),
    ("<html", "a web page", _ITSELF),
    ("<?xml", "an XML document, perhaps an SVG drawing", _WIDE),
    ("data:", "a data URI", "decode it into a file"),
    ("{", "a text file, perhaps an error in JSON", _ITSELF),
    ("", "a text file", _ITSELF),
)


def why_unreadable(data: bytes, *, is_opened: bool, is_cut: bool) -> tuple[str, str]:
    """Return why a file is not a readable image, such as `is empty`, and what to do.

    `is_opened` says that its header was read, `is_cut` that a decoder missed its end.
    """
    if not data:
        return "is empty", _AGAIN
    is_known = is_opened or (data[4:8] == b"ftyp" and data[8:12] in _BRANDS)
    kind = None if is_known else describe(data)
    if kind is not None:
        return f"is {kind[0]}", kind[1]
    if is_cut or _ends_early(data):
        return "is damaged: it ends too early", _AGAIN
    if is_known or data.startswith(_MAGIC):
        what = "is damaged" if is_known else "is damaged or of a rare kind"
        return what, "save it again as PNG, or get another copy"
    return "is not a readable image", "use PNG, JPEG, WebP, BMP or TIFF"


def describe(start: bytes) -> tuple[str, str] | None:
    """Return what a file is, such as `a PDF document`, and what to do; None if it is unknown.

    `start` is the beginning of a file that is not in a format that is read.
    """
    start = start[:NEEDED]
    if len(start) > 16 and not start.strip(b"\0"):
        return "nothing but zeros, as an interrupted copy leaves", "copy or download it again"
    for place, beginnings, what, hint in _KINDS:
        if start[place:].startswith(beginnings):
            return what, hint
    if start.startswith(b"PK\3\4"):
        return next((what, hint) for name, what, hint in _ZIPPED if name in start)
    return _of_text(start)


def _of_text(start: bytes) -> tuple[str, str] | None:
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = start[: len(start) // 2 * 2].decode(encoding).strip().lower()
    except UnicodeDecodeError as error:
        if error.start < NEEDED - 4:  # it is not the cut through a letter
            return None
        text = start[: error.start].decode(encoding).strip().lower()
    if not text or not all(letter.isprintable() or letter.isspace() for letter in text):
        return None
    if text.startswith("<") and "<svg" in text:
        return "an SVG drawing", _WIDE
    return next((what, hint) for word, what, hint in _TEXTS if text.startswith(word))


def _ends_early(data: bytes) -> bool:
    """Return whether an image file lacks its end, judged by its format's marks and lengths."""
    little, big = (int.from_bytes(data[4:8], order) for order in ("little", "big"))
    ends = {
        b"\x89PNG": b"IEND" not in data,
        b"\xff\xd8": data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"),
        b"GIF8": not data.rstrip(b"\0").endswith(b";"),
        b"RIFF": little + 8 > len(data),
        b"BM": int.from_bytes(data[2:6], "little") > len(data),
        b"II*\0": little > len(data),
        b"MM\0*": big > len(data),
    }
    return any(data.startswith(magic) and is_short for magic, is_short in ends.items())
