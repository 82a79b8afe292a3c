import struct
import zlib

import cv2
import numpy as np
import pytest

from sketchcli import images
from sketchcli.errors import DataError

LOSSLESS = [".png", ".bmp", ".tif", ".tiff", ".PNG"]
LOSSY = [".jpg", ".jpeg", ".webp"]
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG's colour types
RED, BLUE, WHITE, BLACK = [255, 0, 0], [0, 0, 255], [255] * 3, [0] * 3
COLOURED = dict.fromkeys([".avif", ".gif", ".jp2", ".ppm"], RED)
READ_ONLY = COLOURED | {".pgm": [100] * 3, ".pbm": WHITE}


def smooth_picture(height=24, width=32):
    """A gradient with another slope in each channel, so that no two channels may be swapped."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, 200 - x * 2 - y * 3], axis=2).astype(np.uint8)


def png_row(colour_type, depth, row, width, *chunks):
    """A PNG of one row, byte by byte (W3C PNG, section 5)."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def turned_jpeg(folder, pixels, orientation):
    """A JPEG with an EXIF segment that holds the orientation alone (CIPA DC-008)."""
    images.write(folder / "plain.jpg", pixels)
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    data = (folder / "plain.jpg").read_bytes()
    path = folder / "turned.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    return path


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_back_what_was_written(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    images.write(path, smooth_picture())
    np.testing.assert_array_equal(images.read_rgb(path), smooth_picture())


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_formats_come_close(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    images.write(path, smooth_picture())
    difference = images.read_rgb(path).astype(int) - smooth_picture()
    assert difference.shape == (24, 32, 3)
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize(("suffix", "colour"), READ_ONLY.items())
def test_other_formats_can_be_read(tmp_path, suffix, colour):
    path = tmp_path / f"picture{suffix}"
    is_grey = len(set(colour)) == 1
    pixels = np.full((64, 64), colour[0]) if is_grey else np.full((64, 64, 3), colour[::-1])
    path.write_bytes(cv2.imencode(suffix, pixels.astype(np.uint8))[1].tobytes())
    assert images.is_picture(path)
    found = images.read_rgb(path)
    assert found.shape == (64, 64, 3)
    assert np.abs(found - np.array(colour)).max() < 8


def test_every_format_is_tested():
    written = {suffix.lower() for suffix in LOSSLESS + LOSSY}
    assert written == images.WRITABLE
    assert written | set(READ_ONLY) == images.READABLE


def test_grey_pictures_are_read_as_grey_rgb(tmp_path):
    grey = smooth_picture()[:, :, 0]
    images.write(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "grey.png"), images.to_rgb(grey))
    np.testing.assert_array_equal(images.read_luma(tmp_path / "grey.png"), grey)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(png_row(RGB, 8, bytes(RED + BLUE), 2), [RED, BLUE], id="rgb"),
        pytest.param(png_row(GREY, 8, bytes([7, 9]), 2), [[7] * 3, [9] * 3], id="grey"),
        pytest.param(png_row(GREY, 1, b"\x40", 2), [BLACK, WHITE], id="one-bit"),
        pytest.param(
            png_row(GREY, 16, struct.pack(">HH", 100 * 257, 65535), 2),
            [[100] * 3, WHITE],
            id="grey-16-bit",
        ),
        pytest.param(
            png_row(GREY_ALPHA, 8, bytes([100, 255, 100, 0]), 2),
            [[100] * 3, WHITE],
            id="grey-alpha",
        ),
        pytest.param(
            png_row(RGBA, 8, bytes([*RED, 255, *RED, 0, *BLACK, 51]), 3),
            [RED, WHITE, [204] * 3],
            id="rgba",
        ),
        pytest.param(
            png_row(RGBA, 16, struct.pack(">4H", 65535, 0, 0, 13107), 1),
            [[255, 204, 204]],
            id="rgba-16-bit",
        ),
        pytest.param(
            png_row(PALETTE, 8, bytes([1, 0]), 2, (b"PLTE", bytes(RED + BLUE))),
            [BLUE, RED],
            id="palette",
        ),
        pytest.param(
            png_row(
                PALETTE, 8, bytes([0, 1]), 2, (b"PLTE", bytes(RED + BLUE)), (b"tRNS", b"\xff\0")
            ),
            [RED, WHITE],
            id="transparent-palette",
        ),
    ],
)
def test_every_kind_of_png_becomes_rgb_on_white(tmp_path, data, expected):
    (tmp_path / "a.png").write_bytes(data)
    pixels = images.read_rgb(tmp_path / "a.png")
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [expected]


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(1, 0), (3, 2), (6, -1), (8, 1)],  # quarter turns against the clock
)
def test_a_jpeg_is_turned_as_its_exif_says(tmp_path, orientation, turn):
    path = turned_jpeg(tmp_path, smooth_picture(), orientation)
    expected = np.rot90(images.read_rgb(tmp_path / "plain.jpg"), turn)
    np.testing.assert_array_equal(images.read_rgb(path), expected)


