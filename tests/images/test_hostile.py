"""Small files that would take much, files of other kinds, and drawings that are all alpha."""

import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from image_files import png, rgb, save, tiff
from PIL import Image

from sketchcli import images
from sketchcli.errors import DataError

MEASURE = """
import sys
from pathlib import Path
from sketchcli import images

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

images.read(Path(sys.argv[1]))
for file in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    height, width = images.read(Path(file)).shape[:2]
    print((status("VmHWM") - before) / (height * width))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_an_image_takes_at_most_twelve_bytes_a_pixel(tmp_path):
    """The small files first, so that the libraries are loaded."""
    paths = []
    for size in ((64, 64), (1500, 1500)):
        colour = Image.new("RGBA", size, (200, 100, 50, 128))
        colour.paste((1, 2, 3, 255), (0, 0, 9, 9))
        for suffix in ("png", "webp", "tif"):
            options = {"compression": "tiff_lzw"} if suffix == "tif" else {}
            paths.append(save(colour, tmp_path / f"{size[0]}.{suffix}", **options))
        palette = colour.convert("RGB").quantize(16)
        paths.append(save(palette, tmp_path / f"{size[0]}.gif", transparency=0))
    command = [sys.executable, "-c", MEASURE, paths[0], *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    taken = [float(line) for line in done.stdout.split()][len(paths) // 2 :]
    assert max(taken) <= 12, dict(zip(paths[len(paths) // 2 :], taken, strict=True))


def test_a_file_that_takes_long_is_refused():
    stream = b"P1 1000 1000 " + b"#\n" * 20_000
    with pytest.raises(DataError, match="comments"):
        images.decode(stream, name="slow.pbm")


def j2k(side, count):
    """A JPEG 2000 file with tiles of one pixel; the header that Pillow reads says RGB."""

    def box(kind, data):
        return struct.pack(">I", 8 + len(data)) + kind + data

    sizes = struct.pack(">HHIIIIIIIIH", 38 + 3 * count, 0, side, side, 0, 0, 1, 1, 0, 0, count)
    stream = b"\xff\x4f\xff\x51" + sizes + b"\7\1\1" * count
    header = box(b"ihdr", struct.pack(">IIHBBBB", side, side, 3, 7, 7, 0, 0))
    header += box(b"colr", b"\1\0\0\0\0\0\x10")
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header)
    return start + box(b"free", b"") + box(b"jp2c", stream)


@pytest.mark.parametrize(("side", "count"), [(255, 3), (10, 16384)])
def test_the_tiles_of_a_jpeg_2000_take_no_memory_of_their_own(side, count):
    with pytest.raises(DataError, match="too many tiles"):
        images.decode(j2k(side, count), name="a.jp2")


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path):
    path = save(Image.new("RGB", (3000, 3000), "red"), tmp_path / "a.jpg", progressive=True)
    data = path.read_bytes()
    scan = data[data.rfind(b"\xff\xda") : -2]
    with pytest.raises(DataError, match="scans"):
        images.decode(data[:-2] + 2000 * scan + data[-2:], name="a.jpg")


def test_a_shape_can_be_refused_before_anything_is_decoded():
    def check(width, height):
        raise DataError(f"{width}x{height}")

    with pytest.raises(DataError, match="1000000x100"):
        images.decode(png(0, 8, [bytes(8)], size=(10**6, 100)), name="strip.png", check=check)


OTHERS = {
    "Krita": b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-krita",
    "Procreate": b"PK\3\4" + bytes(26) + b"Document.archive",
    "OpenRaster": b"PK\3\4" + bytes(26) + b"mimetypeimage/openraster",
    "Office": b"PK\3\4" + bytes(26) + b"[Content_Types].xml",
    "GIMP": b"gimp xcf v011\0",
    "Clip Studio": b"CSFCHUNK" + bytes(16),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
    "icon": b"\0\0\1\0\1\0\x20\x20",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "video": b"\0\0\0\x18ftypmp42" + bytes(16),
    "camera's RAW": b"II*\0\x10\0\0\0CR\2\0" + bytes(99),
    "DICOM": bytes(128) + b"DICM" + bytes(9),
    "HDR": b"v/1\1\2\0\0\0",
    "TGA": bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 9, 0, 24, 0]),
    "gzip": b"\x1f\x8b\x08\0",
    "archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "program": b"\x7fELF\2\1\1\0",
    "shortcut": b"L\0\0\0\1\x14\2\0" + bytes(9),
    "iCloud": b"bplist00\xd4\1",
    "JSON": b'{"error": "not found"}',
    "text": "r\u00e9sum\u00e9".encode("utf-16"),
    "zeros": bytes(500),
    "SVG": b"<!-- drawn by hand --><svg viewBox='0 0 9 9'/>",
}


@pytest.mark.parametrize("said", OTHERS)
def test_a_file_of_another_kind_is_named(said):
    with pytest.raises(DataError, match=f"a.png is .*{said}") as caught:
        images.decode(OTHERS[said], name="a.png")
    assert caught.value.hint


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp"])
def test_a_file_that_ends_too_early_is_told_from_a_damaged_one(tmp_path, suffix):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8))
    data = save(noisy, tmp_path / f"a.{suffix}").read_bytes()
    with pytest.raises(DataError, match="ends too early"):
        images.decode(data[: len(data) // 2], name="a")


def test_a_tiff_of_32_bit_colours_says_so(tmp_path):
    data = tiff("<", 3, (rgb() / 255).astype("f4"), {262: [2]})
    with pytest.raises(DataError, match="32-bit pixels"):
        images.decode(data, name="a.tif")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    found = []

    def read():
        try:
            images.read(tmp_path / "a.png")
        except DataError as error:
            found.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(5)
    assert found
    assert "named pipe" in found[0].message


def test_libraries_write_nothing_about_damage(tmp_path):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    jpeg = bytearray(save(noisy, tmp_path / "a.jpg").read_bytes())
    jpeg[len(jpeg) // 2 : len(jpeg) // 2 + 40] = bytes(40)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    path = save(noisy, tmp_path / "a.tif", compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)
    program = "import sys\nfrom pathlib import Path\nfrom sketchcli import images\n"
    program += "for file in sys.argv[1:]:\n try: images.read(Path(file))\n except Exception: pass\n"
    command = [sys.executable, "-c", program, tmp_path / "a.jpg", path]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stderr == ""


def drawn_in_alpha(colour, *, is_multiplied=False):
    """A cross whose edges fade out."""
    alpha = np.zeros((60, 50), np.uint8)
    alpha[28:32], alpha[:, 20:24] = 255, 255
    alpha[27], alpha[32] = 120, 120
    pixels = np.zeros((60, 50, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, alpha
    if is_multiplied:
        pixels[..., :3] = pixels[..., :3] * (alpha[..., None] / 255)
    return pixels, alpha


@pytest.mark.parametrize("is_multiplied", [False, True])
@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 240, 120), (0, 0, 0)])
def test_strokes_on_transparent_ground_become_black_on_white(tmp_path, colour, is_multiplied):
    pixels, alpha = drawn_in_alpha(colour, is_multiplied=is_multiplied)
    for suffix in ("png", "webp", "tif"):
        path = save(Image.fromarray(pixels), tmp_path / f"a.{suffix}")
        assert (
            np.abs(images.luma(images.read(path)).astype(int) - (255 - alpha.astype(int))).max()
            <= 1
        )


def test_holes_in_a_white_page_are_its_drawing(tmp_path):
    pixels, alpha = drawn_in_alpha((255, 255, 255))
    pixels[..., 3] = 255 - alpha
    path = save(Image.fromarray(pixels), tmp_path / "a.png")
    assert np.array_equal(images.luma(images.read(path)), 255 - alpha)


def test_a_cut_out_photo_is_put_on_white(tmp_path):
    pixels, alpha = drawn_in_alpha((255, 255, 255))
    pixels[..., 0] = np.arange(50) * 5
    found = images.read_rgb(save(Image.fromarray(pixels), tmp_path / "a.png"))
    assert (found[alpha == 0] == 255).all()
    assert np.array_equal(found[30, :, 0], pixels[30, :, 0])


@pytest.mark.parametrize("level", [0, 255])
def test_an_even_opaque_page_stays_as_it_is(level):
    page = np.full((20, 20, 4), level, np.uint8)
    page[..., 3] = 255
    rows = [row.tobytes() for row in page]
    assert (images.decode(png(6, 8, rows), name="a.png") == level).all()


def test_a_camera_raw_photo_is_not_read_as_its_preview():
    data = tiff("<", 3, rgb(), {262: [2], 50706: [1]})
    with pytest.raises(DataError, match="RAW photo"):
        images.decode(data, name="a.dng")
