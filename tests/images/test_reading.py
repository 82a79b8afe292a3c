"""images.read_rgb against Pillow: every format, kind of pixels and orientation."""

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from image_files import HEIGHT, LOSSY, WIDTH, png, rgb, save, tiff
from PIL import Image, ImageCms

from sketchcli import file_kinds, images
from sketchcli.errors import DataError

ORIENTATION = 0x0112
TURNED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: np.rot90(p, 2),
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
    8: lambda p: np.rot90(p, 1),
}


def alpha():
    opacity = np.tile(np.arange(WIDTH) * 4, (HEIGHT, 1))
    opacity[:8], opacity[8:16] = 0, 255
    return opacity.astype(np.uint8)


def drawn(mode):
    """A Pillow picture of each kind."""
    colour = Image.fromarray(rgb())
    if mode in {"RGBA", "LA"}:
        colour = colour.convert(mode.removesuffix("A"))
        colour.putalpha(Image.fromarray(alpha()))
        return colour
    return colour.quantize(64) if mode == "P" else colour.convert(mode)


def on_white(picture):
    """What Pillow makes of a picture, as floats."""
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return np.array(paper.convert("RGB")).astype(float)


def composite(colour, opacity):
    share = opacity[:, :, None] / 255
    return colour * share + 255 * (1 - share)


def distance(path, expected):
    found = images.read_rgb(path)
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert found.flags.c_contiguous
    return np.abs(found - np.asarray(expected, float)).max()


KINDS = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "webp": ["L", "LA", "P", "RGB", "RGBA"],
    "bmp": ["1", "L", "P", "RGB", "RGBA"],
    "tif": ["1", "L", "P", "RGB", "RGBA", "CMYK"],
    "gif": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "jp2": ["L", "RGB", "RGBA"],
    "avif": ["L", "LA", "RGB", "RGBA"],
    "heic": ["L", "RGB", "RGBA"],
    "heif": ["RGB"],
    "jpg": ["L", "RGB", "CMYK"],
    "pbm": ["1"],
    "pgm": ["L"],
    "ppm": ["RGB"],
}


@pytest.mark.parametrize(("suffix", "mode"), [(s, mode) for s in KINDS for mode in KINDS[s]])
def test_every_kind_of_every_format_is_read_as_pillow_reads_it(tmp_path, suffix, mode):
    path = save(drawn(mode), tmp_path / f"a.{suffix}")
    assert file_kinds.is_picture(path)
    with Image.open(path) as picture:
        expected = on_white(picture)
    assert distance(path, expected) <= (3 if suffix in LOSSY else 1)


@pytest.mark.parametrize(("suffix", "mode"), [(s, mode) for s in KINDS for mode in KINDS[s]])
def test_grey_stays_grey_and_is_the_same_as_in_colour(tmp_path, suffix, mode):
    path = save(drawn(mode), tmp_path / f"a.{suffix}")
    found, in_colour = images.read(path), images.read_rgb(path)
    if found.ndim == 2:
        assert mode in {"1", "L", "LA", "P"}
        np.testing.assert_array_equal(images.to_rgb(found), in_colour)
        np.testing.assert_array_equal(images.luma(images.read(path)), found)
    else:
        assert mode != "L" or suffix in {"webp", "avif", "gif"}  # which hold colours or a palette
        np.testing.assert_array_equal(found, in_colour)


def test_a_grey_jpeg_is_known_by_its_frame_header_wherever_that_is(tmp_path):
    data = save(drawn("L"), tmp_path / "a.jpg").read_bytes()
    comment = b"\xff\xfe\x00\x0a" + b"\xff\xc0\x00\x11\x08\x00\x00\x00"  # looks like a frame
    for between in (b"", comment, b"\xff\xff", comment + b"\xff" + comment):
        spread = data[:2] + between + data[2:]
        assert images.decode(spread, name="a.jpg").shape == (HEIGHT, WIDTH)
    colour = save(drawn("RGB"), tmp_path / "b.jpg", progressive=True).read_bytes()
    for between in (b"", comment):
        spread = colour[:2] + between + colour[2:]
        assert images.decode(spread, name="b.jpg").shape == (HEIGHT, WIDTH, 3)


