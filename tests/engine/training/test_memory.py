"""What is said where a GPU's memory is full: the error is injected, what fits is really tried."""

import dataclasses
import shlex
import weakref

import pytest
import torch

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.engine.runs import Run
from sketchcli.engine.training import loop
from sketchcli.engine.training.train import dry_run, first_that_fits, train
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import DeviceError, ExitCode


@pytest.fixture
def room_for(monkeypatch):
    """Let steps run out of memory that take more than so many pairs at a time."""

    def limit(pairs, *, after=0):
        step, seen = Trainer.step, []

        def limited(self, parts, number):
            seen.append(max(map(len, parts)))
            if seen[-1] > pairs and len(seen) > after:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return step(self, parts, number)

        monkeypatch.setattr(Trainer, "step", limited)
        return seen

    return limit


@pytest.fixture
def six(tiny):
    return settings.merge(tiny, {"data": {"batch_size": 6}})


@pytest.mark.parametrize(
    ("room", "fits", "accumulate"), [(5, 3, 2), (3, 3, 2), (2, 2, 4), (1, 1, 6)]
)
def test_what_fits_is_said(six, dataset, tmp_path, cpu, room_for, room, fits, accumulate):
    room_for(room)
    with pytest.raises(DeviceError) as caught:
        train(six, dataset, run_dir=tmp_path / "run", device=cpu)
    error = caught.value
    assert f"out of memory with 6 pairs at a time; {fits} fit" in error.message
    assert f"--accumulate {accumulate} to keep the batch size of 6" in error.hint
    assert f"--batch-size {fits}" in error.hint
    assert error.exit_code == ExitCode.DEVICE


def test_what_is_said_to_fit_does(six, dataset, tmp_path, cpu, room_for):
    room_for(2)
    for changes in ({"accumulate": 4}, {"batch_size": 2}):
        config = settings.merge(six, {"data": changes})
        result = train(config, dataset, run_dir=tmp_path / str(changes), device=cpu)
        assert result.epochs == config.epochs


def test_parts_are_made_smaller_from_what_they_are(six, dataset, tmp_path, cpu, room_for):
    seen = room_for(1)
    config = settings.merge(six, {"data": {"accumulate": 3}})
    with pytest.raises(DeviceError, match="with 2 pairs at a time; 1 fit") as caught:
        train(config, dataset, run_dir=tmp_path / "run", device=cpu)
    assert "--accumulate 6" in caught.value.hint
    assert max(seen) == 2


@pytest.mark.parametrize("checkpointing", [False, True])
def test_where_not_even_one_pair_fits_other_cures_are_named(
    six, dataset, tmp_path, cpu, room_for, checkpointing
):
    room_for(0)
    config = settings.merge(six, {"run": {"checkpointing": checkpointing}})
    with pytest.raises(DeviceError, match="not even one pair") as caught:
        train(config, dataset, run_dir=tmp_path / "run", device=cpu)
    assert ("--checkpointing" in caught.value.hint) is not checkpointing


def test_memory_that_another_program_took_for_a_while_is_told_apart(
    six, dataset, tmp_path, cpu, monkeypatch
):
    step, seen = Trainer.step, []

    def limited(self, parts, number):
        seen.append(number)
        if len(seen) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, parts, number)

    monkeypatch.setattr(Trainer, "step", limited)
    with pytest.raises(DeviceError, match="6 pairs at a time fit into the memory") as caught:
        train(six, dataset, run_dir=tmp_path / "run", device=cpu)
    assert "other programs" in caught.value.hint


def test_what_the_failed_step_had_computed_is_let_go_before_anything_is_tried(
    six, dataset, tmp_path, cpu, monkeypatch
):
    step, held = Trainer.step, []

    def limited(self, parts, number):
        assert all(reference() is None for reference in held), "still holds its memory"
        computed = torch.zeros(1)
        held.append(weakref.ref(computed))
        if len(parts[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, parts, number)

    monkeypatch.setattr(Trainer, "step", limited)
    with pytest.raises(DeviceError, match="3 fit"):
        train(six, dataset, run_dir=tmp_path / "run", device=cpu)
    assert len(held) == 4  # six pairs twice, then three of them in two steps


def test_the_last_state_stays(six, dataset, tmp_path, cpu, room_for, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    room_for(4, after=1)
    with pytest.raises(DeviceError):
        train(six, dataset, run_dir=tmp_path / "run", device=cpu)
    assert checkpoint.read_about(Run(tmp_path / "run").state)["progress"]["step"] == 1


@pytest.fixture
def begun(six, dataset, tmp_path, cpu):
    """A run that has a state; call it to go on with it."""
    train(six, dataset, run_dir=tmp_path / "run", device=cpu)
    longer = dataclasses.replace(six, epochs=3)

    def go_on(**changes):
        config = settings.merge(longer, changes)
        return train(config, dataset, run_dir=tmp_path / "run", device=cpu)

    return go_on


def test_a_run_that_has_a_state_is_told_how_to_begin_another(
    six, begun, dataset, tmp_path, cpu, room_for
):
    room_for(2)
    with pytest.raises(DeviceError, match="with 6 pairs at a time; 2 fit") as caught:
        begun()
    _, _, options = caught.value.hint.partition("with ")
    assert shlex.split(options) == ["--init-from", str(tmp_path / "run"), "--accumulate", "4"]
    changes = {"init_from": str(tmp_path / "run"), "data": {"accumulate": 4}}
    result = train(settings.merge(six, changes), dataset, run_dir=tmp_path / "other", device=cpu)
    assert result.epochs == six.epochs


def test_a_run_that_has_a_state_is_told_of_checkpointing_where_that_is_enough(
    six, begun, dataset, tmp_path, cpu, monkeypatch
):
    step = Trainer.step

    def limited(self, parts, number):
        if not self.config.run.checkpointing:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, parts, number)

    monkeypatch.setattr(Trainer, "step", limited)
    command = f"sketch2img train {dataset.folder} --resume {tmp_path / 'run'} --checkpointing"
    with pytest.raises(DeviceError, match="not even one pair fits") as caught:
        begun()
    assert caught.value.hint == f"to resume, run: {command}"
    with pytest.raises(DeviceError) as caught:
        dry_run(six, dataset, run_dir=tmp_path / "run", device=cpu)
    assert command in caught.value.hint
    assert begun(run={"checkpointing": True}).epochs == 3


def test_memory_that_ends_on_another_device_is_no_bug(six, dataset, tmp_path, cpu, monkeypatch):
    def full(*_):
        raise RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)")

    monkeypatch.setattr(Trainer, "step", full)
    with pytest.raises(DeviceError, match="not even one pair fits"):
        train(six, dataset, run_dir=tmp_path / "run", device=cpu)


def test_a_budget_and_a_dry_run_say_it_before_anything_is_trained(
    six, dataset, tmp_path, cpu, room_for
):
    room_for(3)
    with pytest.raises(DeviceError, match="3 fit"):
        train(six, dataset, run_dir=tmp_path / "run", device=cpu, budget=60.0)
    assert not (tmp_path / "run").exists()
    with pytest.raises(DeviceError, match="3 fit"):
        dry_run(six, dataset, device=cpu)


def test_every_count_of_parts_is_tried_once():
    tried = []
    assert first_that_fits(10, 3, tried.append) is None
    assert tried == [3, 6, 10]