@pytest.mark.parametrize("name", ["żółw.png", "写真 1.jpg", "🙂✏️.webp", "two words.tif"])
def test_any_file_name_will_do(tmp_path, name):
    images.write(tmp_path / name, smooth_picture())
    assert images.read_rgb(tmp_path / name).shape == (24, 32, 3)
    assert images.is_picture(tmp_path / name)


@pytest.mark.parametrize("suffix", sorted(images.WRITABLE))
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"whole{suffix}"
    images.write(path, smooth_picture(128, 128))
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=f"cut{suffix}"):
        images.read_rgb(cut)


@pytest.mark.parametrize("content", [b"", b"\0", b"not a picture at all\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png"):
        images.read_rgb(tmp_path / "broken.png")


def test_a_missing_file_and_a_folder_are_errors_that_name_them(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name in ("missing.png", "folder.png"):
        with pytest.raises(DataError, match=name):
            images.read_rgb(tmp_path / name)


@pytest.mark.parametrize("name", ["picture.txt", "picture", "picture.gif"])
def test_an_unknown_suffix_is_not_written(tmp_path, name):
    with pytest.raises(DataError, match=name):
        images.write(tmp_path / name, smooth_picture())
    assert not (tmp_path / name).exists()


def test_hidden_files_and_other_files_are_no_pictures(tmp_path):
    names = ["a.png", "a.JPG", ".a.png", "._a.jpg", "a.txt", "png"]
    assert [n for n in names if images.is_picture(tmp_path / n)] == ["a.png", "a.JPG"]


def test_luma_weighs_the_channels():
    pure = np.array([[RED, [0, 255, 0], BLUE, WHITE]], np.uint8)
    assert images.luma(pure).tolist() == [[76, 150, 29, 255]]


def test_luma_is_within_a_level_of_the_formula(noise):
    rgb = noise(1, 64)[0]
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(images.luma(rgb) - exact).max() < 1
    every_grey = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(images.luma(images.to_rgb(every_grey)), every_grey)


def test_luma_takes_views_and_arrays_that_cannot_be_written(noise):
    rgb = noise(1, 64)[0]
    rgb.flags.writeable = False
    np.testing.assert_array_equal(images.luma(rgb[:, ::-1]), images.luma(rgb)[:, ::-1])
    np.testing.assert_array_equal(images.luma(rgb[3:9, 5:8]), images.luma(rgb)[3:9, 5:8])


def test_reducing_keeps_every_thin_stroke():
    sketch = np.full((128, 128), 255, np.uint8)
    columns = np.arange(2, 128, 9)[:14]
    sketch[:, columns] = 0
    reduced = images.resize(sketch, (32, 32))
    assert len(set(columns // 4)) == 14
    assert (reduced[:, columns // 4] < 200).all()


def test_a_wide_picture_keeps_every_thin_stroke_although_its_other_side_grows():
    sketch = np.full((100, 640), 255, np.uint8)
    columns = np.arange(2, 640, 9)  # at every place within the five columns that become one
    sketch[:, columns] = 0
    for wide, resized in [
        (sketch, images.resize(sketch, (128, 128))),
        (sketch.T, images.resize(sketch.T, (128, 128)).T),
    ]:
        assert wide.size == 64_000
        assert len(set(columns // 5)) == len(columns)
        assert np.abs(resized[:, columns // 5].astype(int) - 204).max() <= 1
        assert (np.delete(resized, columns // 5, axis=1) == 255).all()


@pytest.mark.parametrize("size", [(10, 7), (48, 64), (24, 32), (5, 90)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_resizing_gives_height_and_width(size, channels):
    pixels = smooth_picture() if channels else smooth_picture()[:, :, 0]
    resized = images.resize(pixels, size)
    assert resized.shape == (*size, *channels)
    assert resized.dtype == np.uint8


def test_resizing_neither_overshoots_nor_changes_a_flat_picture():
    edge = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1).repeat(16, axis=0)
    enlarged = images.resize(edge, (64, 64))
    assert enlarged[:, 0].max() == 0
    assert enlarged[:, -1].min() == 255
    assert set(images.resize(np.full((9, 9), 77, np.uint8), (20, 4)).flat) == {77}


def test_ranges_are_each_others_inverse():
    every = np.arange(256, dtype=np.uint8)
    values = images.to_model_range(every)
    assert values.dtype == np.float32
    assert (values.min(), values.max()) == (-1, 1)
    np.testing.assert_array_equal(images.from_model_range(values), every)


def test_the_way_back_clamps_where_uint8_would_wrap():
    values = np.array([-100, -1.01, 1.01, 100], np.float32)
    assert images.from_model_range(values).tolist() == [0, 0, 255, 255]


def test_a_sheet_shows_every_picture_in_its_place():
    red, blue = (np.full((2, 3, 3), colour, np.uint8) for colour in (RED, BLUE))
    sheet = images.sheet([[red, blue], [np.zeros((2, 3), np.uint8)]], gap=1)
    assert sheet.shape == (7, 9, 3)
    assert [sheet[y, x].tolist() for y, x in [(1, 1), (1, 5), (4, 1), (4, 5), (0, 0)]] == [
        RED,
        BLUE,
        BLACK,
        WHITE,
        WHITE,
    ]
