"""What is done to a picture before a model sees it."""

import dataclasses

import numpy as np
import pytest
from conftest import network_file

from sketchcli import images
from sketchcli.config import Fit
from sketchcli.data import appearance
from sketchcli.data.appearance import find_paper, on_even_paper
from sketchcli.engine.generating import prepare as prepare_module
from sketchcli.engine.generating.inputs import Drawing, Scale, When
from sketchcli.engine.generating.prepare import Preparer, load_model
from sketchcli.errors import CheckpointError, DataError
from sketchcli.portraits import finding_faces


@pytest.fixture
def model(weights, cpu):
    return load_model(weights, cpu)


@pytest.fixture
def prepare(model):
    """Prepare a grey picture; fields of the model and of the drawing by name."""

    def run(grey, *, looks=None, fit=Fit.STRETCH, **drawing):
        changed = dataclasses.replace(model, looks=looks, fit=fit)
        return Preparer([changed], Drawing(**drawing)).prepare(images.to_rgb(grey))

    return run


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("shape", [(50, 40), (40, 80), (32, 32), (1, 1), (500, 400)])
def test_a_sketch_is_shown_as_the_training_sketches_were(prepare, fit, shape):
    ready = prepare(np.full(shape, 90, np.uint8), fit=fit, paper=When.NO)
    frame = ready.frames[0][0]
    photo = ready.framings[0].join(np.repeat(ready.frames[0][..., None], 3, axis=3))
    assert (photo == 90).all()  # no padding is left
    assert photo.shape[0] / photo.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.03)
    assert frame.shape == ((32, 32) if fit is not Fit.CROP else ready.size)
    assert (frame == 255).any() == (fit is Fit.PAD and shape[0] != shape[1])


@pytest.mark.parametrize(
    ("sketch", "photo"), [((250, 200), (40, 32)), ((32, 64), (32, 64)), ((10, 10), (32, 32))]
)
def test_photos_have_the_sketchs_shape_and_the_models_resolution(prepare, sketch, photo):
    assert prepare(np.full(sketch, 255, np.uint8)).size == photo


@pytest.mark.parametrize(
    ("size", "expected"),
    [(Scale.INPUT, (250, 200)), ((64, 64), (64, 51)), ((500, 100), (125, 100))],
)
def test_photos_are_as_large_as_asked_in_the_sketchs_shape(prepare, size, expected):
    assert prepare(np.full((250, 200), 255, np.uint8), size=size).size == expected


@pytest.mark.parametrize("shape", [(6000, 1), (3, 20000)])
def test_a_strip_is_refused(prepare, shape):
    with pytest.raises(DataError, match="strip"):
        prepare(np.full(shape, 255, np.uint8))


def test_a_photo_of_absurd_size_is_refused(prepare, monkeypatch):
    monkeypatch.setattr(prepare_module, "MOST_PIXELS", 10_000)
    with pytest.raises(DataError, match="200x100") as caught:
        prepare(np.full((100, 200), 255, np.uint8), size=Scale.INPUT)
    assert "--size" in caught.value.hint


def test_white_on_black_is_turned_round(prepare, stroke):
    plain, inverted = prepare(stroke()), prepare(255 - stroke())
    assert np.array_equal(plain.frames[0], inverted.frames[0])
    assert not plain.warnings
    assert "white on black" in inverted.warnings[0]


def test_inverting_may_be_forced_and_forbidden(prepare, stroke):
    kept = prepare(255 - stroke(), invert=When.NO)
    assert np.median(kept.frames[0]) == 0
    assert np.median(prepare(stroke(), invert=When.YES, paper=When.NO).frames[0]) == 0


def test_for_a_model_of_white_on_black_it_is_the_other_way_round(prepare, stroke):
    looks = appearance.look([255 - stroke(), 255 - stroke(60, 50)])
    assert looks.is_dark
    kept = prepare(255 - stroke(), looks=looks)
    turned = prepare(stroke(), looks=looks)
    assert np.array_equal(kept.frames[0], turned.frames[0])
    assert np.median(kept.frames[0]) == 0
    assert "dark on white" in turned.warnings[0]