def test_every_readable_suffix_is_tried():
    others = {".jpeg", ".tiff"}
    assert {f".{suffix}" for suffix in KINDS} | others == file_kinds.READABLE


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "webp", "avif", "tif", "jpg"])
def test_every_orientation_is_obeyed_and_alpha_kept(tmp_path, suffix, mode, orientation):
    if (suffix, mode) == ("jpg", "RGBA"):
        mode = "CMYK"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = drawn(mode)
    path = save(picture, tmp_path / f"a.{suffix}", exif=exif)
    assert distance(path, TURNED[orientation](on_white(picture))) <= (4 if suffix in LOSSY else 1)


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_a_webp_is_found_behind_a_profile_and_in_both_byte_orders(tmp_path, prefix, order):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}IHHHIHH", 8, 1, ORIENTATION, 3, 1, 6, 0) + bytes(4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.webp"
    save(drawn("RGB"), path, exif=prefix + mark + entry, icc_profile=profile)
    assert distance(path, TURNED[6](rgb())) <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert distance(save(drawn("RGB"), tmp_path / "a.png", exif=exif), rgb()) == 0


@pytest.mark.parametrize(
    "exif", [b"", b"MM\0*", b"II*\0\xff\xff\xff\x7f", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_metadata_do_no_harm(tmp_path, exif):
    rows = [row.tobytes() for row in rgb()]
    (tmp_path / "a.png").write_bytes(png(2, 8, rows, (b"eXIf", exif)))
    assert distance(tmp_path / "a.png", rgb()) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", ["u1", "u2"])
@pytest.mark.parametrize(("extra", "is_alpha"), [(None, False), (0, False), (1, True), (2, True)])
def test_the_fourth_channel_of_a_tiff_is_what_its_tag_says(tmp_path, order, depth, extra, is_alpha):
    colour = composite(rgb(), alpha()) - composite(np.zeros_like(rgb()), alpha())
    colour = np.rint(colour) if extra == 1 else rgb()  # 1: multiplied by alpha already
    pixels = np.dstack([colour, alpha()]).astype(depth) * (257 if depth == "u2" else 1)
    tags = {262: [2]} | ({} if extra is None else {338: [extra]})
    (tmp_path / "a.tif").write_bytes(tiff(order, 4, pixels, tags))
    expected = composite(rgb(), alpha()) if is_alpha else rgb()
    assert distance(tmp_path / "a.tif", expected) <= 2


def test_transparent_grey_becomes_white_at_every_depth(tmp_path):
    key, other = 5, 6
    for depth in (1, 2, 4, 8, 16):
        top = 2**depth - 1
        values = [min(key, top), min(other, top) if depth > 1 else 0]
        if depth == 16:
            values = [12345, 12346]
        pixel = "".join(format(value, f"0{depth}b") for value in values * 8)
        row = int(pixel, 2).to_bytes(len(pixel) // 8, "big")
        transparent = (b"tRNS", struct.pack(">H", values[0]))
        (tmp_path / "a.png").write_bytes(png(0, depth, [row], transparent))
        found = images.read_rgb(tmp_path / "a.png")[0, :, 0]
        kept = round(values[1] * 255 / top)
        assert found.tolist() == [255, kept] * 8, depth


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_becomes_white(tmp_path, depth):
    scale = 257 if depth == 16 else 1  # in 16 bits, the nearest colours count as the same
    key, other = [200 * scale, 100 * scale, 50 * scale], [200 * scale, 100 * scale, 51 * scale]
    row = np.array([key, other], ">u2" if depth == 16 else "u1")
    transparent = (b"tRNS", struct.pack(">HHH", *key))
    (tmp_path / "a.png").write_bytes(png(2, depth, [row.tobytes()], transparent))
    kept = [round(value * 255 / (2**depth - 1)) for value in other]
    assert images.read_rgb(tmp_path / "a.png").tolist() == [[[255] * 3, kept]]


RED, PALETTE = b"\xff\0\0", (b"PLTE", b"\xff\0\0\0\0\xff")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            png(6, 8, [RED + b"\xff" + RED + b"\0" + bytes(3) + b"\x33"]),
            [RED, b"\xff" * 3, b"\xcc" * 3],
        ),
        (png(6, 16, [struct.pack(">4H", 65535, 0, 0, 13107)]), [b"\xff\xcc\xcc"]),
        (png(3, 8, [b"\0\1"], PALETTE, (b"tRNS", b"\0")), [b"\xff" * 3, b"\0\0\xff"]),
    ],
    ids=["8 bits", "16 bits", "palette"],
)
def test_the_alpha_of_a_png_is_laid_on_white(data, expected):
    assert images.decode(data, name="a.png").tolist() == [[list(pixel) for pixel in expected]]


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_avif_of_more_bits_is_as_bright_as_one_of_eight(tmp_path, bits, channels):
    pixels = rgb()[:, :, ::-1] if channels == 3 else rgb()[:, :, 0]
    deep = np.rint(pixels / 255 * (2**bits - 1)).astype(np.uint16)
    options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 98]
    (tmp_path / "a.avif").write_bytes(cv2.imencode(".avif", deep, options)[1].tobytes())
    expected = rgb() if channels == 3 else images.to_rgb(rgb()[:, :, 0])
    assert np.abs(images.read_rgb(tmp_path / "a.avif").astype(float) - expected).mean() < 3


