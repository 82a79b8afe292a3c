"""Image files for tests, some written byte by byte."""

import struct
import zlib

import numpy as np
from pillow_heif import register_heif_opener

HEIGHT, WIDTH = 48, 64
LOSSLESS = {"webp": {"lossless": True}}
LOSSY = {"jpg": {"quality": 98, "subsampling": 0}, "avif": {"quality": 98}}
LOSSY |= {suffix: {"quality": 98, "chroma": 444} for suffix in ("heic", "heif")}


register_heif_opener()  # to write HEIC files; images registers it by itself


def rgb():
    """Another slope in each channel and direction: no swap or turn goes unseen."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 3, y * 5, 220 - 2 * x - y], axis=2).astype(np.uint8)


def save(picture, path, **options):
    options |= (LOSSLESS | LOSSY).get(path.suffix[1:], {})
    picture.save(path, **options)
    return path


def tiff(order, samples, pixels, tags):
    """An uncompressed TIFF of one strip (TIFF 6.0, section 2)."""
    bits = pixels.dtype.itemsize * 8
    kinds = {"u": 1, "i": 2, "f": 3}
    values = {
        256: [WIDTH], 257: [HEIGHT], 258: [bits] * samples, 259: [1], 277: [samples], 278: [HEIGHT],
        339: [kinds[pixels.dtype.kind]] * samples,
    } | tags  # fmt: skip
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    start = 8 + len(data)
    entries, beyond = b"", b""
    place = start + 2 + 12 * (len(values) + 2) + 4
    for tag in sorted([*values, 273, 279]):
        if tag in {273, 279}:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, 8 if tag == 273 else len(data))
            continue
        raw = struct.pack(f"{order}{len(values[tag])}H", *values[tag])
        field = raw.ljust(4, b"\0")
        if len(raw) > 4:
            field = struct.pack(f"{order}I", place + len(beyond))
            beyond += raw
        entries += struct.pack(f"{order}HHI", tag, 3, len(values[tag])) + field
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}H", len(values) + 2)
    return mark + struct.pack(f"{order}I", start) + data + count + entries + bytes(4) + beyond


def png(colour_type, depth, rows, *chunks, size=None):
    """A PNG, byte by byte (W3C PNG, section 5)."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type])
    header = struct.pack(">IIBBBBB", *(size or (width, len(rows))), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
