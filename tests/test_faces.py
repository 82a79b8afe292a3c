"""Faces: alignment by closed form, and the finder with the real network, where it is."""

import cv2
import numpy as np
import pytest
from conftest import network_file

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.errors import DataError
from sketchcli.portraits import finding_faces

YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
CUHK_EYES = np.array([[75, 125], [125, 125]])


@pytest.fixture(scope="module")
def finder():
    return finding_faces.FaceFinder(network_file(YUNET))


def two_dots(eyes, size, radius):
    """White paper with a soft dark dot at each eye."""
    y, x = np.mgrid[: size[0], : size[1]]
    distances = [np.hypot(x - eye[0], y - eye[1]) for eye in eyes]
    ink = sum(np.exp(-((distance / radius) ** 2)) for distance in distances)
    return np.rint(255 * (1 - np.clip(ink, 0, 1))).astype(np.uint8)


def dots_in(picture):
    """The centre of ink in the left and in the right half."""
    ink = 255 - picture.astype(float)
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    middle = ink.shape[1] // 2
    halves = np.s_[:, :middle], np.s_[:, middle:]
    return np.array(
        [[(i[h] * x[h]).sum(), (i[h] * y[h]).sum()] / i[h].sum() for h in halves for i in [ink]]
    )


def turned(points, *, angle, scale, shift):
    radians = np.radians(angle)
    rotation = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    return scale * np.asarray(points) @ rotation.T + shift


@pytest.mark.parametrize("angle", [0, -7, 30, -45])
@pytest.mark.parametrize("distance", [20, 50, 71, 240])
@pytest.mark.parametrize("height", [250, 160])
def test_eyes_land_where_the_cuhk_crops_have_them(angle, distance, height):
    side = round(4 * distance)
    eyes = turned([[-0.5, 0], [0.5, 0]], angle=angle, scale=distance, shift=[side / 2 + 0.3] * 2)
    aligned = finding_faces.align(two_dots(eyes, (side, side), distance / 12), eyes, height=height)
    assert aligned.shape == (height, round(0.8 * height))
    expected = (CUHK_EYES + 0.5) * height / 250 - 0.5
    assert np.abs(dots_in(aligned) - expected).max() < 0.5


def test_a_cuhk_crop_stays_as_it_is(noise):
    crop = cv2.resize(noise(1, 40)[0], (200, 250), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(finding_faces.align(crop, CUHK_EYES, height=250), crop)


def test_colours_and_grey_are_aligned_alike_and_nothing_is_mirrored():
    picture = np.full((300, 240, 3), 255, np.uint8)
    picture[:, :120] = [255, 0, 0]  # the left half is red
    aligned = finding_faces.align(picture, np.array([[90, 150], [150, 150]]), height=250)
    assert aligned[125, 50].tolist() == [255, 0, 0]
    assert aligned[125, 150].tolist() == [255, 255, 255]
    grey = finding_faces.align(picture[:, :, 1], np.array([[90, 150], [150, 150]]), height=250)
    np.testing.assert_array_equal(grey, aligned[:, :, 1])


def test_reducing_averages_instead_of_skipping_pixels():
    """A chequerboard of single pixels becomes grey, however much is left out."""
    y, x = np.mgrid[:1000, :800]
    board = ((x + y) % 2 * 255).astype(np.uint8)
    aligned = finding_faces.align(board, CUHK_EYES * 4 + 1.5, height=250)
    assert np.abs(aligned.astype(int) - 127.5).max() < 2


def test_beyond_the_picture_its_border_goes_on():
    picture = np.full((60, 60), 90, np.uint8)
    aligned = finding_faces.align(picture, np.array([[10, 5], [50, 5]]), height=100)
    assert set(aligned.ravel()) == {90}


def test_two_eyes_in_one_place_are_no_reason_to_stop():
    assert finding_faces.align(np.zeros((9, 9), np.uint8), np.ones((2, 2)), height=50).shape == (
        50,
        40,
    )


@pytest.mark.parametrize("content", [None, b"", b"not a network", b"\x08\x07" * 500])
def test_a_missing_or_damaged_network_is_an_error_with_a_way_out(tmp_path, content):
    path = tmp_path / "yunet.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"yunet\.onnx") as caught:
        finding_faces.FaceFinder(path)
    assert "sketch2img fetch-data yunet" in caught.value.hint


def test_half_a_network_is_an_error(finder, tmp_path):
    whole = network_file(YUNET).read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"half\.onnx"):
        finding_faces.FaceFinder(tmp_path / "half.onnx")


@pytest.mark.parametrize("size", [96, 256])
def test_drawn_faces_are_found_in_photo_and_sketch_at_the_same_place(finder, size):
    close = []
    for index in range(10):
        by_photo, by_sketch = (
            finder.find(images.to_rgb(image)) for image in draw_pair(index, size=size)[::-1]
        )
        assert by_photo is not None
        assert by_sketch is not None
        distance = np.linalg.norm(by_photo.eyes[1] - by_photo.eyes[0])
        close.append(np.abs(by_photo.eyes - by_sketch.eyes).max() < 0.2 * distance)
        assert by_photo.eyes[0, 0] < by_photo.eyes[1, 0]
        x, y, width, height = by_photo.box
        assert (by_photo.points >= [x, y]).all()
        assert (by_photo.points <= [x + width, y + height]).all()
    assert np.mean(close) >= 0.7  # drawn eyes sometimes mislead the finder