@pytest.mark.parametrize("largest", [1, 15, 100, 255, 1023, 65535])
@pytest.mark.parametrize("kind", [b"P2", b"P3", b"P5", b"P6"])
def test_a_pnm_is_read_in_its_own_range(tmp_path, kind, largest):
    pixels = rgb() if kind in {b"P3", b"P6"} else rgb()[:, :, 0]
    values = np.rint(pixels / 255 * largest).astype(">u2" if largest > 255 else "u1")
    header = b"%s\n# by hand\n%d %d # two numbers\n%d\n" % (kind, WIDTH, HEIGHT, largest)
    plain = b" ".join(b"%d" % value for value in values.ravel())
    (tmp_path / "a.ppm").write_bytes(header + (plain if kind < b"P4" else values.tobytes()))
    expected = images.to_rgb(np.rint(values.astype(float) / largest * 255).astype(np.uint8))
    assert distance(tmp_path / "a.ppm", expected) <= 1


def with_adobe_marker(data, transform):
    """Change the colour transform that a JPEG says it has; None: say nothing."""
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    segment = b"" if transform is None else data[start : end - 1] + bytes([transform])
    return data[:start] + segment + data[end:]


@pytest.mark.parametrize("transform", [0, 2, None], ids=["cmyk", "ycck", "cmyk-without-marker"])
def test_four_inks_of_a_jpeg_are_read_as_pillow_reads_them(tmp_path, transform):
    inks = 255 - np.dstack([rgb(), np.full((HEIGHT, WIDTH), 230, np.uint8)])
    if transform == 2:  # Pillow inverts what it stores; YCbCr stands for inks here
        stored = Image.fromarray(np.ascontiguousarray(inks[:, :, :3])).convert("YCbCr")
        inks[:, :, :3] = 255 - np.array(stored)
    path = save(Image.fromarray(inks, "CMYK"), tmp_path / "a.jpg")
    path.write_bytes(with_adobe_marker(path.read_bytes(), transform))
    with Image.open(path) as picture:
        expected = np.array(picture.convert("RGB"))
    assert distance(path, expected) <= 3
    if transform is not None:
        assert np.abs(expected - rgb() * (230 / 255)).max() < 12


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 2}, {"keep_rgb": True}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_other_ways_to_write_a_jpeg_make_no_difference(tmp_path, mode, options):
    path = tmp_path / "a.jpg"
    drawn(mode).save(path, quality=98, **options)
    assert distance(path, on_white(drawn(mode))) <= 12


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tif"])
def test_of_several_frames_the_first_is_read(tmp_path, suffix):
    second = Image.new("RGB", (WIDTH, HEIGHT), "red")
    path = tmp_path / f"a.{suffix}"
    first = drawn("P").convert("RGB") if suffix == "png" else drawn("P")
    save(first, path, save_all=True, append_images=[second])
    assert distance(path, on_white(drawn("P"))) <= 1
    notes = []
    images.read(path, notes=notes)
    assert notes == ["has several frames or pages: only the first is used"]
    images.read(save(drawn("P"), path), notes=notes)
    assert len(notes) == 1


