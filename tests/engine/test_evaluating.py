import dataclasses
import shutil

import numpy as np
import pytest

from sketchcli import images
from sketchcli.data.arrays import Rows
from sketchcli.data.prepared import StoredSplit
from sketchcli.engine import baselines, evaluating
from sketchcli.engine.evaluating import evaluate_folders, evaluate_model, score_discriminator
from sketchcli.engine.finding import find_prepared
from sketchcli.engine.runs import Run
from sketchcli.engine.training import train
from sketchcli.errors import DataError


@pytest.fixture
def run(tiny, dataset, tmp_path, cpu):
    return Run(train(tiny, dataset, run_dir=tmp_path / "run", device=cpu).run_dir)


def by_name(result):
    return {score.predictor: score.values for score in result.scores}


def test_a_model_stands_beside_every_baseline(run, dataset, cpu):
    result = evaluate_model(run.weights, dataset, device=cpu)
    scores = by_name(result)
    assert list(scores) == [
        "model",
        "mean training photo",
        "nearest training sketch's photo",
        "the sketch itself",
    ]
    assert all(values.keys() == {"mae", "psnr", "ssim"} for values in scores.values())
    assert result.count == len(dataset.split("test"))
    assert result.protocol.keys() == {"aggregation", "data range", "resize", "mae", "psnr", "ssim"}
    assert all(result.protocol.values())


def test_the_discriminator_is_scored_where_the_run_has_it(run, dataset, cpu):
    assert 0 <= evaluate_model(run.weights, dataset, device=cpu).discriminator.accuracy <= 1
    run.state.unlink()
    notes = []
    result = evaluate_model(run.weights, dataset, device=cpu, reporter=notes.append)
    assert result.discriminator is None
    assert any("no discriminator" in getattr(note, "message", "") for note in notes)


def test_accuracy_precision_recall_and_f1_by_hand():
    score = score_discriminator(np.array([0.9, 0.8, 0.4, 0.7]), np.array([0.6, 0.1, 0.2, 0.3]))
    assert score.accuracy == 6 / 8
    assert score.precision == 3 / 4
    assert score.recall == 3 / 4
    assert score.f1 == pytest.approx(3 / 4)


def test_a_discriminator_that_calls_all_fake_has_no_precision():
    score = score_discriminator(np.zeros(3), np.zeros(3))
    assert (score.accuracy, score.precision, score.recall, score.f1) == (0.5, 0, 0, 0)


def test_a_set_of_another_size_is_an_error(run, dataset, cpu):
    other = dataclasses.replace(dataset.description, size=(64, 64))
    with pytest.raises(DataError, match="64x64"):
        evaluate_model(
            run.weights,
            dataclasses.replace(find_prepared(dataset.folder), description=other),
            device=cpu,
        )


def test_a_set_that_the_model_was_not_trained_on_is_mentioned(run, dataset, cpu):
    notes = []
    evaluate_model(run.weights, dataset, device=cpu, reporter=notes.append)
    assert not any(getattr(note, "is_warning", False) for note in notes)
    other = dataclasses.replace(dataset.description, pairs=dataset.description.pairs[:-1])
    other_set = dataclasses.replace(dataset, description=other)
    split = dataset.description.pairs[-1].split
    with pytest.raises(DataError):  # its arrays hold one picture more than it says
        evaluate_model(run.weights, other_set, split=split, device=cpu, reporter=notes.append)
    assert any("another set" in getattr(note, "message", "") for note in notes)


def test_without_a_training_split_the_rest_is_scored(run, dataset, cpu):
    tests = tuple(p for p in dataset.description.pairs if p.split == "test")
    only = dataclasses.replace(
        dataset, description=dataclasses.replace(dataset.description, pairs=tests)
    )
    result = evaluate_model(run.weights, only, device=cpu)
    assert list(by_name(result)) == ["model", "the sketch itself"]


def test_subfolders_keep_equal_names_apart(folders, tmp_path):
    for side in ("real", "generated"):
        for part in ("monday", "train", "test"):
            shutil.copytree(folders / "photos", tmp_path / side / part)
    result = evaluate_folders(tmp_path / "real", tmp_path / "generated", size=(32, 32))
    assert result.count == 24


