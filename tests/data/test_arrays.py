import contextlib

import numpy as np
import pytest

from sketchcli.data import prepared
from sketchcli.data.prepared import ArrayWriter
from sketchcli.errors import DataError


def draw(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def write(folder, pixels):
    with contextlib.closing(ArrayWriter(folder / "photos.npy")) as writer:
        for picture in pixels:
            writer.append(picture)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 8, 8), (3, 46, 50, 3), (1200, 3, 2), (2, 1024, 1, 3), (1, 10_000, 3)]
)
@pytest.mark.parametrize("mode", [None, "r"])
def test_what_is_appended_is_what_numpy_loads(tmp_path, shape, mode):
    pixels = draw(*shape)
    write(tmp_path, pixels)
    loaded = np.load(tmp_path / "photos.npy", mmap_mode=mode, allow_pickle=False)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, pixels)


def test_a_picture_that_is_a_view_is_written_as_it_looks(tmp_path):
    turned = draw(3, 4, 5).transpose(0, 2, 1)
    for number, view in enumerate((turned, turned[:, ::-1])):
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number), view)
        np.testing.assert_array_equal(np.load(tmp_path / str(number) / "photos.npy"), view)


def test_an_array_is_read_as_it_was_written(tmp_path):
    pixels = draw(7, 4, 2, 3)
    write(tmp_path, pixels)
    rows = prepared.read_array(tmp_path / "photos.npy", row_shape=(4, 2, 3), count=7)
    assert rows.shape == pixels.shape
    np.testing.assert_array_equal(rows, pixels)


def test_too_many_pictures_are_an_error(tmp_path):
    write(tmp_path, draw(7, 4, 2))
    with pytest.raises(DataError, match="holds 7 images instead of 6"):
        prepared.read_array(tmp_path / "photos.npy", row_shape=(4, 2), count=6)


def test_a_writer_takes_one_shape_and_uint8_only(tmp_path):
    writer = ArrayWriter(tmp_path / "a.npy")
    writer.append(np.zeros((5, 4), np.uint8))
    with pytest.raises(DataError):
        writer.append(np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError):
        writer.append(np.zeros((5, 4), np.float32))
    writer.close()
    assert np.load(tmp_path / "a.npy").shape == (1, 5, 4)
