import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import NETWORKS

from sketchcli import checkpoint, images
from sketchcli.assets.demo import draw_pair
from sketchcli.config import Fit
from sketchcli.data import sources
from sketchcli.data.prepared import Split
from sketchcli.data.splits import SplitRule
from sketchcli.engine.evaluating import evaluate as evaluating
from sketchcli.engine.evaluating import features, references
from sketchcli.engine.evaluating.evaluate import EvalConfig, evaluate_folders, evaluate_split
from sketchcli.engine.evaluating.features import BATCH, HEADLINE, Candidate
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.generating.sample import generate_batch
from sketchcli.engine.lookup import find_prepared
from sketchcli.engine.preprocessing.pair_builder import PairOptions
from sketchcli.engine.preprocessing.preprocess import PreprocessConfig, preprocess
from sketchcli.engine.runs import Provenance, Run
from sketchcli.engine.training.train import train
from sketchcli.errors import DataError, UsageError
from sketchcli.weights_header import read_about

FEW = EvalConfig(("mae", "ssim"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where the run is trained once; the set is drawn alike for every test."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def run(tiny, dataset, trained, tmp_path, cpu, plain_curves):
    if not trained.exists():
        train(tiny, dataset, run_dir=trained, device=cpu)
    return Run(Path(shutil.copytree(trained, tmp_path / "run")))


@pytest.fixture
def evaluate(run, dataset, cpu):
    """Score the run's model on the set's test split."""

    def call(
        config=FEW, *, models=(run.weights,), folders=(), data=dataset, split="test", notes=None
    ):
        report = [].append if notes is None else notes.append
        return evaluate_split(models, folders, data, split, config, device=cpu, reporter=report)

    return call


def preprocessed(root, *, first=0, size=(32, 32), fit="stretch"):
    """A set of its own, of twelve drawn pairs from a number on."""
    for number in range(first, first + 12):
        sketch, photo = (images.resize(drawn, size) for drawn in draw_pair(number, size=48))
        images.write(root / "drawn" / "sketches" / f"face-{number}.png", sketch)
        images.write(root / "drawn" / "photos" / f"face-{number}.png", photo)
    config = PreprocessConfig(PairOptions((32, 32), Fit(fit)), SplitRule(test=0.3))
    source = sources.tree(root / "drawn")
    preprocess(source, Provenance("drawn"), config, target=root / "prepared")
    return find_prepared(root / "prepared")


def by_name(result):
    return {score.predictor: score for score in result.scores}


def values(score):
    return {name: figure.value for name, figure in score.figures.items()}


def test_a_model_stands_beside_every_baseline(evaluate, dataset):
    result = evaluate()
    scores = by_name(result)
    assert [(score.predictor, score.kind) for score in result.scores] == [
        ("model", "model"),
        ("mean training photo", "baseline"),
        ("nearest sketch's photo", "baseline"),
        ("the sketch itself", "baseline"),
    ]
    assert all(score.figures.keys() == {"mae", "ssim"} for score in scores.values())
    assert result.count == len(dataset.split("test"))
    assert result.protocol.keys() >= {"aggregation", "data range", "resize", "grey"}
    assert all(metric.protocol for metric in result.metrics.values())


def test_all_metrics_without_a_network_are_the_default(evaluate):
    result = evaluate(EvalConfig())
    assert {"ssim", "fsim", "colour-shift"} <= result.metrics.keys()
    assert result.unavailable["lpips-alex"] == "sketch2img fetch-data lpips-alex"
    assert (
        result.unavailable["rank-1"] == "sketch2img fetch-data yunet; sketch2img fetch-data sface"
    )
    assert list(result.metrics)[:3] == ["ssim", "psnr", "mae"]


def test_ranks_follow_the_direction_and_equal_values_share_one(evaluate):
    scores = evaluate().scores
    for name, sign in (("mae", 1), ("ssim", -1)):
        figures = [score.figures[name] for score in scores]
        assert [f.rank for f in figures] == [
            1 + sum(sign * g.value < sign * f.value for g in figures) for f in figures
        ]
        assert all(f.low <= f.value <= f.high for f in figures)


def test_a_model_tells_its_figures_on_training_pairs(evaluate):
    score = by_name(evaluate())["model"]
    assert score.on_training.keys() == {"mae", "ssim"}
    assert score.trained_on == 0


def test_pairs_that_a_model_was_trained_on_are_refused(evaluate, dataset):
    with pytest.raises(DataError, match="was trained on") as caught:
        evaluate(split="train")
    assert "--allow-trained" in caught.value.hint
    result = evaluate(dataclasses.replace(FEW, allows_trained=True), split="train")
    trained = by_name(result)["model"].trained_on
    assert 0 < trained < len(dataset.split("train"))  # the held-out ones it never saw


def test_several_models_and_folders_stand_in_one_table(evaluate, run, dataset, tmp_path):
    shutil.copytree(run.folder, tmp_path / "other")
    split = dataset.split("test")
    for name, photo in zip(split.ids, split.photos, strict=True):
        images.write(tmp_path / "copies" / f"{name}_generated.png", photo)
    result = evaluate(
        models=(run.weights, tmp_path / "other" / "weights.safetensors"),
        folders=(tmp_path / "copies",),
    )
    scores = by_name(result)
    assert list(scores)[:3] == ["run", "other", "copies"]
    assert values(scores["run"]) == values(scores["other"])
    assert values(scores["copies"]) == {"mae": 0, "ssim": pytest.approx(1)}
    assert scores["copies"].figures["mae"].rank == 1
    assert scores["run"].figures["mae"].rank == scores["other"].figures["mae"].rank


def test_folders_of_one_name_are_told_apart_by_what_is_above_them(folders, tmp_path):
    for model in ("first", "second"):
        shutil.copytree(folders / "photos", tmp_path / model / "out")
    both = [tmp_path / "first" / "out", tmp_path / "second" / "out"]
    result = evaluate_folders(folders / "photos", both, FEW, size=(32, 32))
    assert list(by_name(result)) == ["first/out", "second/out"]
    assert [score.source for score in result.scores] == [str(folder) for folder in both]


def test_an_unknown_metric_lists_the_known_ones(evaluate):
    with pytest.raises(UsageError, match="beauty") as caught:
        evaluate(EvalConfig(("mae", "beauty")))
    assert "ssim" in caught.value.hint


def test_what_is_refused_is_refused_before_anything_is_looked_at(
    evaluate, run, tmp_path, monkeypatch
):
    monkeypatch.setattr(features, "look", lambda *_: pytest.fail("looked"))
    with pytest.raises(UsageError, match="two methods"):
        evaluate(models=(run.weights, run.weights))
    (tmp_path / "report").touch()
    with pytest.raises(DataError, match="is a file, but a folder is needed"):
        evaluate(dataclasses.replace(FEW, folder=tmp_path / "report"))
    report = run.report.read_bytes()
    with pytest.raises(DataError, match="is not empty and contains no evaluation"):
        evaluate(dataclasses.replace(FEW, folder=run.folder))
    assert run.report.read_bytes() == report
    monkeypatch.setattr(references, "nearest_photo", lambda *_: pytest.fail("looked"))
    with pytest.raises(DataError, match="was trained on"):
        evaluate(split="train")


def test_what_the_weights_were_before_counts_as_trained_on(evaluate, run, tiny, tmp_path, cpu):
    """Tuning on other pairs does not make a model forget those that it began with."""
    others = preprocessed(tmp_path / "others", first=100)
    config = dataclasses.replace(tiny, init_from=str(run.folder))
    tuned = train(config, others, run_dir=tmp_path / "tuned", device=cpu)
    again = dataclasses.replace(tiny, init_from=str(tuned.run_dir))
    twice = train(again, others, run_dir=tmp_path / "twice", device=cpu)
    for result in (tuned, twice):
        with pytest.raises(DataError, match="was trained on"):
            evaluate(models=(result.weights,), split="train")
        about = read_about(result.weights)
        assert about["dataset"]["training_pairs"] < len(others.split("train"))


def test_a_copy_of_a_training_photo_is_found_out(evaluate, dataset, tmp_path):
    training, test = dataset.split("train"), dataset.split("test")
    for row, name in enumerate(test.ids):
        images.write(tmp_path / "copies" / f"{name}.png", training.photos[row])
    score = by_name(evaluate(models=(), folders=(tmp_path / "copies",)))["copies"]
    assert score.memorisation.share_copied == 1
    assert score.memorisation.share_nearer > 0.5


def test_the_discriminator_is_scored_where_the_run_has_it(evaluate, run):
    assert 0 <= by_name(evaluate())["model"].discriminator.accuracy <= 1
    tensors, about = checkpoint.load(run.state)
    checkpoint.save(run.state, tensors, {k: v for k, v in about.items() if k != "config"})
    for said in ("of another version", "no training state"):
        notes = []
        assert by_name(evaluate(notes=notes))["model"].discriminator is None
        assert any(said in getattr(note, "message", "") for note in notes)
        run.state.unlink(missing_ok=True)


def test_accuracy_precision_recall_and_f1_by_hand():
    score = references.rates(np.array([0.9, 0.8, 0.4, 0.7]), np.array([0.6, 0.1, 0.2, 0.3]))
    assert score.accuracy == 6 / 8
    assert score.precision == 3 / 4
    assert score.recall == 3 / 4
    assert score.f1 == pytest.approx(3 / 4)


def test_a_discriminator_that_calls_all_fake_has_no_precision():
    score = references.rates(np.zeros(3), np.zeros(3))
    assert (score.accuracy, score.precision, score.recall, score.f1) == (0.5, 0, 0, 0)


def test_a_model_of_another_size_draws_at_its_own_and_is_resized(
    evaluate, run, dataset, tmp_path, cpu
):
    height, width = larger = tuple(side * 2 for side in dataset.description.size)
    tensors, about = checkpoint.load(run.weights)
    weights = tmp_path / "larger" / "weights.safetensors"
    checkpoint.save(weights, tensors, about | {"size": list(larger)})
    test, place = dataset.split("test").whole(), tmp_path / "by hand"
    sketches = np.stack([images.resize(sketch, larger) for sketch in test.sketches])
    photos = generate_batch(load_model(weights, cpu).generator, sketches, cpu)
    for name, photo in zip(test.ids, photos, strict=True):
        images.write(place / f"{name}.png", images.resize(photo, dataset.description.size))
    result = evaluate(models=(weights,), folders=(place,))
    scores = by_name(result)
    assert scores["model"].figures["ssim"] == scores["by hand"].figures["ssim"]
    assert f"generates photos of {width}x{height}: sketches were resized" in result.warnings[0]


def test_a_set_that_the_model_was_not_trained_on_is_mentioned(evaluate, dataset):
    assert evaluate().warnings == ()
    test = tuple(pair for pair in dataset.description.pairs if pair.split == "test")
    other = dataclasses.replace(dataset.description, pairs=test)
    result = evaluate(data=dataclasses.replace(dataset, description=other))
    assert [score.predictor for score in result.scores] == ["model", "the sketch itself"]
    assert "another dataset" in result.warnings[0]
    assert "no training split" in result.warnings[1]


def test_subfolders_keep_equal_names_apart(folders, tmp_path):
    for side in ("real", "generated"):
        for part in ("monday", "train", "test"):
            shutil.copytree(folders / "photos", tmp_path / side / part)
    result = evaluate_folders(tmp_path / "real", [tmp_path / "generated"], FEW, size=(32, 32))
    assert result.count == 24
    assert values(result.scores[0])["mae"] == 0


def test_identical_folders_score_perfectly(folders, tmp_path):
    shutil.copytree(folders / "photos", tmp_path / "generated")
    config = EvalConfig(("mae", "psnr", "ssim"))
    result = evaluate_folders(folders / "photos", [tmp_path / "generated"], config, size=(32, 32))
    assert values(result.scores[0]) == {"mae": 0, "psnr": 100, "ssim": pytest.approx(1)}
    assert result.count == 8


def test_the_score_is_the_mean_over_all_pictures_not_the_last_ones(tmp_path):
    """A published SSIM of .786 was the last picture's; the mean was .716."""
    grey = np.full((16, 16, 3), 100, np.uint8)
    for index, offset in enumerate([40, 20, 0]):
        images.write(tmp_path / "real" / f"{index}.png", grey)
        images.write(tmp_path / "fake" / f"{index}.png", grey + np.uint8(offset))
    result = evaluate_folders(tmp_path / "real", [tmp_path / "fake"], FEW, size=(16, 16))
    assert values(result.scores[0])["mae"] == pytest.approx(20)


def test_more_pictures_than_a_batch_are_all_counted(noise, tmp_path):
    count = BATCH * 2 + 1
    real, fake = noise(count), noise(count, seed=1)
    for folder, pictures in (("real", real), ("fake", fake)):
        for index, picture in enumerate(pictures):
            images.write(tmp_path / folder / f"{index}.png", picture)
    result = evaluate_folders(tmp_path / "real", [tmp_path / "fake"], FEW, size=(16, 16))
    whole = np.abs(real.astype(float) - fake).mean()
    assert values(result.scores[0])["mae"] == pytest.approx(whole)
    assert result.scores[0].figures["mae"].count == count


def test_batches_of_any_size_give_the_same_figures(noise, tmp_path, monkeypatch):
    real, fake = noise(11), noise(11, seed=1)
    for folder, drawn in (("real", real), ("fake", fake)):
        for index, picture in enumerate(drawn):
            images.write(tmp_path / folder / f"{index}.png", picture)
    found = []
    for batch in (1, 4, 100):
        monkeypatch.setattr(features, "BATCH", batch)
        monkeypatch.setenv("SKETCH2IMG_HOME", str(tmp_path / f"home-{batch}"))  # nothing is kept
        config = EvalConfig()
        result = evaluate_folders(tmp_path / "real", [tmp_path / "fake"], config, size=(16, 16))
        found.append(values(result.scores[0]))
    assert len(found[0]) > 8
    assert found[0] == pytest.approx(found[2], rel=1e-9)
    assert found[1] == pytest.approx(found[2], rel=1e-9)


def test_two_real_photos_of_one_name_are_an_error(folders, tmp_path):
    shutil.copytree(folders / "photos", tmp_path / "generated")
    photo = images.read_rgb(folders / "photos" / "face-3.png")
    images.write(folders / "photos" / "face-3.jpg", 255 - photo)
    with pytest.raises(DataError, match="two images named 'face-3'"):
        evaluate_folders(folders / "photos", [tmp_path / "generated"], FEW, size=(32, 32))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_folders_pictures_are_fitted_as_the_sets_photos_were(tmp_path, cpu, fit):
    tall = preprocessed(tmp_path / "tall", size=(48, 32), fit=fit)
    names = tall.split("test").ids
    for name in names:
        photo = tmp_path / "tall" / "drawn" / "photos" / f"{name}.png"
        images.write(tmp_path / "copies" / f"{name}.png", images.read_rgb(photo))
    result = evaluate_split((), [tmp_path / "copies"], tall, "test", FEW, device=cpu)
    assert values(by_name(result)["copies"])["mae"] == 0


def test_of_a_set_cut_by_faces_folders_are_doubted(evaluate, dataset, tmp_path):
    for name, photo in zip(dataset.split("test").ids, dataset.split("test").photos, strict=True):
        images.write(tmp_path / "copies" / f"{name}.png", photo)
    about = dataclasses.replace(dataset.description, align="face")
    cut = dataclasses.replace(dataset, description=about)
    result = evaluate(models=(), folders=(tmp_path / "copies",), data=cut)
    assert any("aligned by their faces" in warning for warning in result.warnings)
    assert "aligned by face" in result.protocol["set"]


@pytest.mark.parametrize("side", ["real", "generated"])
def test_a_missing_or_extra_file_is_an_error(folders, tmp_path, monkeypatch, side):
    real, generated = tmp_path / "real", tmp_path / "generated"
    for copy in (real, generated):
        shutil.copytree(folders / "photos", copy)
    (tmp_path / side / "face-3.png").unlink()
    fault = "has no matching real photo" if side == "real" else "is missing"
    monkeypatch.chdir(generated)
    for folder in (generated, Path()):  # all relative names are below the folder that one is in
        with pytest.raises(DataError, match=f"face-3.*{fault}"):
            evaluate_folders(real, [folder], FEW, size=(32, 32))


def test_generated_files_of_other_sizes_and_names_are_paired(folders, tmp_path):
    for file in (folders / "photos").iterdir():
        larger = images.resize(images.read_rgb(file), (64, 64))
        images.write(tmp_path / "out" / f"{file.stem}_generated.jpg", larger)
    result = evaluate_folders(folders / "photos", [tmp_path / "out"], FEW, size=(32, 32))
    assert result.count == 8
    assert values(result.scores[0])["mae"] < 8


def test_the_folder_holds_the_report_the_plots_and_every_pictures_figures(evaluate, tmp_path):
    result = evaluate(dataclasses.replace(FEW, folder=tmp_path / "out"))
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made >= {"report.html", "figures.csv", "result.json"}
    lines = (tmp_path / "out" / "figures.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + result.count * len(result.scores)
    stored = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(dataclasses.asdict(result), default=str))
    assert stored["protocol"].keys() >= {"program", "pictures", "size", "resize", "grey", "set"}
    assert stored["metrics"]["ssim"]["protocol"].startswith("grey = 0.299")
    assert stored["scores"][0]["source"].endswith("weights.safetensors")
    evaluate(dataclasses.replace(FEW, folder=tmp_path / "out"))  # an evaluation is replaced


def test_evaluations_at_the_same_time_have_folders_of_their_own(folders, tmp_path):
    new = EvalConfig(("mae",), home=tmp_path / "evaluations")
    photos = folders / "photos"
    found = {evaluate_folders(photos, [photos], new, size=(32, 32)).folder for _ in range(2)}
    assert found == set((tmp_path / "evaluations").iterdir())
    assert len(found) == 2


def split(values):
    sketches = np.stack([np.full((2, 2), value, np.uint8) for value in values])
    photos = np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])
    return Split(sketches, photos, tuple(map(str, values)))


