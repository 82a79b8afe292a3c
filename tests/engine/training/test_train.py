import dataclasses
import json
import re
import signal
import statistics
import threading

import pytest
import torch
from engine.training.interrupting import interrupt_after, read_log

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.data.prepared import hold_out
from sketchcli.device import Device
from sketchcli.engine.events import BatchTrained, EpochTrained, Found
from sketchcli.engine.runs import Run, find_weights
from sketchcli.engine.training import checkpointing, diagnosis, loop, validation
from sketchcli.engine.training import train as train_module
from sketchcli.engine.training.networks import rate_factor
from sketchcli.engine.training.session import finite
from sketchcli.engine.training.train import train
from sketchcli.errors import (
    CheckpointError,
    DataError,
    InterruptedRunError,
    TrainingError,
    UsageError,
)
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


def test_a_run_leaves_all_that_is_promised(tiny, dataset, run_dir, cpu):
    events = []
    result = train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    run = Run(run_dir)
    assert settings.from_dict(settings.read_file(run.config)) == tiny
    for file in (run.weights, run.state, run.curves, run.result, result.samples):
        assert file.stat().st_size
    assert sorted(p.name for p in run.samples.iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    assert not [p for p in run_dir.rglob("*") if p.name.startswith(".")]
    epochs = [e for e in events if isinstance(e, EpochTrained)]
    assert [e.epoch for e in epochs] == [1, 2]
    assert result.images_seen == 2 * epochs[0].batches * tiny.data.batch_size


def test_the_log_holds_every_batch_with_both_losses(tiny, dataset, run_dir, cpu):
    events = []
    train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    logged = [line for line in read_log(Run(run_dir)) if line["kind"] == "batch"]
    reported = [finite(dataclasses.asdict(e)) for e in events if isinstance(e, BatchTrained)]
    assert [{k: v for k, v in line.items() if k in reported[0]} for line in logged] == reported
    assert {"epoch", "batch", "generator_loss", "discriminator_loss"} <= logged[0].keys()
    epoch = next(line for line in read_log(Run(run_dir)) if line["kind"] == "epoch")
    first = [line for line in logged if line["epoch"] == 1]
    for name in ("generator_loss", "discriminator_loss"):
        assert epoch[f"last_{name}"] == first[-1][name]
        assert epoch[name] == pytest.approx(statistics.fmean(line[name] for line in first))


def test_the_log_is_read_once_however_often_a_run_validates_and_saves(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    read, reads = Run.cut_log, []
    monkeypatch.setattr(Run, "cut_log", lambda run, *more: reads.append(run) or read(run, *more))
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    config = settings.merge(tiny, {"epochs": 3, "validation": {"every": 1}})
    train(config, dataset, run_dir=run_dir, device=cpu)
    assert len(reads) == 1
    train(settings.merge(config, {"epochs": 4}), dataset, run_dir=run_dir, device=cpu)
    assert len(reads) == 2


def test_training_lowers_the_error_on_pairs_it_never_saw(tiny, dataset, run_dir, cpu):
    config = settings.merge(tiny, {"epochs": 12, "validation": {"every": 1}})
    train(config, dataset, run_dir=run_dir, device=cpu)
    measured = [x for x in read_log(Run(run_dir)) if x["kind"] == "validation"]
    errors = [x["scores"]["mae"] for x in measured]
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize("preset", ["modern", "paper"])
@pytest.mark.parametrize("batches", [1, 3, 4])  # in, at the end of, and after the first epoch
def test_an_interrupted_run_goes_on_bit_for_bit(tiny, dataset, tmp_path, cpu, preset, batches):
    if preset == "paper":  # its batch norm; its discriminator is too large for these pictures
        narrow = {"generator": "resnet", "generator_options": {"width": 4, "blocks": 1}}
        tiny = settings.merge(tiny, {"model": narrow})
    before = signal.getsignal(signal.SIGINT)
    whole = train(tiny, dataset, run_dir=tmp_path / "whole", device=cpu)
    with pytest.raises(InterruptedRunError) as caught:
        train(
            tiny,
            dataset,
            run_dir=tmp_path / "halves",
            device=cpu,
            reporter=interrupt_after(batches),
        )
    assert "--run-dir" in caught.value.hint
    assert signal.getsignal(signal.SIGINT) is before
    halves = train(tiny, dataset, run_dir=tmp_path / "halves", device=cpu)
    for name in ("weights.safetensors", "state.safetensors"):
        expected, _ = checkpoint.load(tmp_path / "whole" / name)
        found, _ = checkpoint.load(tmp_path / "halves" / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert halves.generator_loss == whole.generator_loss
    logs = [read_log(Run(tmp_path / half)) for half in ("whole", "halves")]
    losses = [[(x["kind"], x["epoch"], x.get("generator_loss")) for x in log] for log in logs]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "step"])
def test_the_learning_rate_goes_on_where_it_was(tiny, dataset, run_dir, cpu, schedule):
    optimizer = dataclasses.replace(tiny.optimizer, schedule=schedule, decay_from=0.25)
    config = dataclasses.replace(tiny, epochs=4, optimizer=optimizer)
    batches = 3
    with pytest.raises(InterruptedRunError):
        train(config, dataset, run_dir=run_dir, device=cpu, reporter=interrupt_after(batches + 1))
    train(config, dataset, run_dir=run_dir, device=cpu)
    epochs = [line for line in read_log(Run(run_dir)) if line["kind"] == "epoch"]
    assert [line["batches"] for line in epochs] == [batches] * 4
    expected = [
        optimizer.lr * rate_factor(optimizer, epoch=number + (batches - 1) / batches, epochs=4)
        for number in range(4)
    ]
    assert [line["lr"] for line in epochs] == pytest.approx(expected)
    assert expected[-1] < expected[0]


def test_the_best_weights_are_those_of_the_best_measurement(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    scores = iter([1.0, 3.0, 2.0, 2.5, 9.0])
    monkeypatch.setattr(validation, "chosen_score", lambda *_: next(scores))
    patient = settings.merge(tiny, {"epochs": 5, "validation": {"patience": 2}})
    result = train(patient, dataset, run_dir=run_dir, device=cpu)
    assert (result.best_epoch, result.epochs) == (2, 4)  # two more, neither of them better
    assert read_about(result.best)["epochs_done"] == 2
    assert read_about(result.weights)["epochs_done"] == 4
    best, last = (checkpoint.load(file)[0] for file in (result.best, result.weights))
    assert any(not torch.equal(best[name], last[name]) for name in last)


def test_a_score_whose_network_sees_nothing_in_the_pictures_is_refused(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    monkeypatch.setattr(validation.lpips, "LPIPS_ALEX_SMALLEST_SIDE", 33)
    config = settings.merge(tiny, {"validation": {"score": "lpips-alex"}})
    with pytest.raises(UsageError, match="33 pixels"):
        train(config, dataset, run_dir=run_dir, device=cpu)
    assert not run_dir.exists()


def test_a_run_that_is_to_be_judged_by_another_score_finds_its_best_anew(
    tiny, dataset, run_dir, cpu
):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    other = settings.merge(tiny, {"epochs": 3, "validation": {"score": "mae"}})
    assert train(other, dataset, run_dir=run_dir, device=cpu).best_epoch == 3
    assert read_about(Run(run_dir).best)["epochs_done"] == 3


def test_the_report_needs_no_server_and_the_card_names_licence_and_limits(
    tiny, dataset, run_dir, cpu
):
    result = train(tiny, dataset, run_dir=run_dir, device=cpu)
    page = result.report.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    assert not re.search(r"https?://(?!www\.w3\.org/)|url\(|@import|<script|<link", page)
    card = result.card.read_text(encoding="utf-8")
    for words in ("licence: MIT", f"`{dataset.description.name}`", "not evidence of identity"):
        assert words in card


def test_what_was_logged_after_the_last_state_is_trained_again(tiny, dataset, run_dir, cpu):
    with pytest.raises(InterruptedRunError):
        train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=interrupt_after(2))
    log = Run(run_dir).log
    late = json.dumps({"kind": "batch", "images_seen": 10**6, "generator_loss": 0})
    log.write_text(log.read_text() + late + '\n{"kind": "ba')  # a crash after the save
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert max(line["images_seen"] for line in read_log(Run(run_dir))) < 10**6


def test_a_crash_before_the_first_save_starts_anew(tiny, dataset, run_dir, cpu):
    run_dir.mkdir()
    (run_dir / "config.toml").write_text("")
    (run_dir / "log.jsonl").write_text('{"kind": "batch", "images_seen": 2, "epoch": 1}\n{"kin')
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert len([x for x in read_log(Run(run_dir)) if x["kind"] == "epoch"]) == tiny.epochs


def test_a_failed_start_leaves_no_folder(tiny, dataset, run_dir, cpu):
    wrong = settings.merge(tiny, {"model": {"generator": "vae"}})
    with pytest.raises(UsageError):
        train(wrong, dataset, run_dir=run_dir, device=cpu)
    assert not run_dir.exists()


def test_losses_that_are_not_finite_end_the_run_with_the_cure(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    def nothing(*_):
        return torch.tensor(float("nan"), requires_grad=True)

    monkeypatch.setattr("sketchcli.engine.training.trainer.reconstruction_loss", nothing)
    with pytest.raises(TrainingError) as caught:
        train(dataclasses.replace(tiny, epochs=9), dataset, run_dir=run_dir, device=cpu)
    assert "--lr" in caught.value.hint
    assert not Run(run_dir).result.exists()


def test_a_run_goes_on_in_the_precision_that_it_was_begun_in(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    other = dataclasses.replace(cpu, precision="bf16")
    train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=other)
    assert read_about(Run(run_dir).state)["precision"] == "fp32"


def test_a_run_begun_in_fp16_goes_on_in_another_precision_on_a_cpu(tiny, dataset, run_dir, cpu):
    begun = dataclasses.replace(cpu, precision="fp16")
    train(tiny, dataset, run_dir=run_dir, device=begun)
    events = []
    longer = dataclasses.replace(tiny, epochs=3)
    assert train(longer, dataset, run_dir=run_dir, device=cpu, reporter=events.append).epochs == 3
    assert any("started in fp16; resuming in fp32" in getattr(e, "message", "") for e in events)
    assert read_about(Run(run_dir).state)["precision"] == "fp32"


def test_a_run_begun_in_fp16_goes_on_in_another_precision_wherever_there_is_no_cuda(
    tmp_path, monkeypatch
):
    run, device = Run(tmp_path), Device("mps", "fp32", 1)
    monkeypatch.setattr(checkpointing, "about_run", lambda _: {"precision": "fp16"})
    assert checkpointing.precision_as_begun(run, device, lambda _: None) == device


def test_a_run_goes_on_with_the_epochs_that_its_budget_came_to(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    monkeypatch.setattr(train_module, "epochs_that_fit", lambda *_: 1)
    monkeypatch.setattr(loop, "replanned", lambda *_, **__: 5)  # the machine is quicker
    with pytest.raises(InterruptedRunError):
        train(
            tiny, dataset, run_dir=run_dir, device=cpu, budget=600.0, reporter=interrupt_after(10)
        )
    found = settings.from_dict(settings.read_file(Run(run_dir).config))
    assert found == dataclasses.replace(tiny, epochs=5)
    assert train(found, dataset, run_dir=run_dir, device=cpu).epochs == 5
    assert read_about(Run(run_dir).weights)["config"]["epochs"] == 5


def test_fewer_epochs_than_done_are_refused(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    with pytest.raises(CheckpointError, match="trained for 2 epochs"):
        train(dataclasses.replace(tiny, epochs=1), dataset, run_dir=run_dir, device=cpu)
    assert settings.from_dict(settings.read_file(Run(run_dir).config)) == tiny


def test_a_state_of_other_networks_is_refused(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    tensors, about = checkpoint.load(Run(run_dir).state)
    tensors.pop("generator.output.bias")
    checkpoint.save(Run(run_dir).state, tensors, about)
    with pytest.raises(CheckpointError, match="does not fit"):
        train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)


def test_the_same_command_after_the_end_trains_nothing_more(tiny, dataset, run_dir, cpu):
    first = train(tiny, dataset, run_dir=run_dir, device=cpu)
    events = []
    again = train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    assert again == first
    assert not [e for e in events if isinstance(e, BatchTrained)]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_metric_whose_network_came_or_went_is_left_out_of_the_comparison(
    tiny, dataset, run_dir, cpu, monkeypatch, is_new
):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    scores = validation.Validator.scores

    def others(*arguments):
        found = scores(*arguments)
        return found | {"lpips-alex": 0.5} if is_new else {"mae": found["mae"]}

    monkeypatch.setattr(validation.Validator, "scores", others)
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    table = Run(run_dir).report.read_text().partition("Scores on held-out pairs")[2]
    head = table.partition("</thead>")[0]
    assert ("lpips-alex" in head, "ssim" in head) == (False, is_new)
    assert "mae" in head


def test_more_epochs_go_on_from_the_end(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    longer = dataclasses.replace(tiny, epochs=3)
    assert train(longer, dataset, run_dir=run_dir, device=cpu).epochs == 3
    assert settings.from_dict(settings.read_file(Run(run_dir).config)) == longer


def test_other_settings_are_refused_and_the_state_stays(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    before = Run(run_dir).state.read_bytes()
    with pytest.raises(CheckpointError, match="other settings"):
        train(dataclasses.replace(tiny, seed=5), dataset, run_dir=run_dir, device=cpu)
    assert Run(run_dir).state.read_bytes() == before


def test_other_data_is_refused(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    fewer = dataclasses.replace(dataset.description, pairs=dataset.description.pairs[1:])
    about = read_about(Run(run_dir).state)
    pairs, changed = hold_out(dataset, 2, seed=0), dataclasses.replace(dataset, description=fewer)
    with pytest.raises(CheckpointError, match="another dataset"):
        checkpointing.Checkpointer(Run(run_dir), tiny, changed, pairs, "fp32").check_is_ours(about)


def test_a_folder_with_something_else_in_it_is_left_alone(tiny, dataset, run_dir, cpu):
    run_dir.mkdir()
    (run_dir / "thesis.docx").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert [p.name for p in run_dir.iterdir()] == ["thesis.docx"]


def test_a_full_disk_leaves_the_last_good_state(tiny, dataset, run_dir, cpu, monkeypatch):
    with pytest.raises(InterruptedRunError):
        train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=interrupt_after(2))
    good = Run(run_dir).state.read_bytes()

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.safetensors.torch, "save_file", no_space)
    with pytest.raises(DataError, match="No space left"):
        train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert Run(run_dir).state.read_bytes() == good
    assert not list(run_dir.glob(".*"))


def test_held_out_pairs_are_never_trained_on(dataset):
    division = hold_out(dataset, 2, seed=0)
    whole = dataset.split("train")
    assert division.is_held_out
    assert len(division.looked_at) == len(whole) // 4
    trained = {whole.ids[index] for index in division.trained}
    assert not trained & set(division.looked_at.ids)
    assert trained | set(division.looked_at.ids) == set(whole.ids)


def test_an_error_on_pairs_that_are_trained_on_is_not_reported(tiny, dataset, run_dir, cpu):
    config = settings.merge(tiny, {"data": {"validation_pairs": 0}})
    result = train(config, dataset, run_dir=run_dir, device=cpu)
    assert result.scores == {}
    assert result.best is None
    assert result.samples.exists()


def test_a_finished_run_survives_the_loss_of_its_log_and_samples(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run = Run(run_dir)
    run.log.unlink()
    for sample in run.samples.iterdir():
        sample.unlink()
    again = train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert again.samples.exists()
    assert run.result.exists()


def test_a_config_of_somebody_else_is_not_a_run(tiny, dataset, run_dir, cpu):
    run_dir.mkdir()
    (run_dir / "config.toml").write_text("title = 'my site'")
    with pytest.raises(DataError, match="not contain a run"):
        train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert (run_dir / "config.toml").read_text() == "title = 'my site'"


def test_a_sets_own_validation_split_is_looked_at_and_all_of_training_is_trained_on(tiny, dataset):
    pairs = tuple(
        dataclasses.replace(p, split="val" if p.split == "test" else p.split)
        for p in dataset.description.pairs
    )
    for kind in ("sketches", "photos"):
        (dataset.folder / f"test-{kind}.npy").rename(dataset.folder / f"val-{kind}.npy")
    described = dataclasses.replace(dataset.description, pairs=pairs)
    division = hold_out(dataclasses.replace(dataset, description=described), 2, seed=0)
    assert len(division.trained) == described.counts["train"]
    assert len(division.looked_at) == described.counts["val"]


def test_a_set_smaller_than_a_batch_trains(tiny, dataset, run_dir, cpu):
    config = settings.merge(tiny, {"data": {"batch_size": 64}})
    assert train(config, dataset, run_dir=run_dir, device=cpu).images_seen < 64


def test_it_trains_outside_the_main_thread(tiny, dataset, run_dir, cpu):
    results = []
    work = threading.Thread(
        target=lambda: results.append(train(tiny, dataset, run_dir=run_dir, device=cpu))
    )
    work.start()
    work.join()
    assert results[0].epochs == tiny.epochs


def test_the_newest_finished_run_is_found(tiny, dataset, home, cpu):
    for name in ("first", "second"):
        train(tiny, dataset, run_dir=home / "runs" / name, device=cpu)
    (home / "runs" / "unfinished").mkdir()
    assert find_weights(None).parent.name == "second"


def test_the_weights_tell_where_they_come_from(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    about = read_about(Run(run_dir).weights)
    assert about["dataset"]["licence"] == "MIT"
    assert about["dataset"]["fingerprint"] == dataset.description.fingerprint
    assert settings.from_dict(about["config"]) == tiny
    assert about["size"] == [32, 32]


@pytest.mark.parametrize(("setting", "halved"), [("act", 0.5), ("tell", 1.0)])
def test_the_doctor_acts_only_if_the_settings_let_it(
    tiny, dataset, run_dir, cpu, monkeypatch, setting, halved
):
    won = diagnosis.Finding("won", "it has won", diagnosis.WEAKEN_DISCRIMINATOR)
    too_high = diagnosis.Finding("too-high", "too high", diagnosis.LOWER_RATE)
    found = iter([(won, too_high)])

    def read(_, line):
        return next(found, ()) if line["kind"] == "validation" else ()

    monkeypatch.setattr(diagnosis.Doctor, "read", read)
    config = settings.merge(tiny, {"epochs": 1, "validation": {"every": 1, "doctor": setting}})
    events = []
    train(config, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    progress = read_about(Run(run_dir).state)["progress"]
    assert (progress["discriminator_scale"], progress["rate_scale"]) == (halved, halved)
    found = [event for event in events if isinstance(event, Found)]
    acted = setting == "act"
    assert [event.message for event in found] == [
        f"it has won{diagnosis.DONE[won.treatment] if acted else ''}",
        f"too high{diagnosis.DONE[too_high.treatment] if acted else ''}",
    ]
    assert [bool(event.treatment) for event in found] == [acted, acted]
    assert settings.preset("paper").validation.doctor == "tell"
