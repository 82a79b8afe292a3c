import contextlib

import numpy as np
import pytest

from sketchcli.data import prepared
from sketchcli.data.prepared import ShardedWriter
from sketchcli.errors import DataError


def draw(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def write(folder, pixels, *, shard_bytes=prepared.SHARD_BYTES):
    with contextlib.closing(ShardedWriter(folder, "photos", shard_bytes=shard_bytes)) as writer:
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


@pytest.mark.parametrize(("shard_bytes", "shards"), [(1, 7), (24, 7), (47, 7), (48, 4), (500, 1)])
def test_a_long_array_is_cut_and_reads_as_one(tmp_path, shard_bytes, shards):
    pixels = draw(7, 4, 2, 3)  # 24 bytes each
    write(tmp_path, pixels, shard_bytes=shard_bytes)
    assert len(list(tmp_path.iterdir())) == shards
    rows = prepared.read_array(tmp_path, "photos", row_shape=(4, 2, 3), count=7)
    assert rows.shape == pixels.shape
    assert len(rows) == 7
    np.testing.assert_array_equal(rows.take(range(7)), pixels)
    np.testing.assert_array_equal(rows.take([6, 0, 0, 3]), pixels[[6, 0, 0, 3]])
    np.testing.assert_array_equal(np.stack(list(rows)), pixels)
    np.testing.assert_array_equal(rows[-1], pixels[6])
    with pytest.raises(IndexError):
        rows[7]


def test_a_missing_shard_is_an_error_that_names_it(tmp_path):
    write(tmp_path, draw(7, 4, 2), shard_bytes=20)
    (tmp_path / "photos-3.npy").unlink()
    with pytest.raises(DataError, match=r"photos-3\.npy is damaged"):
        prepared.read_array(tmp_path, "photos", row_shape=(4, 2), count=7)


def test_too_many_pictures_are_an_error(tmp_path):
    write(tmp_path, draw(7, 4, 2))
    with pytest.raises(DataError, match="holds 7 images instead of 6"):
        prepared.read_array(tmp_path, "photos", row_shape=(4, 2), count=6)


def test_a_writer_takes_one_shape_and_uint8_only(tmp_path):
    writer = ShardedWriter(tmp_path, "a")
    writer.append(np.zeros((5, 4), np.uint8))
    with pytest.raises(DataError):
        writer.append(np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError):
        writer.append(np.zeros((5, 4), np.float32))
    writer.close()
    assert np.load(tmp_path / "a.npy").shape == (1, 5, 4)