@pytest.mark.parametrize("inside", ["png", "webp", "jpg", "gif", "tif", "bmp"])
@pytest.mark.parametrize("outside", ["jpg", "png"])
def test_what_is_inside_counts_and_not_the_name(tmp_path, inside, outside):
    path = save(drawn("L"), tmp_path / f"a.{inside}")
    path = path.rename(tmp_path / f"b.{outside}")
    assert distance(path, on_white(drawn("L"))) <= 3


@pytest.mark.parametrize(
    ("pixels", "tags", "reason"),
    [
        pytest.param((rgb()[:, :, 0] / 255).astype("f4"), {262: [1]}, "32-bit pixels", id="float"),
        pytest.param(rgb()[:, :, 0].astype("u4"), {262: [1]}, "32-bit pixels", id="32-bit"),
        pytest.param(rgb()[:, :, :2].astype("u2"), {262: [1], 338: [1]}, "rare", id="alpha-16"),
    ],
)
def test_pixels_that_cannot_be_read_are_an_error(tmp_path, pixels, tags, reason):
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    (tmp_path / "a.tif").write_bytes(tiff("<", samples, pixels, tags))
    with pytest.raises(DataError, match=rf"a\.tif .*{reason}") as caught:
        images.read_rgb(tmp_path / "a.tif")
    assert "save it" in caught.value.hint


def test_the_second_channel_of_a_grey_tiff_is_its_alpha(tmp_path):
    pixels = np.dstack([rgb()[:, :, 0], alpha()])
    (tmp_path / "a.tif").write_bytes(tiff("<", 2, pixels, {262: [1], 338: [2]}))
    expected = composite(rgb()[:, :, :1].repeat(3, axis=2), alpha())
    assert distance(tmp_path / "a.tif", expected) <= 2


def profile(kind, **tags):
    """An ICC profile of version 2: `kind` is `RGB ` or `GRAY`; each tag is XYZ or a gamma."""

    def content(value):
        if isinstance(value, tuple):
            return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in value))
        return b"curv" + struct.pack(">IIHH", 0, 1, round(value * 256), 0)

    contents = [(name, content(value)) for name, value in tags.items()]
    table, data, place = struct.pack(">I", len(contents)), b"", 132 + 12 * len(contents)
    for name, value in contents:
        table += name.encode().ljust(4) + struct.pack(">II", place + len(data), len(value))
        data += value
    start = bytes(4) + struct.pack(">I", 0x02100000) + b"mntr" + kind + b"XYZ " + bytes(12)
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50
    header = (start + b"acsp" + bytes(28) + white).ljust(124, b"\0")
    return struct.pack(">I", len(header) + 4 + len(table + data)) + header + table + data


# White, and the primaries of sRGB, adapted to D50.
WHITE, BLUE = (0.9642, 1.0, 0.8249), (0.1431, 0.0606, 0.7141)
RED, GREEN = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971)
CURVES = {"rTRC": 1.0, "gTRC": 1.0, "bTRC": 1.0}
# Linear light, and the primaries red and green exchanged.
EXCHANGED = profile(b"RGB ", wtpt=WHITE, rXYZ=GREEN, gXYZ=RED, bXYZ=BLUE, **CURVES)
LINEAR_GREY = profile(b"GRAY", wtpt=WHITE, kTRC=1.0)