def test_baselines_by_hand():
    training, test, rows = split([10, 20, 60]), split([18, 250]), range(2)
    assert (references.mean_photo(training)(rows) == 30).all()
    assert references.nearest_photo(training, test)(rows)[:, 0, 0, 0].tolist() == [20, 60]
    assert references.nearest_photo(training, test)(range(1, 2))[:, 0, 0, 0].tolist() == [60]
    assert references.sketch_itself(test)(rows)[:, 0, 0, 2].tolist() == [18, 250]


def test_the_nearest_sketch_is_found_in_blocks_of_any_size(noise, monkeypatch):
    sketches = [noise(count, 8, seed)[..., 0] for seed, count in enumerate((23, 11))]
    training, test = (
        Split(drawn, drawn[..., None].repeat(3, 3), tuple(map(str, drawn))) for drawn in sketches
    )
    differences = sketches[1][:, None].astype(float) - sketches[0]
    nearest = (differences**2).sum(axis=(2, 3)).argmin(axis=1).tolist()
    for block in (1, 64 * 5, 10_000):
        monkeypatch.setattr(references, "BLOCK", block)
        found = references.nearest_photo(training, test)(range(len(nearest)))
        np.testing.assert_array_equal(found, training.photos[nearest])


@pytest.mark.shared
@pytest.mark.slow
def test_the_designs_rows_on_the_cuhk_set(shared, tmp_path, home, cpu, monkeypatch):
    """Section 8 of the design: two baselines that anybody can compute again.

    The sketches come from a folder here; as a baseline they are the same (`sketch_itself`). KID is
    looked at for one baseline, since Inception takes longer than all the rest.
    """
    if not (NETWORKS / "assets").is_dir():
        pytest.skip(f"no networks in {NETWORKS}")
    home.mkdir()
    (home / "assets").symlink_to(NETWORKS / "assets")
    monkeypatch.setattr(evaluating, "HALVES", 2)  # no interval is looked at
    source = sources.tree(shared / "cuhk-student")
    prepared = preprocess(source, Provenance("c"), PreprocessConfig(), target=tmp_path / "cuhk")
    assert prepared.counts == {"train": 88, "test": 100}
    dataset = find_prepared(prepared.folder)
    test = dataset.split("test")
    for name, sketch in zip(test.ids, test.sketches, strict=True):
        images.write(tmp_path / "sketches" / f"{name}.png", sketch)
    mean = Candidate("mean", "baseline", references.mean_photo(dataset.split("train")))
    monkeypatch.setattr(references, "baselines", lambda *_: {"mean": mean.read})
    config = EvalConfig(tuple(name for name in HEADLINE if name != "kid"))
    result = evaluate_split((), [tmp_path / "sketches"], dataset, "test", config, device=cpu)
    assert result.metrics["rank-1"].title == "rank-1 of 100"
    scores = by_name(result)
    expected = {
        "mean": (0.606, 15.3, 33.3, 0.301, 0.241, 0.468, 0.01),
        "sketches": (0.615, 11.1, 58.0, 0.324, 0.369, 0.060, 0.63),
    }
    for name, (ssim, psnr, mae, lpips, cosine, eer, rank) in expected.items():
        assert values(scores[name]) == {
            "ssim": pytest.approx(ssim, abs=0.005),
            "psnr": pytest.approx(psnr, rel=0.02),
            "mae": pytest.approx(mae, rel=0.02),
            "lpips-alex": pytest.approx(lpips, abs=0.005),
            "face-similarity": pytest.approx(cosine, abs=0.02),
            "verification-eer": pytest.approx(eer, abs=0.02),
            "rank-1": pytest.approx(rank, abs=0.02),
        }
    tools = features.open_tools(("kid",), size=test.size)
    reference = references.reference_of_split(dataset, "test")
    real = features.look(reference, tools, [].append)
    (shown,) = features.measure([mean], reference, tools, real, [].append)
    kid = tools.metrics["kid"].compare(shown.features["inception"], real.features["inception"])
    assert kid == pytest.approx(214, rel=0.05)