def photographed(sketch, *, darkest=0.45):
    """A sheet under a lamp at one corner, on tinted paper."""
    y, x = np.mgrid[0 : 1 : complex(sketch.shape[0]), 0 : 1 : complex(sketch.shape[1])]
    light = 1 - (1 - darkest) * (0.5 * x + 0.5 * y) ** 1.2
    return np.stack([np.rint(sketch * light * t) for t in (0.98, 0.93, 0.8)], axis=2).astype(
        np.uint8
    )


def test_paper_in_the_shade_is_evened_out(model, looks, folders):
    sketch = images.resize(images.luma(images.read(folders / "sketches/face-1.png")), (200, 160))
    for known in (None, looks):
        preparer = Preparer([dataclasses.replace(model, looks=known)], Drawing())
        clean = preparer.prepare(images.to_rgb(sketch))
        photo = preparer.prepare(photographed(sketch))
        kept = Preparer([model], Drawing(paper=When.NO)).prepare(photographed(sketch))
        assert any("paper: evened" in warning for warning in photo.warnings)
        assert not any("paper" in warning for warning in clean.warnings)
        wanted = clean.frames[0].astype(float)
        off = [np.abs(one.frames[0] - wanted).mean() for one in (photo, kept)]
        assert off[0] < 0.4 * off[1]


def test_even_paper_is_left_as_it_is(prepare, stroke, looks, folders):
    for path in sorted((folders / "sketches").iterdir()):
        sketch = images.luma(images.read(path))
        assert np.array_equal(prepare(sketch, looks=looks).frames[0][0], sketch)
    assert np.array_equal(
        prepare(stroke(), paper=When.AUTO).frames[0], prepare(stroke(), paper=When.NO).frames[0]
    )


def test_the_light_on_paper_is_found_under_a_drawing(stroke):
    drawing = stroke(300, 240)
    light = np.clip(np.linspace(120, 240, 300)[:, None] + np.zeros((1, 240)), 0, 255)
    sheet = np.rint(drawing / 255 * light).astype(np.uint8)
    paper = find_paper(sheet)
    assert np.abs(paper.surface((300, 240)) - light).max() < 8
    evened = on_even_paper(sheet, paper, 250)
    assert np.abs(evened[drawing == 255].astype(int) - 250).max() < 16


def test_a_blank_sheet_and_a_colour_photo_are_warned_of(prepare, model, folders):
    assert prepare(np.full((40, 40), 255, np.uint8)).warnings == ("the sketch is blank",)
    assert prepare(np.full((40, 40), 0, np.uint8), invert=When.NO).warnings
    rng = np.random.default_rng(0)
    colours = images.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (60, 60))
    warnings = Preparer([model], Drawing()).prepare(colours).warnings
    assert any("it is a colour image" in warning for warning in warnings)


def test_what_is_like_no_training_sketch_is_said(prepare, looks, folders, noise):
    for path in sorted((folders / "sketches").iterdir()):
        assert not prepare(images.luma(images.read(path)), looks=looks).warnings
    scribble = noise(1, 64)[0, :, :, 0]
    (warning,) = prepare(scribble, looks=looks, paper=When.NO).warnings
    assert warning.startswith("does not look like the training sketches")
    assert "busier" in warning


def test_looks_travel_as_json_and_damaged_ones_are_refused(looks):
    import json

    told = json.loads(json.dumps(looks.to_dict()))
    assert appearance.from_dict(told) == looks
    assert appearance.from_dict(None) is None
    for damaged in ({}, {"ranges": {}}, told | {"ranges": {"ink": [1, 2]}}, [], 3):
        with pytest.raises(CheckpointError, match="damaged"):
            appearance.from_dict(damaged)


@pytest.fixture
def portrait():
    """A drawn face beside the middle of a large white sheet."""
    from sketchcli.assets.demo import draw_pair

    sketch, _ = draw_pair(1, size=256)
    sheet = np.full((500, 600), 250, np.uint8)
    sheet[150:406, 250:506] = sketch
    return images.to_rgb(sheet)


def test_a_face_is_cut_out_as_in_preprocessing(model, portrait):
    detector = network_file("face_detection_yunet_2023mar_int8bq.onnx")
    ready = Preparer([model], Drawing(is_aligned=True), detector).prepare(portrait)
    face = finding_faces.FaceFinder(detector).find(portrait)
    assert face is not None
    expected = images.luma(finding_faces.align(portrait, face.eyes, height=40))
    assert np.abs(images.luma(ready.shown).astype(int) - expected).max() == 0
    assert ready.size == (40, 32)
    assert not any("no face" in warning for warning in ready.warnings)


