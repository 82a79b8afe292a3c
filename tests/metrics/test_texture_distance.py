import cv2
import numpy as np
import pytest
from conftest import extract
from metrics.references import drawn, spoiled

from sketchcli.errors import DataError
from sketchcli.metrics import texture


def distance(generated, real):
    return texture.texture_distance(*extract(texture.EXTRACTOR, generated, real))


@pytest.fixture
def faces():
    """Twelve pictures that are alike in kind, not in detail."""
    whole = drawn(96, 96)
    return np.stack([np.roll(whole[i : i + 64, i : i + 64], i, axis=1) for i in range(0, 24, 2)])


def root_of(matrix):
    """The square root of a product of covariances, by its eigenvalues."""
    values, vectors = np.linalg.eig(matrix)
    return (vectors * np.sqrt(values.astype(complex))) @ np.linalg.inv(vectors)


def test_it_is_the_frechet_distance_with_its_matrix_square_root():
    random = np.random.default_rng(0)
    first = random.standard_normal((200, 6)) @ random.standard_normal((6, 6))
    second = random.standard_normal((150, 6)) @ random.standard_normal((6, 6)) + 1
    one, two = np.cov(first.T), np.cov(second.T)
    offset = first.mean(axis=0) - second.mean(axis=0)
    expected = offset @ offset + np.trace(one + two - 2 * root_of(one @ two)).real
    assert texture.texture_distance(first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_sets_of_one_shape_are_as_far_apart_as_their_means(offset):
    features = np.random.default_rng(0).standard_normal((30, 4))
    found = texture.texture_distance(features + offset, features)
    assert found == pytest.approx(4 * offset**2, abs=1e-9)


def test_fewer_pictures_than_features_are_no_hindrance():
    """In one dimension: (m1 - m2)² + (s1 - s2)², whatever constant features stand beside it."""
    first, second = np.zeros((3, 38)), np.zeros((4, 38))
    first[:, 5], second[:, 5] = (1, 2, 3), (10, 10, 14, 14)
    expected = (2 - 12) ** 2 + (1 - np.sqrt(16 / 3)) ** 2
    assert texture.texture_distance(first, second) == pytest.approx(expected)


def test_more_rows_than_a_block_are_the_same_rows():
    features = np.random.default_rng(0).standard_normal((5000, 3))
    other = features[:10] * 2
    rolled = np.roll(features, 1234, axis=0)
    assert texture.texture_distance(rolled, features) == pytest.approx(0, abs=1e-9)
    assert texture.texture_distance(features, other) == pytest.approx(
        texture.texture_distance(other, rolled)
    )


def test_equal_sets_have_no_distance_whatever_their_order(faces):
    assert distance(faces[::-1], faces) == pytest.approx(0, abs=1e-6)


def test_it_grows_with_blur_and_with_noise(faces):
    blurred = [np.stack([cv2.GaussianBlur(f, (0, 0), s) for f in faces]) for s in (0.7, 1.5, 3)]
    random = np.random.default_rng(0)
    noisy = [
        np.clip(faces + s * random.standard_normal(faces.shape), 0, 255).astype(np.uint8)
        for s in (5, 20, 60)
    ]
    for worse in (blurred, noisy):
        near, middle, far = (distance(photos, faces) for photos in worse)
        assert 0 < near < middle < far


def test_it_sees_colour(faces):
    assert distance(faces[..., ::-1], faces) > 0.1


def test_a_picture_has_its_features_in_any_company(faces):
    together = texture.describe(faces)
    assert together.shape == (12, 38)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(texture.describe(faces[3:5]), together[3:5])


def test_a_stripe_is_found_at_its_wavelength_and_direction():
    x = np.arange(96)
    stripes = np.uint8(100 + 50 * np.cos(2 * np.pi * x / 12))[None, :, None] * np.ones(
        (96, 1, 3), np.uint8
    )
    strengths = texture.describe(stripes[None])[0, :16].reshape(4, 4)
    assert np.unravel_index(strengths.argmax(), (4, 4)) == (0, 1)


def test_pictures_of_another_kind_are_further_away(faces):
    spoilt = np.stack([spoiled(face) for face in faces])
    flat = np.full_like(faces, 128)
    assert distance(flat, faces) > distance(spoilt, faces) > distance(faces[:6], faces[6:])


def test_one_picture_has_no_distribution(faces):
    with pytest.raises(DataError, match="two or more images"):
        distance(faces[:1], faces)
