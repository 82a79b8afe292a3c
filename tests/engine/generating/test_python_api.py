"""`load_generator`, from Python."""

import numpy as np
import pytest

from sketchcli import images, load_generator
from sketchcli.errors import CheckpointError, DataError, UsageError


@pytest.fixture
def sketch(folders):
    return images.luma(images.read(folders / "sketches/face-0.png"))


def test_an_array_becomes_a_photo(weights, sketch, convert, folders, tmp_path):
    photo = load_generator(weights, device="cpu")(sketch)
    assert (photo.dtype, photo.shape) == (np.uint8, (32, 32, 3))
    convert(folders / "sketches/face-0.png", tmp_path / "a.png")
    assert np.array_equal(photo, images.read_rgb(tmp_path / "a.png"))


def test_paths_arrays_and_lists_of_them(weights, sketch, folders, stroke):
    path = folders / "sketches/face-0.png"
    draw = load_generator(str(weights))
    grey = draw(sketch)
    assert np.array_equal(draw(path), grey)
    assert np.array_equal(draw(str(path)), grey)
    assert np.array_equal(draw(images.to_rgb(sketch)), grey)
    several = draw([path, stroke(64, 32), sketch])
    assert [photo.shape for photo in several] == [(32, 32, 3), (64, 32, 3), (32, 32, 3)]
    assert np.abs(several[2].astype(int) - grey).max() <= 1
    assert draw([]) == []


def test_options_are_those_of_the_command(weights, sketch):
    assert load_generator(weights, size=(64, 64))(sketch).shape == (64, 64, 3)
    assert load_generator(weights, size="input", tile=True)(np.tile(sketch, (3, 2))).shape == (
        96,
        64,
        3,
    )
    assert load_generator(weights).size == (32, 32)


def test_its_warnings_can_be_asked_for(weights):
    blank = np.full((40, 40), 255, np.uint8)
    assert load_generator(weights).warnings(blank) == ("the sketch is blank",)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4)), *(np.zeros(shape, np.uint8) for shape in ((4, 4, 4), (0, 4), (3,)))],
)
def test_what_is_no_picture_is_an_error_that_says_what_is(weights, wrong):
    with pytest.raises(DataError, match="a sketch cannot be") as caught:
        load_generator(weights)(wrong)
    assert "uint8" in caught.value.hint


@pytest.mark.usefixtures("without_bundled")
def test_the_newest_run_is_the_default(home, tiny, sketch):
    from generating_fixtures import weights_of

    with pytest.raises(CheckpointError, match="no bundled model"):
        load_generator()
    weights_of(home / "runs" / "mine", tiny)
    (home / "runs" / "mine" / "result.json").write_text("{}")
    assert load_generator()(sketch).shape == (32, 32, 3)
    assert load_generator("mine").models[0].parent.name == "mine"


@pytest.mark.parametrize(
    "option",
    [
        {"invert": "sometimes"},
        {"align": "loose"},
        {"size": "huge"},
        {"size": (0, 64)},
        {"size": (1,)},
    ],
)
def test_an_unknown_option_value_is_an_error(weights, option):
    with pytest.raises(ValueError):  # noqa: PT011 - of Python's own enumerations too
        load_generator(weights, **option)


@pytest.mark.parametrize("removed", [{"raw": True}, {"tta": "flip"}])
def test_a_removed_argument_is_an_error_that_says_what_to_use_instead(weights, removed):
    (name,) = removed
    with pytest.raises(UsageError, match=f"no longer takes {name}") as caught:
        load_generator(weights, **removed)
    assert f"omit {name}" in caught.value.hint


def test_an_unknown_argument_is_an_error_as_anywhere(weights):
    with pytest.raises(TypeError, match="unexpected keyword argument 'tile_size'"):
        load_generator(weights, tile_size=3)
