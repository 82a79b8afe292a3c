import dataclasses

import numpy as np
import pytest
import torch

from sketchcli import checkpoint, images
from sketchcli.config import Fit
from sketchcli.engine import generating
from sketchcli.engine.events import Advanced
from sketchcli.engine.generating import generate, load_model, natural_size, plan
from sketchcli.engine.runs import Run
from sketchcli.engine.training.keeping import Keeper
from sketchcli.engine.training.progress import Progress
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import CheckpointError, DataError


@pytest.fixture
def weights(tiny, dataset, tmp_path, cpu):
    """Weights of an untrained model."""
    run = Run(tmp_path / "run")
    trainer = Trainer(tiny, image_size=(32, 32), device=cpu)
    keeper = Keeper(
        run, tiny, dataset.description, trained_on="0" * 128, batches=4, precision="fp32"
    )
    keeper.save(trainer, Progress(2))
    return run.weights


@pytest.mark.parametrize(
    ("sketch", "photo"), [((250, 200), (40, 32)), ((32, 64), (32, 64)), ((10, 10), (32, 32))]
)
def test_photos_have_the_sketchs_shape_and_the_models_resolution(sketch, photo):
    assert natural_size(sketch, (32, 32)) == photo


def test_a_strip_is_refused():
    with pytest.raises(DataError, match="strip"):
        natural_size((6000, 1), (32, 32))


def test_a_file_becomes_a_photo(weights, folders, tmp_path, cpu):
    out = tmp_path / "new" / "photo.jpg"
    result = generate(folders / "sketches/face-0.png", out, model=weights, device=cpu)
    assert result.files[0].output == out
    assert images.read_rgb(out).shape == (32, 32, 3)


def test_a_tree_is_mirrored_and_names_do_not_collide(weights, folders, tmp_path, cpu):
    tree = tmp_path / "tree"
    sketch = images.read_luma(folders / "sketches/face-0.png")
    for name in ("a.png", "a.jpg", "deep/er/ü 1.png"):
        images.write(tree / name, sketch)
    generate(tree, tmp_path / "out", model=weights, device=cpu)
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert made == ["a_jpg.png", "a_png.png", "deep/er/ü 1.png"]


@pytest.mark.parametrize("output", ["", "below"])
def test_sketches_are_never_mixed_with_photos_or_overwritten(weights, folders, cpu, output):
    sketches = folders / "sketches"
    before = {path: path.read_bytes() for path in sketches.iterdir()}
    with pytest.raises(DataError, match="mixed"):
        generate(sketches, sketches / output, model=weights, device=cpu)
    one = sketches / "face-0.png"
    with pytest.raises(DataError, match="overwrite"):
        generate(one, one, model=weights, device=cpu)
    assert {path: path.read_bytes() for path in sketches.iterdir()} == before


def test_two_sketches_never_become_one_file(folders, tmp_path):
    for name in ("a.png", "a.jpg", "a_jpg.png"):
        images.write(tmp_path / "tree" / name, np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match="two sketches"):
        plan(tmp_path / "tree", tmp_path / "out")


def test_one_bad_file_does_not_stop_a_folder(weights, folders, tmp_path, cpu):
    (folders / "sketches" / "face-3.png").write_bytes(b"\x89PNG broken")
    events = []
    out = tmp_path / "out"
    result = generate(folders / "sketches", out, model=weights, device=cpu, reporter=events.append)
    assert [file.source.name for file in result.failed] == ["face-3.png"]
    assert len(list(out.iterdir())) == 11
    assert events[-1] == Advanced("sketches", 12, 12)


def test_an_unreadable_file_gives_no_photo_and_a_reason(weights, tmp_path, cpu):
    (tmp_path / "bad.png").write_bytes(b"")
    result = generate(tmp_path / "bad.png", tmp_path / "out.png", model=weights, device=cpu)
    assert len(result.failed) == 1
    assert "bad.png" in result.failed[0].error
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [("no.png", "out.png", "no such file"), ("sketches/face-0.png", "out.docx", "not a picture")],
)
def test_wrong_paths_are_named(weights, folders, tmp_path, cpu, source, output, message):
    with pytest.raises(DataError, match=message):
        generate(folders / source, tmp_path / output, model=weights, device=cpu)


def test_a_folder_cannot_become_a_file(weights, folders, tmp_path, cpu):
    (tmp_path / "out.png").write_bytes(b"mine")
    with pytest.raises(DataError, match="is a folder"):
        generate(folders, tmp_path / "out.png", model=weights, device=cpu)
    assert (tmp_path / "out.png").read_bytes() == b"mine"


def test_a_sketch_is_prepared_as_in_training(weights, dataset, cpu, folders):
    model = load_model(weights, cpu)
    pair = dataset.description.pairs[0]
    drawn = model.draw(images.read_luma(folders.parent / "drawn" / "sketches" / f"{pair.id}.png"))
    index = dataset.split(pair.split).ids.index(pair.id)
    sketch = torch.from_numpy(images.to_model_range(dataset.split(pair.split).sketches[index]))
    with torch.no_grad():
        expected = model.generator(sketch[None, None])[0].permute(1, 2, 0).numpy()
    assert np.array_equal(drawn, images.from_model_range(expected))


def test_the_state_is_not_taken_for_weights(weights, cpu):
    with pytest.raises(CheckpointError) as caught:
        load_model(Run(weights.parent).state, cpu)
    assert "weights.safetensors" in caught.value.hint


def test_tensors_that_do_not_fit_the_settings_are_refused(weights, tiny, cpu):
    tensors, about = checkpoint.load(weights)
    wider = dataclasses.replace(tiny.model, generator_options={"width": 8})
    about["config"]["model"] = dataclasses.asdict(wider)
    checkpoint.save(weights, tensors, about)
    with pytest.raises(CheckpointError, match="not the weights"):
        load_model(weights, cpu)


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("shape", [(50, 40), (40, 80), (32, 32)])
def test_a_sketch_is_shown_as_the_training_sketches_were(weights, cpu, monkeypatch, fit, shape):
    shown = []

    def echo(generator, sketches, device):
        shown.append(sketches[0])
        return np.repeat(sketches[..., None], 3, axis=3)

    monkeypatch.setattr(generating, "generate_batch", echo)
    model = dataclasses.replace(load_model(weights, cpu), fit=fit)
    sketch = np.full(shape, 90, np.uint8)
    photo = model.draw(sketch)
    assert (photo == 90).all()  # no padding is left
    assert photo.shape[0] / photo.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.03)
    expected = natural_size(shape, (32, 32)) if fit is Fit.CROP else (32, 32)
    assert shown[0].shape == expected
    assert (shown[0] == 255).any() == (fit is Fit.PAD and shape[0] != shape[1])


def test_weights_say_how_their_sketches_were_prepared(weights, cpu):
    about = checkpoint.read_about(weights)
    assert (about["fit"], about["align"]) == ("stretch", "none")
    assert about["dataset"]["licence"] == "MIT"
    assert load_model(weights, cpu).fit is Fit.STRETCH
