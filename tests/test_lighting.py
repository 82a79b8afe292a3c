"""A portrait's light evened out, on faces painted in a known skin."""

import numpy as np
import pytest

from sketchcli.metrics.pixel import cielab
from sketchcli.portraits import backdrop

EYES = np.array([[48, 64], [80, 64]], np.float32)
FACE = np.s_[70:90, 50:78]


def portrait(skin):
    photo = np.full((128, 128, 3), 255, np.uint8)
    photo[20:110, 36:92] = skin
    photo[20:36, 36:92] = 0  # hair
    return photo


def lightness(photo):
    return cielab(photo[FACE]).mean(axis=(0, 1))[0]


def test_a_dim_face_is_brightened_and_black_and_white_stay():
    before = portrait((165, 118, 95))
    after = backdrop.evened(before, EYES)
    assert lightness(after) > lightness(before) + 8
    assert (after[:10] == 255).all()
    assert (after[22:34, 40:88] == 0).all()


def test_a_red_cast_is_lessened():
    red, usual = (
        [cielab(p[FACE]).mean(axis=(0, 1)) for p in (q, backdrop.evened(q, EYES))]
        for q in (portrait((190, 120, 100)), portrait((176, 134, 112)))
    )
    assert red[1][1] < red[0][1]
    assert red[1][1] - usual[1][1] < red[0][1] - usual[0][1]


@pytest.mark.parametrize("levels", [(60, 90, 120, 150, 180, 210, 235)])
def test_who_is_darker_stays_darker(levels):
    skins = [np.array((level, 0.75 * level, 0.62 * level)).astype(np.uint8) for level in levels]
    after = [lightness(backdrop.evened(portrait(skin), EYES)) for skin in skins]
    assert after == sorted(after)
    assert after[-1] - after[0] > 30


def test_no_pixel_is_compared_but_the_skin():
    photo = portrait((165, 118, 95))
    other = photo.copy()
    other[112:] = (10, 90, 30)  # a coat
    assert np.array_equal(backdrop.evened(photo, EYES)[:110], backdrop.evened(other, EYES)[:110])


def test_a_face_beyond_the_picture_leaves_it_as_it_is():
    photo = portrait((165, 118, 95))
    assert np.array_equal(backdrop.evened(photo, EYES + 1000), photo)
    assert np.array_equal(backdrop.evened(photo, EYES - 1000), photo)