def test_the_larger_face_wins_wherever_it_is(finder):
    small, large = draw_pair(1, size=100)[1], draw_pair(2, size=200)[1]
    for left, right, start in ((small, large, 100), (large, small, 0)):
        group = np.full((200, 300, 3), 255, np.uint8)
        group[: left.shape[0], : left.shape[1]] = left
        group[: right.shape[0], left.shape[1] :] = right
        face = finder.find(group)
        alone = finder.find(large)
        assert face is not None
        assert alone is not None
        distance = np.linalg.norm(alone.eyes[1] - alone.eyes[0])
        assert np.abs(face.eyes - alone.eyes - [start, 0]).max() < 0.1 * distance


def test_a_small_face_in_a_large_picture_is_found(finder):
    room = np.full((900, 1200, 3), 200, np.uint8)
    room[400:500, 700:800] = draw_pair(1, size=100)[1]
    face = finder.find(room)
    assert face is not None
    assert (face.eyes > [700, 400]).all()
    assert (face.eyes < [800, 500]).all()


@pytest.mark.parametrize("angle", [-25, 10, 25])
def test_a_tilted_face_is_set_upright(finder, angle):
    photo = draw_pair(2, size=256)[1]
    straight = finder.find(photo)
    assert straight is not None
    turn = cv2.getRotationMatrix2D((128, 128), angle, 0.9)
    tilted = cv2.warpAffine(photo, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    face = finder.find(tilted)
    assert face is not None
    expected = straight.landmarks @ turn[:, :2].T + turn[:, 2]
    distance = np.linalg.norm(expected[1] - expected[0])
    assert np.abs(face.landmarks - expected).max() < 0.12 * distance
    np.testing.assert_array_equal(face.landmarks[:2], face.eyes)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (7, 9), (64, 64)])
def test_where_no_face_is_none_is_found(finder, shape, noise):
    assert finder.find(np.full((*shape, 3), 130, np.uint8)) is None
    assert finder.find(cv2.resize(noise(1, 64)[0], shape[::-1])) is None


def test_the_same_picture_gives_the_same_face_whatever_came_before(finder):
    photo, other = draw_pair(1, size=128)[1], draw_pair(3, size=200)[1]
    first = finder.find(photo)
    finder.find(other)
    again = finder.find(photo)
    afresh = finding_faces.FaceFinder(network_file(YUNET)).find(photo)
    for face in (again, afresh):
        np.testing.assert_array_equal(face.points, first.points)
        np.testing.assert_array_equal(face.landmarks, first.landmarks)


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["photos", "sketches"])
def test_every_cuhk_face_is_found_and_its_eyes_are_where_they_should_be(finder, shared, kind):
    paths = sorted((shared / "cuhk-student" / f"testing-{kind}").iterdir())
    found = [finder.find(images.read_rgb(path)) for path in paths]
    assert sum(face is not None for face in found) >= 98
    eyes = np.array([face.eyes for face in found if face is not None])
    assert np.abs(np.median(eyes, axis=0) - CUHK_EYES).max() < 2.5
    assert (np.abs(eyes - CUHK_EYES).max(axis=(1, 2)) < 8).mean() > 0.95


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["congress", "congress-small"])
def test_portraits_are_found(finder, shared, folder):
    paths = sorted((shared / folder).glob("*.jpg"))[::20]
    found = [finder.find(images.read_rgb(path)) for path in paths]
    assert sum(face is not None for face in found) >= 0.97 * len(paths)


@pytest.mark.shared
def test_facades_have_no_face(finder, shared):
    paths = sorted(path for path in (shared / "facades").rglob("*.*g") if path.is_file())[::10]
    assert len(paths) >= 40
    assert sum(finder.find(images.read_rgb(path)) is not None for path in paths) <= 1


def test_loose_eyes_lie_about_where_the_face_s_are():
    eyes = np.array([[75, 125], [125, 125]], np.float32)
    drawn = [finding_faces.loosened(eyes, np.random.default_rng(seed)) for seed in range(300)]
    across = np.array([np.linalg.norm(two[1] - two[0]) for two in drawn]) / 50
    off = np.array([np.linalg.norm(two.mean(axis=0) - eyes.mean(axis=0)) for two in drawn]) / 50
    assert 0.85 < across.min() < 1
    assert 1.4 < across.max() < 1.75  # people cut wider rather than narrower
    assert 0.2 < off.max() < 0.75
    assert np.mean(np.abs(across - 1) < 0.05) > 0.2  # some are cut as tightly as any


def test_loose_eyes_depend_on_their_draws_alone():
    eyes = np.array([[30, 40], [61, 45]], np.float32)
    one, again = (finding_faces.loosened(eyes, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one, again)