def encoded(linear):
    """Linear light, 0 to 255, as sRGB (IEC 61966-2-1)."""
    light = np.asarray(linear) / 255
    low = light <= 0.0031308
    return 255 * np.where(low, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg", "avif", "heic"])
def test_an_icc_profile_is_converted_to_srgb(tmp_path, suffix, mode):
    picture = drawn("RGB" if suffix == "jpg" else mode)
    path = save(picture, tmp_path / f"a.{suffix}", icc_profile=EXCHANGED)
    expected = encoded(rgb()[:, :, [1, 0, 2]])
    if picture.mode == "RGBA":
        expected = composite(expected, alpha())
    found = images.read(path)
    if suffix in LOSSY:  # linear light has few levels in the dark
        assert np.abs(found - expected).mean() <= 4
    else:
        assert distance(path, expected) <= 2


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_grey_image_with_a_profile_stays_grey(tmp_path, suffix):
    path = save(drawn("L"), tmp_path / f"a.{suffix}", icc_profile=LINEAR_GREY)
    with Image.open(path) as picture:
        expected = encoded(np.array(picture))
    found = images.read(path)
    assert found.shape == (HEIGHT, WIDTH)
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize(
    "icc", [b"", b"nonsense" * 30, LINEAR_GREY, EXCHANGED[:200], "sRGB"], ids=range(5)
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_srgb_damaged_and_unfit_profiles_change_nothing(tmp_path, suffix, icc):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = save(drawn("RGB"), tmp_path / f"a.{suffix}")
    path = save(drawn("RGB"), tmp_path / f"b.{suffix}", icc_profile=srgb if icc == "sRGB" else icc)
    np.testing.assert_array_equal(images.read(path), images.read(plain))


@pytest.mark.parametrize(
    ("chunks", "gamma"),
    [
        ([(b"gAMA", struct.pack(">I", 100_000))], 1.0),
        ([(b"gAMA", struct.pack(">I", 55_556))], 1 / 1.8),
        ([(b"gAMA", struct.pack(">I", 45_455))], 1 / 2.2),
        ([(b"gAMA", struct.pack(">I", 0))], 1 / 2.2),
        ([(b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")], 1 / 2.2),
    ],
)
def test_the_gamma_of_a_png_is_obeyed(tmp_path, chunks, gamma):
    rows = [row.tobytes() for row in rgb()]
    (tmp_path / "a.png").write_bytes(png(2, 8, rows, *chunks))
    assert distance(tmp_path / "a.png", 255 * (rgb() / 255) ** (1 / 2.2 / gamma)) <= 1
    (tmp_path / "b.png").write_bytes(png(0, 8, [row[::3] for row in rows], *chunks))
    grey = images.to_rgb(rgb()[:, :, 0])
    assert distance(tmp_path / "b.png", 255 * (grey / 255) ** (1 / 2.2 / gamma)) <= 1


@pytest.mark.parametrize("suffix", sorted(KINDS))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_cut_file_is_an_error_in_one_line(tmp_path, suffix, share):
    """Noise, so that no format can hold it in its first half."""
    y, x = np.mgrid[:128, :128]
    noisy = Image.fromarray(((x * 7919 + y * 104729) % 251).astype(np.uint8))
    path = save(noisy.convert(KINDS[suffix][0]), tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"a\.{suffix}") as caught:
        images.read_rgb(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\0", "is not a readable image"),
        (b"not a picture at all\n", "is a text file"),
        (b"\xff\xd8\xff", "is damaged"),
        (b"\n <!DOCTYPE html><html>not found</html>", "is a web page"),
        (b"\xef\xbb\xbf<html>", "is a web page"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "is a PDF"),
        (b"PK\3\4" + bytes(40), "ZIP archive"),
        (b"8BPS\0\1", "Photoshop"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
    ],
)
def test_what_is_no_image_is_an_error_that_says_what_it_is(tmp_path, content, said):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"broken\.png .*{said}") as caught:
        images.read_rgb(tmp_path / "broken.png")
    assert caught.value.hint


def test_a_heic_image_needs_a_package_that_the_error_names(tmp_path, monkeypatch):
    path = save(drawn("RGB"), tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r"a\.heic .*pillow-heif") as caught:
        images.read(path)
    assert "pipx inject sketch2img pillow-heif" in caught.value.hint


def test_a_missing_file_and_a_folder_are_errors_that_name_them(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png"):
        with pytest.raises(DataError, match=name):
            images.read_rgb(tmp_path / name)


@pytest.mark.parametrize("side", [12_000, 20_000, 2**31 - 1])
def test_a_small_file_that_claims_to_be_huge_is_an_error(side):
    bomb = png(0, 8, [bytes(8)], size=(side, side))
    with pytest.raises(DataError, match=r"pixels\) would take .* of memory"):
        images.decode(bomb, name="bomb.png")


def test_pillow_is_silent_about_damaged_metadata(tmp_path):
    rows = [row.tobytes() for row in rgb()]
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 8, rows, (b"eXIf", b"MM\0*\0\0\0\x08\xff\xff")))
    program = "import sys; from pathlib import Path; from sketchcli import images\n"
    program += "images.read_rgb(Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
