"""The alignment in closed forms, then the real networks on real faces."""

import numpy as np
import pytest
from conftest import extract, network_file

from sketchcli import images
from sketchcli.errors import DataError
from sketchcli.metrics import faces

# ---- the alignment


def test_similarity_transform_of_points_that_were_turned_scaled_and_shifted():
    angle, scale = 0.3, 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start = np.random.default_rng(0).uniform(0, 100, (5, 2))
    matrix = faces.similarity(start, start @ turn.T + [4, -9])
    np.testing.assert_allclose(matrix, np.hstack([turn, [[4], [-9]]]), atol=1e-9)


def test_similarity_transform_is_the_nearest_one():
    random = np.random.default_rng(0)
    start, end = random.uniform(0, 100, (2, 5, 2))
    best = faces.similarity(start, end)

    def error(matrix):
        return np.square(start @ matrix[:, :2].T + matrix[:, 2] - end).sum()

    for _ in range(50):
        a, b, x, y = random.normal(0, 0.01, 4)
        other = best + np.array([[a, -b, x], [b, a, y]])
        assert error(other) > error(best)


def test_a_file_that_is_not_the_network_is_named(tmp_path):
    (tmp_path / "sface.onnx").write_bytes(b"no network")
    for file in ("sface.onnx", "absent.onnx"):
        with pytest.raises(DataError, match=file) as caught:
            faces.load_faces(tmp_path / file)
        assert "fetch-data sface" in caught.value.hint


# ---- the real networks


@pytest.fixture(scope="session")
def networks():
    return {
        "yunet": network_file("face_detection_yunet_2023mar_int8bq.onnx"),
        "sface": network_file("face_recognition_sface_2021dec_int8bq.onnx"),
    }


def three(shared, size):
    """Photos of CUHK."""
    paths = sorted((shared / "cuhk-student" / "testing-photos").iterdir())[:3]
    return np.stack([images.resize(images.read_rgb(path), size) for path in paths])


def test_yunet_is_not_taken_for_sface(networks):
    with pytest.raises(DataError, match="not the network SFace"):
        faces.load_faces(networks["yunet"])


def test_faceless_photos_have_no_features(networks):
    blank = np.full((2, 64, 64, 3), 200, np.uint8)
    for features in extract(faces.EXTRACTOR, blank, blank, networks):
        assert features.shape == (2, faces.FEATURES)
        assert features.dtype == np.float32
        assert np.isnan(features).all()


def test_features_of_real_faces(shared, networks):
    """The place is the real photo's, for a picture of nothing too; neighbours change nothing."""
    real = three(shared, (128, 128))
    generated = real.copy()
    generated[1] = 128
    ours, theirs = extract(faces.EXTRACTOR, generated, real, networks)
    assert np.isfinite(ours).all()
    np.testing.assert_array_equal(ours[[0, 2]], theirs[[0, 2]])
    alone, _ = extract(faces.EXTRACTOR, generated[1:2], real[1:2], networks)
    np.testing.assert_array_equal(alone[0], ours[1])


def test_places_put_the_points_where_sface_wants_them(shared, networks):
    real = three(shared, (250, 200))
    for place in faces.Faces(networks).look(real):
        # CUHK's crops have the eyes at (75, 125) and (125, 125) of 200x250.
        eyes = np.array([[75, 125], [125, 125]]) * faces.LONGER_SIDE / 250
        moved = eyes @ place[:, :2].T + place[:, 2]
        np.testing.assert_allclose(moved, faces.CUT_POINTS[:2], atol=5)
