"""What may go wrong with a run, and what is left of it then."""

import dataclasses
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine.training.interrupting import read_log, wait_for

from sketchcli import checkpoint, files
from sketchcli import config as settings
from sketchcli.engine.events import BatchTrained, Note
from sketchcli.engine.runs import Run
from sketchcli.engine.training import loop
from sketchcli.engine.training import train as train_module
from sketchcli.engine.training.train import train
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import CheckpointError, DataError, TrainingError
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "run"


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_a_second_process_in_the_same_run_is_refused(tiny, dataset, run_dir, cpu):
    with (
        files.locked(run_dir, doing="trained"),
        pytest.raises(DataError, match="is being trained by another"),
    ):
        train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert not run_dir.exists()


def test_the_lock_is_gone_after_the_end(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert not list(run_dir.parent.glob(".run*"))


SAVES_OFTEN = """
import sys
from pathlib import Path
from sketchcli import config, device
from sketchcli.data import prepared
from sketchcli.engine.training import loop
from sketchcli.engine.training.train import train

loop.SAVE_EVERY_SECONDS = 0
folder, settings, run_dir = map(Path, sys.argv[1:])
chosen = config.from_dict(config.read_file(settings))
cpu = device.resolve("cpu", precision="fp32")
train(chosen, prepared.read(folder), run_dir=run_dir, device=cpu)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(tiny, dataset, tmp_path, cpu, home):
    config = settings.merge(tiny, {"epochs": 10, "validation": {"every": 4}})
    train(config, dataset, run_dir=tmp_path / "whole", device=cpu)
    halves = Run(tmp_path / "halves")
    (tmp_path / "config.toml").write_text(settings.to_toml(config))
    command = [sys.executable, "-c", SAVES_OFTEN, dataset.folder, tmp_path / "config.toml"]
    command += [halves.folder]
    lines = random.SystemRandom().randint(1, 20)
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(read_log(halves)) >= lines, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not halves.result.exists()
    train(config, dataset, run_dir=halves.folder, device=cpu)
    for name in ("weights.safetensors", "state.safetensors"):
        expected, _ = checkpoint.load(tmp_path / "whole" / name)
        found, _ = checkpoint.load(halves.folder / name)
        assert equal(expected, found), f"killed after {lines} lines of the log"


def test_a_damaged_state_is_gone_back_from(tiny, dataset, run_dir, cpu, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run, events = Run(run_dir), []
    run.state.write_bytes(run.state.read_bytes()[:5000])
    longer = dataclasses.replace(tiny, epochs=3)
    result = train(longer, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    assert result.epochs == 3
    warnings = [e.message for e in events if isinstance(e, Note) and e.is_warning]
    assert ["previous training state" in message for message in warnings] == [True]


def test_a_crash_between_the_two_moves_of_a_save_loses_nothing(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run = Run(run_dir)
    run.state.replace(run.previous_state)
    again = train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)
    batches = [line for line in read_log(run) if line["kind"] == "batch"]
    assert again.epochs == 3
    assert len(batches) * tiny.data.batch_size == again.images_seen


def test_both_states_damaged_is_an_error(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run = Run(run_dir)
    for state in (run.state, run.previous_state):
        state.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)


def spoil(monkeypatch, *steps):
    """Make the generator's losses infinite at some steps, counted from 0 over the whole test."""
    counted, original = iter(range(10**6)), Trainer.generator_losses

    def losses(self, part, fake):
        found = original(self, part, fake)
        factor = float("inf") if next(counted) in steps else 1.0
        return {name: value * factor for name, value in found.items()}

    monkeypatch.setattr(Trainer, "generator_losses", losses)


def test_a_step_that_is_not_finite_is_skipped_and_counted(tiny, dataset, run_dir, cpu, monkeypatch):
    spoil(monkeypatch, 2)
    events = []
    result = train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    assert result.skipped == 1
    skipped = [e.skipped for e in events if isinstance(e, BatchTrained)]
    assert skipped[2] == ("generator",)
    assert not any(skipped[:2] + skipped[3:])
    weights, _ = checkpoint.load(Run(run_dir).weights)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    logged = [x for x in read_log(Run(run_dir)) if x["kind"] == "batch"]
    assert logged[2]["generator_loss"] is None


def test_a_run_that_stays_infinite_goes_back_with_a_lower_rate(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    spoil(monkeypatch, *range(3, 3 + loop.SKIPPED_AT_MOST))
    events = []
    config = dataclasses.replace(tiny, epochs=9)
    result = train(config, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    warnings = [e.message for e in events if isinstance(e, Note) and e.is_warning]
    assert any("half the learning rate" in message for message in warnings)
    assert result.epochs == 9
    _, about = checkpoint.load(Run(run_dir).state)
    assert about["progress"]["rate_scale"] == 0.5
    assert about["progress"]["rollbacks"] == 1
    assert result.skipped == loop.SKIPPED_AT_MOST


def test_a_run_goes_back_where_its_budget_has_changed_its_epochs(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    monkeypatch.setattr(train_module, "epochs_that_fit", lambda *_: 1)
    monkeypatch.setattr(loop, "replanned", lambda *_, **__: 6)
    first = train_module.STEPS + 7  # in the third epoch
    spoil(monkeypatch, *range(first, first + loop.SKIPPED_AT_MOST))
    result = train(tiny, dataset, run_dir=run_dir, device=cpu, budget=600.0)
    assert (result.epochs, result.skipped) == (6, loop.SKIPPED_AT_MOST)


def test_a_run_whose_last_step_is_skipped_leaves_its_weights(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    spoil(monkeypatch, 5)
    result = train(tiny, dataset, run_dir=run_dir, device=cpu)
    assert (result.skipped, result.images_seen) == (1, 6 * tiny.data.batch_size)
    assert read_about(result.weights)["epochs_done"] == tiny.epochs


def test_a_short_run_that_never_learns_is_an_error_too(tiny, dataset, run_dir, cpu, monkeypatch):
    spoil(monkeypatch, *range(1000))
    with pytest.raises(TrainingError, match="NaN or infinite"):
        train(dataclasses.replace(tiny, epochs=1), dataset, run_dir=run_dir, device=cpu)
    assert not Run(run_dir).weights.exists()


def test_a_run_that_stays_infinite_for_good_ends_and_keeps_the_last_good_state(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    good = train(tiny, dataset, run_dir=run_dir, device=cpu)
    before = good.weights.read_bytes()
    spoil(monkeypatch, *range(10**5))
    with pytest.raises(TrainingError) as caught:
        train(dataclasses.replace(tiny, epochs=20), dataset, run_dir=run_dir, device=cpu)
    assert "--lr" in caught.value.hint
    assert good.weights.read_bytes() == before


def test_a_state_is_never_saved_after_a_step_that_was_not_finite(
    tiny, dataset, run_dir, cpu, monkeypatch
):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    spoil(monkeypatch, 1)
    saved = []

    def look(event):
        if isinstance(event, BatchTrained):
            states = Run(run_dir).states
            saved.append(read_about(states[0])["progress"]["step"] if states else 0)

    train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=look)
    assert saved[:4] == [0, 1, 1, 3]


@pytest.mark.parametrize("name", ["state.safetensors", "log.jsonl", "samples"])
def test_what_cannot_be_written_is_named_and_the_last_state_stays(
    tiny, dataset, run_dir, cpu, monkeypatch, name
):
    """As in a read-only folder: root may write into those, so that writing itself is refused."""
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    before = Run(run_dir).state.read_bytes()
    with monkeypatch.context() as patch:
        refuse(patch, run_dir / name)
        with pytest.raises(DataError, match="cannot write") as caught:
            train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)
    assert str(run_dir) in caught.value.message
    assert "write permission" in caught.value.hint
    assert Run(run_dir).state.read_bytes() == before
    again = train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)
    assert again.epochs == 3


def refuse(patch, path):
    """Let the system refuse to make or open a file of this name, or anything below it."""
    denied = PermissionError(13, "Permission denied", str(path))
    touch, opened = Path.touch, Path.open

    def touch_(self, *arguments, **rest):
        folder = self.parent.parent
        if folder == path or (folder == path.parent and self.suffix == path.suffix):
            raise denied
        touch(self, *arguments, **rest)

    def open_(self, *arguments, **rest):
        if self == path and arguments[:1] == ("a",):
            raise denied
        return opened(self, *arguments, **rest)

    patch.setattr(Path, "touch", touch_)
    patch.setattr(Path, "open", open_)


def test_a_file_where_the_run_should_go_is_named(tiny, dataset, tmp_path, cpu):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot write"):
        train(tiny, dataset, run_dir=tmp_path / "file" / "run", device=cpu)
    assert (tmp_path / "file").read_text() == "mine"


def test_epochs_in_two_goes_are_those_in_one(tiny, dataset, tmp_path, cpu):
    """Where the schedule does not look at how many there will be."""
    config = settings.merge(tiny, {"epochs": 5, "optimizer": {"schedule": "constant"}})
    train(config, dataset, run_dir=tmp_path / "whole", device=cpu)
    for epochs in (2, 5):
        part = dataclasses.replace(config, epochs=epochs)
        train(part, dataset, run_dir=tmp_path / "goes", device=cpu)
    assert same_files(tmp_path / "whole", tmp_path / "goes")


def same_files(first, second):
    names = ("weights.safetensors", "state.safetensors", "best.safetensors")
    pairs = [[checkpoint.load(folder / name)[0] for folder in (first, second)] for name in names]
    return all(equal(one, other) for one, other in pairs)


# -- states of older versions

STORED = Path(__file__).parent / "stored"


@pytest.fixture(params=sorted(STORED.glob("*.safetensors")), ids=lambda path: path.stem)
def old_run(request, dataset, run_dir):
    """A run whose state an older version wrote, as if it had been trained on this set."""
    tensors, about = checkpoint.load(request.param)
    about["dataset"]["fingerprint"] = dataset.description.fingerprint
    checkpoint.save(run_dir / "state.safetensors", tensors, about)
    return Run(run_dir)


def test_a_state_of_an_older_version_is_gone_on_with(old_run, dataset, cpu):
    tensors, about = checkpoint.load(old_run.state)
    config = settings.from_dict(about["config"])
    trainer = Trainer(config, image_size=tuple(about["size"]), device=cpu)
    trainer.restore(tensors)
    assert equal(tensors, trainer.state())
    longer = dataclasses.replace(config, epochs=about["progress"]["step"] + 1)  # of a smaller set
    result = train(longer, dataset, run_dir=old_run.folder, device=cpu)
    assert result.epochs == longer.epochs
    assert result.images_seen > about["images_seen"]


def test_a_state_of_other_networks_is_a_clear_error_and_stays(old_run, dataset, cpu):
    """Such as a run of `paper` whose discriminator had its batch norm after the activation."""
    tensors, about = checkpoint.load(old_run.state)
    name = next(name for name in tensors if name.startswith("discriminator."))
    tensors[f"{name}.moved"] = tensors.pop(name)
    del about["format"]
    checkpoint.save(old_run.state, tensors, about)
    before = old_run.state.read_bytes()
    with pytest.raises(CheckpointError, match="does not fit its settings") as caught:
        train(settings.from_dict(about["config"]), dataset, run_dir=old_run.folder, device=cpu)
    assert "start a new run" in caught.value.hint
    assert old_run.state.read_bytes() == before


def test_a_state_of_a_newer_version_is_a_clear_error_and_stays(old_run, dataset, cpu, monkeypatch):
    with monkeypatch.context() as patch:
        tensors, about = checkpoint.load(old_run.state)
        del about["format"]
        patch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
        checkpoint.save(old_run.state, tensors, about)
    before = old_run.state.read_bytes()
    with pytest.raises(CheckpointError, match="format 2, but this version") as caught:
        train(settings.from_dict(about["config"]), dataset, run_dir=old_run.folder, device=cpu)
    assert "update" in caught.value.hint
    assert old_run.state.read_bytes() == before
