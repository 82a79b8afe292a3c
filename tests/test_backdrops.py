"""The studio backdrop, on a sitter painted before stripes, whose outline is known."""

import cv2
import numpy as np
import pytest

from sketchcli.portraits import backdrop

EYES = np.array([[48, 64], [80, 64]], np.float32)
CORNERS = np.s_[:30, :20]


@pytest.fixture(scope="module")
def outline():
    """Where the sitter is, `(160, 128)`."""
    mask = np.zeros((160, 128), np.uint8)
    cv2.ellipse(mask, (64, 66), (36, 56), 0, 0, 360, 1, -1)
    body = [[46, 110], [82, 110], [127, 126], [127, 159], [0, 159], [0, 126]]
    cv2.fillPoly(mask, [np.array(body)], 1)
    return mask.astype(bool)


@pytest.fixture(scope="module")
def photo(outline):
    """A sitter in skin and grey before red, white and blue stripes."""
    stripes = np.array([[170, 40, 50], [235, 235, 240], [40, 60, 140]], np.uint8)
    picture = stripes[(np.add.outer(np.arange(160), np.arange(128)) // 9) % 3]
    picture[outline] = (205, 160, 135)
    picture[outline & (np.arange(160)[:, None] > 112)] = (60, 62, 66)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.7) + noise, 0, 255).astype(np.uint8)


def studio(photo, seed=0):
    return backdrop.studio(photo, EYES, np.random.default_rng(seed))


def test_the_sitter_is_cut_out_along_the_outline(photo, outline):
    matte = backdrop.sitter(photo, EYES)
    assert matte.shape == outline.shape
    assert 0 <= matte.min() <= matte.max() <= 1
    found = matte > 0.5
    assert (found & outline).sum() / (found | outline).sum() > 0.9


def test_stripes_give_way_to_one_calm_colour(photo):
    before, after = photo[CORNERS], studio(photo)[CORNERS]
    assert before.std(axis=(0, 1)).max() > 50
    assert after.std(axis=(0, 1)).max() < 5


def test_the_face_is_untouched(photo):
    face = np.s_[55:95, 45:83]
    assert np.array_equal(studio(photo)[face], photo[face])


def test_a_seed_has_a_backdrop_of_its_own(photo):
    assert np.array_equal(studio(photo, 1), studio(photo, 1))
    assert not np.array_equal(studio(photo, 1)[CORNERS], studio(photo, 2)[CORNERS])


def test_threads_change_nothing(photo):
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = studio(photo)
        cv2.setNumThreads(4)
        assert np.array_equal(alone, studio(photo))
    finally:
        cv2.setNumThreads(threads)


EDGES = [[[2, 3], [9, 3]], [[-40, 10], [200, 10]], [[120, 150], [126, 158]], [[6, 8], [6, 8]]]


@pytest.mark.parametrize("eyes", EDGES)
@pytest.mark.parametrize("shape", [(160, 128), (20, 16)])
def test_a_face_at_the_edge_or_beyond_it_is_no_error(photo, eyes, shape):
    part = photo[: shape[0], : shape[1]]
    picture = backdrop.studio(part, np.array(eyes, np.float32), np.random.default_rng(0))
    assert picture is None or picture.shape == part.shape


def test_a_sitter_of_the_background_s_colour_is_not_cut_out(photo, outline):
    flat = np.full_like(photo, 90)
    flat[55:95, 48:80] = (205, 160, 135)  # a face, and hair that cannot be told from the wall
    assert backdrop.sitter(flat, EYES) is None
    assert studio(flat) is None