def test_where_there_is_no_face_the_centre_is_taken_and_said(model, stroke):
    detector = network_file("face_detection_yunet_2023mar_int8bq.onnx")
    ready = Preparer([model], Drawing(is_aligned=True), detector).prepare(
        images.to_rgb(stroke(100, 100))
    )
    assert "no face detected: the centre crop is used" in ready.warnings
    assert ready.shown.shape == (40, 32, 3)


def test_a_pasted_face_is_where_it_was(portrait):
    detector = network_file("face_detection_yunet_2023mar_int8bq.onnx")
    face = finding_faces.FaceFinder(detector).find(portrait)
    cut = finding_faces.align(portrait, face.eyes, height=250)
    back = finding_faces.paste(cut, portrait, face.eyes)
    assert back.shape == portrait.shape
    difference = np.abs(back.astype(int) - portrait).mean(axis=2)
    assert difference.mean() < 1.5  # itself, resampled
    red = finding_faces.paste(np.full_like(cut, (255, 0, 0)), portrait, face.eyes)
    middle = face.eyes.mean(axis=0).round().astype(int)
    assert red[middle[1], middle[0]].tolist() == [255, 0, 0]
    assert np.array_equal(red[:100, :100], portrait[:100, :100])


def strokes():
    """A drawing of thin lines on white."""
    picture = np.full((200, 160), 255, np.uint8)
    for number in range(0, 60, 12):
        picture[30 + 2 * number : 32 + 2 * number, 20 + number : 90 + number] = 20 + number
        picture[40:170, 90 + number : 92 + number] = 60
    return picture


def framed(picture, level, *, width=40):
    sides = ((width, width), (width, width), (0, 0))[: picture.ndim]
    return np.pad(picture, sides, constant_values=level)


def is_inverted(prepared):
    return any("inverted" in warning for warning in prepared.warnings)


def test_polarity_is_judged_by_the_page_and_not_by_its_frame(prepare):
    sketch = strokes()
    for level in (0, 255):
        assert not is_inverted(prepare(framed(sketch, level)))
        assert is_inverted(prepare(framed(255 - sketch, level)))
    assert not is_inverted(prepare(framed(sketch, 0, width=110)))


@pytest.mark.parametrize("frame", [None, 0, 255])
def test_a_coloured_picture_is_never_inverted_unasked(prepare, frame):
    y, x = np.mgrid[:200, :160]
    photo = np.stack([x // 4, y // 6, 20 + (x + y) // 9], axis=2).astype(np.uint8)
    photo[60:140:7, 40:120] = (250, 180, 60)
    photo = photo if frame is None else framed(photo, frame)
    assert not is_inverted(prepare(photo))


def test_chalk_on_a_tinted_board_is_inverted(prepare):
    chalk = (255 - strokes()[..., None]) / 255
    board = np.random.default_rng(0).normal([28, 52, 42], 4, (200, 160, 3))
    photo = (board + (np.array([225, 222, 215]) - board) * chalk).clip(0, 255).astype(np.uint8)
    assert is_inverted(prepare(photo))


def pages():
    y, x = np.mgrid[:300, :200]
    noise = np.random.default_rng(0).normal(0, 1, (300, 200))
    lit = 250 - 60 * x / 200 - 30 * (y / 300) ** 2
    return {
        "white": np.full((300, 200), 255.0),
        "black": np.zeros((300, 200)),
        "grey": np.full((300, 200), 120.0),
        "shade": lit,
        "scanned": lit + 5 * noise,
        "noise": 128 + 30 * noise,
        "black noise": 20 + 5 * noise,
    }


@pytest.mark.parametrize("page", pages())
def test_a_page_of_light_and_noise_is_blank(prepare, page):
    found = pages()[page].clip(0, 255).astype(np.uint8)
    assert "the sketch is blank" in prepare(found).warnings


@pytest.mark.parametrize("contrast", [255, 60, 25])
def test_a_page_with_a_faint_line_is_not_blank(prepare, contrast):
    page = np.full((300, 200), 255, np.uint8)
    page[100:102, 40:90] -= contrast
    assert "the sketch is blank" not in prepare(page).warnings
