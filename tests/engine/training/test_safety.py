"""What may go wrong with a run, and what is left of it then."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from sketchcli import checkpoint, files
from sketchcli import config as settings
from sketchcli.engine.events import BatchTrained, Note
from sketchcli.engine.runs import Run
from sketchcli.engine.training import loop
from sketchcli.engine.training.train import train
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import CheckpointError, DataError, TrainingError


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
    config = dataclasses.replace(tiny, epochs=30, validation=settings.ValidationConfig(every=10))
    train(config, dataset, run_dir=tmp_path / "whole", device=cpu)
    halves = Run(tmp_path / "halves")
    (tmp_path / "config.toml").write_text(settings.to_toml(config))
    command = [sys.executable, "-c", SAVES_OFTEN, dataset.folder, tmp_path / "config.toml"]
    command += [halves.folder]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(halves.read_log()) > 7, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not halves.result.exists()
    train(config, dataset, run_dir=halves.folder, device=cpu)
    for name in ("weights.safetensors", "state.safetensors"):
        expected, _ = checkpoint.load(tmp_path / "whole" / name)
        found, _ = checkpoint.load(halves.folder / name)
        assert equal(expected, found)


def wait_for(happened, process, seconds=60):
    until = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.01)


def test_a_damaged_state_is_gone_back_from(tiny, dataset, run_dir, cpu, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run, events = Run(run_dir), []
    run.state.write_bytes(run.state.read_bytes()[:5000])
    longer = dataclasses.replace(tiny, epochs=3)
    result = train(longer, dataset, run_dir=run_dir, device=cpu, reporter=events.append)
    assert result.epochs == 3
    warnings = [e.message for e in events if isinstance(e, Note) and e.is_warning]
    assert ["state before" in message for message in warnings] == [True]


def test_a_crash_between_the_two_moves_of_a_save_loses_nothing(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run = Run(run_dir)
    run.state.replace(run.previous_state)
    again = train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)
    batches = [line for line in run.read_log() if line["kind"] == "batch"]
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
    logged = [x for x in Run(run_dir).read_log() if x["kind"] == "batch"]
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
            saved.append(checkpoint.read_about(states[0])["progress"]["step"] if states else 0)

    train(tiny, dataset, run_dir=run_dir, device=cpu, reporter=look)
    assert saved[:4] == [0, 1, 1, 3]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tiny, dataset, run_dir, cpu):
    train(tiny, dataset, run_dir=run_dir, device=cpu)
    run_dir.chmod(0o500)
    try:
        with pytest.raises(DataError, match="cannot write"):
            train(dataclasses.replace(tiny, epochs=3), dataset, run_dir=run_dir, device=cpu)
    finally:
        run_dir.chmod(0o700)