def test_identical_folders_score_perfectly(folders, tmp_path):
    shutil.copytree(folders / "photos", tmp_path / "generated")
    result = evaluate_folders(folders / "photos", tmp_path / "generated", size=(32, 32))
    assert result.scores[0].values == {"mae": 0, "psnr": 100, "ssim": pytest.approx(1)}
    assert result.count == 8


def test_the_score_is_the_mean_over_all_pictures_not_the_last_ones(tmp_path):
    """A published SSIM of .786 was the last picture's; the mean was .716."""
    grey = np.full((16, 16, 3), 100, np.uint8)
    for index, offset in enumerate([40, 20, 0]):
        images.write(tmp_path / "real" / f"{index}.png", grey)
        images.write(tmp_path / "fake" / f"{index}.png", grey + np.uint8(offset))
    result = evaluate_folders(tmp_path / "real", tmp_path / "fake", size=(16, 16))
    assert result.scores[0].values["mae"] == pytest.approx(20)


def test_more_pictures_than_a_batch_are_all_counted(noise):
    count = evaluating.BATCH * 2 + 1
    real, fake = noise(count), noise(count, seed=1)
    whole = np.abs(real.astype(float) - fake).mean()
    assert evaluating._score("x", fake, real).values["mae"] == pytest.approx(whole)


@pytest.mark.parametrize("side", ["real", "generated"])
def test_a_missing_or_extra_file_is_an_error(folders, tmp_path, side):
    real, generated = tmp_path / "real", tmp_path / "generated"
    for copy in (real, generated):
        shutil.copytree(folders / "photos", copy)
    (tmp_path / side / "face-3.png").unlink()
    with pytest.raises(DataError, match="face-3"):
        evaluate_folders(real, generated, size=(32, 32))


def test_generated_files_of_other_sizes_and_names_are_paired(folders, tmp_path):
    for file in (folders / "photos").iterdir():
        larger = images.resize(images.read_rgb(file), (64, 64))
        images.write(tmp_path / "out" / f"{file.stem}_generated.jpg", larger)
    result = evaluate_folders(folders / "photos", tmp_path / "out", size=(32, 32))
    assert result.count == 8
    assert result.scores[0].values["mae"] < 8


def split(values):
    sketches = np.stack([np.full((2, 2), value, np.uint8) for value in values])
    photos = np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])
    return StoredSplit(Rows([sketches]), Rows([photos]), tuple(map(str, values)))


def test_baselines_by_hand():
    training, test = split([10, 20, 60]), split([18, 250]).whole()
    assert (baselines.mean_training_photo(training, test) == 30).all()
    nearest = baselines.nearest_training_photo(training, test)
    assert nearest[:, 0, 0, 0].tolist() == [20, 60]
    assert baselines.sketch_itself(test)[:, 0, 0, 2].tolist() == [18, 250]


@pytest.mark.shared
def test_baselines_on_the_cuhk_set_are_the_published_ones(shared, tmp_path):
    from sketchcli.data import sources
    from sketchcli.engine.preprocessing.preprocess import PreprocessConfig, preprocess
    from sketchcli.engine.provenance import Provenance

    source = sources.tree(shared / "cuhk-student")
    result = preprocess(
        source, Provenance("cuhk"), PreprocessConfig(), target=tmp_path / "prepared"
    )
    assert result.counts == {"train": 88, "test": 100}
    dataset = find_prepared(result.folder)
    training, test = dataset.split("train"), dataset.split("test").whole()
    mean = evaluating._score("", baselines.mean_training_photo(training, test), test.photos)
    itself = evaluating._score("", baselines.sketch_itself(test), test.photos)
    assert mean.values == {
        "ssim": pytest.approx(0.606, abs=0.005),
        "psnr": pytest.approx(15.3, rel=0.02),
        "mae": pytest.approx(33.3, rel=0.02),
    }
    assert itself.values == {
        "ssim": pytest.approx(0.615, abs=0.005),
        "psnr": pytest.approx(11.1, rel=0.02),
        "mae": pytest.approx(58.0, rel=0.02),
    }
