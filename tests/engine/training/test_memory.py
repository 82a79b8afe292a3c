"""What is said where memory ends: the error is injected."""

import pytest
import torch

from sketchcli import config as settings
from sketchcli.engine.runs import Run
from sketchcli.engine.training import loop
from sketchcli.engine.training.train import dry_run, train
from sketchcli.engine.training.trainer import Trainer
from sketchcli.errors import DeviceError, ExitCode
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
MPS = RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)")


@pytest.fixture
def full(monkeypatch):
    """Let steps run out of memory, after some that do not."""

    def limit(error=CUDA, *, after=0):
        step, seen = Trainer.step, []

        def limited(self, parts, number):
            seen.append(number)
            if len(seen) > after:
                raise error
            return step(self, parts, number)

        monkeypatch.setattr(Trainer, "step", limited)

    return limit


@pytest.mark.parametrize("error", [CUDA, MPS])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_cures_are_named_that_the_run_has_not_taken_yet(
    tiny, dataset, tmp_path, cpu, full, error, checkpointing
):
    full(error)
    config = settings.merge(tiny, {"run": {"checkpointing": checkpointing}})
    with pytest.raises(DeviceError, match="cpu: out of memory with a batch of 2") as caught:
        train(config, dataset, run_dir=tmp_path / "run", device=cpu)
    assert "--batch-size" in caught.value.hint
    assert "--accumulate" in caught.value.hint
    assert ("--checkpointing" in caught.value.hint) is not checkpointing
    assert caught.value.exit_code == ExitCode.DEVICE


def test_the_state_stays_and_its_run_is_told_what_it_may_change(
    tiny, dataset, tmp_path, cpu, full, monkeypatch
):
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
    full(after=1)
    with pytest.raises(DeviceError) as caught:
        train(tiny, dataset, run_dir=tmp_path / "run", device=cpu)
    assert read_about(Run(tmp_path / "run").state)["progress"]["step"] == 1
    new = f"start a new run with --init-from {tmp_path / 'run'} --accumulate 4"
    assert caught.value.hint == f"add --checkpointing, or {new}"


def test_a_budget_and_a_dry_run_say_it_before_anything_is_trained(
    tiny, dataset, tmp_path, cpu, full
):
    full()
    with pytest.raises(DeviceError, match="out of memory"):
        train(tiny, dataset, run_dir=tmp_path / "run", device=cpu, budget=60.0)
    assert not (tmp_path / "run").exists()
    with pytest.raises(DeviceError, match="out of memory"):
        dry_run(tiny, dataset, device=cpu)
