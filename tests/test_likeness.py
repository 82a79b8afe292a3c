"""Photos as somebody would draw them who is free with a likeness, on a face of known places."""

import numpy as np
import pytest

from sketchcli import images
from sketchcli.images.opencv import cv2
from sketchcli.portraits import caricature

EYES = np.array([[104, 120], [152, 120]], np.float32)
NOSE_AND_MOUTH = np.array([[128, 150], [110, 174], [146, 174]], np.float32)
LANDMARKS = np.concatenate([EYES, NOSE_AND_MOUTH])
SKIN = 200
SEEDS = range(24)


def portrait(size=(300, 256)):
    photo = np.full((*size, 3), SKIN, np.uint8)
    for x, y in EYES.astype(int).tolist():
        cv2.circle(photo, (x, y), 6, (40, 40, 40), -1, cv2.LINE_AA)
    return photo


def freely(seed, photo=None, landmarks=LANDMARKS):
    photo = portrait() if photo is None else photo
    return caricature.free(photo, landmarks, np.random.default_rng(seed))


def darkness(photo, x, y):
    """Mean over 7x7 pixels."""
    return SKIN - float(images.luma(photo)[y - 3 : y + 4, x - 3 : x + 4].mean())


def pupils(photo):
    """The middle of what is dark around each eye, `(2, 2)`."""
    places = []
    for x, y in EYES.astype(int).tolist():
        part = 255 - images.luma(photo)[y - 14 : y + 15, x - 14 : x + 15].astype(float)
        dark = np.maximum(part - 150, 0)
        down, across = np.mgrid[-14:15, -14:15]
        places.append([(dark * across).sum() / dark.sum(), (dark * down).sum() / dark.sum()])
    return np.array(places)


def test_the_same_seed_sees_the_same_face_and_another_another():
    assert np.array_equal(freely(3), freely(3))
    assert not np.array_equal(freely(3), freely(4))


def test_the_photo_is_not_changed():
    photo = portrait()
    freely(1, photo)
    assert np.array_equal(photo, portrait())


@pytest.mark.parametrize("place", [(119, 130), (137, 130), (114, 152), (128, 188)])
def test_nose_and_chin_are_shaded_where_the_photo_has_no_shadow(place):
    shades = [darkness(freely(seed), *place) for seed in SEEDS]
    assert min(shades) < 12  # some draw hardly any
    assert max(shades) > 30


@pytest.mark.parametrize("size", [1.0, 0.4])
def test_lips_are_shaded_where_they_are_red(size):
    photo = portrait()
    cv2.ellipse(photo, (128, 173), (18, 9), 0, 0, 360, (215, 185, 185), -1, cv2.LINE_AA)
    assert abs(int(images.luma(photo)[169, 128]) - SKIN) < 8
    photo = cv2.resize(photo, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
    drawn = [freely(seed, photo, LANDMARKS * np.float32(size)) for seed in SEEDS]
    greys = [images.luma(one).astype(int) for one in drawn]
    row, lip, cheek = (round(place * size) for place in (169, 128, 98))
    lips, cheeks = (np.array([grey[row, column] for grey in greys]) for column in (lip, cheek))
    assert (cheeks - lips).max() > 30
    assert np.median(cheeks - lips) > 8


def test_the_lower_lip_may_be_left_light():
    photo = portrait()
    cv2.ellipse(photo, (128, 178), (18, 10), 0, 0, 360, (170, 120, 120), -1, cv2.LINE_AA)
    before = images.luma(photo).astype(int)
    drawn = [images.luma(freely(seed, photo)).astype(int) for seed in SEEDS]
    lower, upper = (np.array([(grey - before)[y, 128] for grey in drawn]) for y in (182, 171))
    assert lower.max() > 15
    assert lower.mean() > upper.mean() + 10


def test_forehead_and_what_is_far_from_the_face_stay():
    for seed in SEEDS:
        drawn = freely(seed)
        assert abs(darkness(drawn, 128, 80)) < 1
        assert np.array_equal(drawn[290:], portrait()[290:])


def test_eyes_are_displaced_a_little_and_on_average_enlarged(monkeypatch):
    monkeypatch.setattr(caricature, "_marks", lambda _: ())  # which are dark as well
    photos = [freely(seed) for seed in SEEDS]
    off = np.abs([pupils(photo) - pupils(portrait()) for photo in photos]).max(axis=(1, 2))
    assert off.max() < 6  # an eighth of an eye distance
    assert np.median(off) > 0.3
    dark = [np.mean(images.luma(photo)[100:140, 90:166] < 90) for photo in [portrait(), *photos]]
    assert np.mean(dark[1:]) > 1.03 * dark[0]


def test_a_tilted_face_has_its_marks_where_it_is():
    turn = cv2.getRotationMatrix2D((128, 140), 90, 1)
    landmarks = np.float32(LANDMARKS @ turn[:, :2].T + turn[:, 2])
    photo = np.full((300, 300, 3), SKIN, np.uint8)
    x, y = np.rint(turn[:, :2] @ (119, 130) + turn[:, 2]).astype(int).tolist()
    assert max(darkness(freely(seed, photo, landmarks), x, y) for seed in SEEDS) > 30


@pytest.mark.parametrize("shift", [-2000, -100, 100, 2000])
def test_a_face_at_the_rim_or_beyond_keeps_the_picture_s_shape(shift):
    drawn = freely(2, landmarks=LANDMARKS + np.float32(shift))
    assert drawn.shape == portrait().shape
    assert drawn.dtype == np.uint8


def test_landmarks_in_one_place_are_no_fault():
    assert freely(0, landmarks=np.zeros((5, 2), np.float32)).shape == portrait().shape


def test_an_upside_down_face_is_no_fault():
    landmarks = LANDMARKS * np.float32([1, -1]) + np.float32([0, 300])
    assert freely(1, landmarks=landmarks).shape == portrait().shape
