"""What is written can be read again, under any name."""

import numpy as np
import pytest

from sketchcli import file_kinds, images
from sketchcli.errors import DataError

LOSSLESS = [".png", ".bmp", ".tif", ".tiff", ".PNG"]
LOSSY = [".jpg", ".jpeg", ".webp"]


def smooth_picture(height=24, width=32):
    """A gradient with another slope in each channel, so that no two channels may be swapped."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, 200 - x * 2 - y * 3], axis=2).astype(np.uint8)


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


def test_every_format_is_tested():
    assert {suffix.lower() for suffix in LOSSLESS + LOSSY} == file_kinds.WRITABLE


def test_grey_pictures_are_read_as_grey_rgb(tmp_path):
    grey = smooth_picture()[:, :, 0]
    images.write(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "grey.png"), images.to_rgb(grey))
    np.testing.assert_array_equal(images.luma(images.read(tmp_path / "grey.png")), grey)


@pytest.mark.parametrize("name", ["żółw.png", "写真 1.jpg", "🙂✏️.webp", "two words.tif"])
def test_any_file_name_will_do(tmp_path, name):
    images.write(tmp_path / name, smooth_picture())
    assert images.read_rgb(tmp_path / name).shape == (24, 32, 3)
    assert file_kinds.is_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["picture.txt", "picture", "picture.gif"])
def test_an_unknown_suffix_is_not_written(tmp_path, name):
    with pytest.raises(DataError, match=name):
        images.write(tmp_path / name, smooth_picture())
    assert not (tmp_path / name).exists()
