"""Three hundred malformed and odd pictures, each made from its seed.

Each is a name, its bytes, and what must become of it: `good` is converted; `bad` is reported;
`either` may be one or the other (a flipped bit may hit what nobody looks at), but never both.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

COUNT = 300
NAMES = (
    "plain", "with space", "new\nline", "tab\there", "emoji 🎨🖌️", "עברית", "العربية", "漢字", "é",
    "'quoted'", '"double"', "$HOME", "-dash", "semi;colon", "a.b.c", "percent%20", "[1]", "{a,b}",
    "star*", "back\\slash", "~tilde", "#hash", "long" + "x" * 180,
)  # fmt: skip
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class OddPicture:
    """A file, and what must become of it."""

    name: str
    data: bytes
    fate: str  # good | bad | either


def odd_pictures() -> Iterator[OddPicture]:
    """All of them; the same at every call."""
    kinds = list(KINDS.items())
    for seed in range(COUNT):
        rng = random.Random(seed)  # noqa: S311 - a test's draw
        kind, make = kinds[seed % len(kinds)]
        suffix, data, fate = make(rng)
        name = NAMES[(seed // len(kinds)) % len(NAMES)]
        yield OddPicture(f"{seed:03d} {kind} {name}.{suffix}", data, fate)


def drawing(rng, size=None):
    """Some strokes on white."""
    width, height = size or (rng.randint(20, 90), rng.randint(20, 90))
    pixels = np.full((height, width), 255, np.uint8)
    for _ in range(6):
        y, x = rng.randrange(height), rng.randrange(width)
        pixels[y : y + 2, x : x + width // 3] = rng.randrange(100)
        pixels[y : y + height // 3, x : x + 2] = rng.randrange(100)
    return Image.fromarray(pixels)


def encoded(picture, kind, **options):
    data = io.BytesIO()
    picture.save(data, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind.upper()), **options)
    return data.getvalue()


def good(kind, mode=None, **options):
    def make(rng):
        picture = drawing(rng)
        return kind, encoded(picture.convert(mode) if mode else picture, kind, **options), "good"

    return make


def truncated(rng):
    kind = rng.choice(["png", "jpg", "webp", "bmp", "tif"])
    data = encoded(drawing(rng, (64, 64)), kind)
    return kind, data[: int(len(data) * rng.uniform(0.05, 0.6))], "bad"


def bit_flipped(rng):
    kind = rng.choice(["png", "jpg", "webp", "bmp", "tif", "gif"])
    data = bytearray(encoded(drawing(rng), kind))
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return kind, bytes(data), "either"


def header_broken(rng):
    kind = rng.choice(["png", "jpg", "webp", "bmp", "gif"])
    return kind, bytes(8) + encoded(drawing(rng), kind)[8:], "bad"


def wrong_suffix(rng):
    inside, outside = rng.sample(["png", "jpg", "webp", "bmp"], 2)
    return outside, encoded(drawing(rng), inside), "good"


def garbage(rng):
    return rng.choice(["png", "jpg", "tif", "avif", "jp2", "pgm"]), rng.randbytes(500), "bad"


def text(rng):
    return rng.choice(["png", "bmp", "webp"]), b"<html>not found</html>" * rng.randint(1, 9), "bad"


def empty(rng):
    return rng.choice(["png", "jpg", "gif"]), b"", "bad"


def one_pixel(rng):
    """Nothing can be drawn on it."""
    return "png", encoded(Image.new("L", (1, 1), rng.randrange(256)), "png"), "bad"


def strip(rng):
    size = rng.choice([(20_000, 3), (3, 20_000), (1, 500)])
    return "png", encoded(Image.new("L", size, 255), "png"), "bad"


def sixteen_bits(rng):
    pixels = np.asarray(drawing(rng)).astype(np.uint16) * 257
    return rng.choice(["png", "tif"]), encoded(Image.fromarray(pixels), "png"), "good"


def with_alpha(rng):
    picture = drawing(rng).convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, rng.randrange(64, 256)))
    kind = rng.choice(["png", "webp", "tif"])
    return kind, encoded(picture, kind), "good"


def animated(rng):
    kind = rng.choice(["gif", "webp", "png"])
    frames = [drawing(rng, (40, 30)) for _ in range(4)]
    return kind, encoded(frames[0], kind, save_all=True, append_images=frames[1:]), "good"


def turned(rng):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = rng.randint(1, 8)
    kind = rng.choice(["jpg", "png", "webp", "tif"])
    return kind, encoded(drawing(rng), kind, exif=exif), "good"


def bomb(rng):
    """A small PNG that claims, and would unpack to, gigapixels."""
    side = rng.choice([30_000, 60_000, 2**31 - 1])

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(10**5))), chunk(b"IEND", b"")
    return "png", b"\x89PNG\r\n\x1a\n" + b"".join(parts), "bad"


def inverted(rng):
    return "png", encoded(Image.fromarray(255 - np.asarray(drawing(rng))), "png"), "good"


KINDS = {
    "truncated": truncated,
    "bit flipped": bit_flipped,
    "broken header": header_broken,
    "wrong suffix": wrong_suffix,
    "garbage": garbage,
    "text": text,
    "empty": empty,
    "one pixel": one_pixel,
    "strip": strip,
    "16 bit": sixteen_bits,
    "alpha": with_alpha,
    "animated": animated,
    "turned": turned,
    "bomb": bomb,
    "inverted": inverted,
    "cmyk": good("jpg", "CMYK"),
    "cmyk tiff": good("tif", "CMYK"),
    "palette": good("png", "P"),
    "one bit": good("bmp", "1"),
    "progressive": good("jpg", progressive=True),
    "lossless webp": good("webp", "RGB", lossless=True),
    "avif": good("avif", "RGB"),
    "grey": good("png", "L"),
}
