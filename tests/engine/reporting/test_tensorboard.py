"""TensorBoard's events; read back with TensorBoard itself, where that is installed."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sketchcli import config as settings
from sketchcli import images
from sketchcli.engine.events import BatchTrained, EpochTrained, Note, Validated
from sketchcli.engine.reporting.tensorboard import FOLDER, EventsWriter
from sketchcli.engine.training.train import train
from sketchcli.errors import UsageError

BATCHES = 3


def batch(step, loss=1.0):
    """The batch of that number, from 1, in a run of four epochs of three."""
    epoch, number = divmod(step - 1, BATCHES)
    judging = {"real_accuracy": 0.75}
    return BatchTrained(epoch + 1, 4, number + 1, BATCHES, loss, 0.5, {"adversarial": 2.0}, judging)


def measurement(epoch):
    scores = {"ssim": 0.5, "mae": 20.0}
    return Validated(
        epoch, 4, True, scores, 0.25, True, {"ssim": 0.625}, 3.0, None, 0.75, -0.5, "sheet.png"
    )


@pytest.fixture
def written(tmp_path):
    """Reads back what was written into a folder: tag -> [(step, value)]."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder=tmp_path):
        found = EventAccumulator(str(folder / FOLDER)).Reload()
        scalars = {tag: found.Scalars(tag) for tag in found.Tags()["scalars"]}
        pictures = {tag: found.Images(tag) for tag in found.Tags()["images"]}
        return {t: [(e.step, e.value) for e in es] for t, es in scalars.items()}, pictures

    return read


def test_without_tensorboard_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        EventsWriter(tmp_path)
    assert "pipx inject sketch2img tensorboard" in caught.value.hint
    assert not any(tmp_path.iterdir())


class Recorder:
    """In the place of TensorBoard's writer, for where it is not installed."""

    def __init__(self, folder, purge_step):
        self.calls = [("open", Path(folder).name, purge_step)]
        opened.append(self)

    def add_scalar(self, tag, value, step):
        self.calls.append((tag, value, step))

    def add_image(self, tag, picture, step, dataformats):
        self.calls.append((tag, picture.shape, step, dataformats))

    def flush(self):
        self.calls.append("flush")

    def close(self):
        self.calls.append("close")


opened = []


def test_what_tensorboard_is_told(tmp_path, monkeypatch):
    opened.clear()
    stand_in = SimpleNamespace(SummaryWriter=Recorder)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    images.write(tmp_path / "sheet.png", np.zeros((4, 6, 3), np.uint8))
    write = EventsWriter(tmp_path)
    write(measurement(1))  # before any batch: there is no step to write at
    assert not opened
    for event in (batch(3), EpochTrained(1, 4, BATCHES, 2.0, 0.5, 14.0, 60.0), measurement(1)):
        write(event)
    write(batch(3))  # again
    first, second = opened
    assert first.calls[0] == ("open", "tensorboard", 3)
    assert ("batch/generator_loss", 1.0, 3) in first.calls
    assert ("epoch/generator_loss", 2.0, 3) in first.calls
    assert ("validation/scores/mae", 20.0, 3) in first.calls
    assert ("samples", (4, 6, 3), 3, "HWC") in first.calls
    assert first.calls[-2:] == ["flush", "close"]
    assert second.calls[0] == ("open", "tensorboard", 3)


def test_figures_stand_at_the_number_of_their_batch(tmp_path, written):
    images.write(tmp_path / "sheet.png", np.full((4, 6, 3), 200, np.uint8))
    write = EventsWriter(tmp_path)
    for step in range(1, 5):
        write(batch(step, loss=float(step)))
        if step == BATCHES:
            write(EpochTrained(1, 4, BATCHES, 2.0, 0.5, 14.0, 60.0, lr=0.25))
            write(measurement(1))
    write(Note("nothing to write"))
    write.close()
    scalars, pictures = written()
    assert scalars["batch/generator_loss"] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert scalars["batch/parts/adversarial"][-1] == (4, 2.0)
    assert scalars["batch/judging/real_accuracy"][0] == (1, 0.75)
    assert scalars["epoch/lr"] == [(3, 0.25)]
    assert scalars["validation/scores/ssim"] == [(3, 0.5)]
    assert scalars["validation/score"] == [(3, 0.25)]
    assert scalars["validation/training_scores/ssim"] == [(3, 0.625)]
    assert "validation/diversity" not in scalars
    (picture,) = pictures["samples"]
    assert (picture.step, picture.height, picture.width) == (3, 4, 6)


def test_steps_that_are_trained_again_replace_the_old_ones(tmp_path, written):
    killed = EventsWriter(tmp_path)
    for step in range(1, 7):
        killed(batch(step, loss=1.0))
    killed.writer.flush()
    resumed = EventsWriter(tmp_path)
    for step in (4, 5, 6, 5, 6):  # from the state after step 3; then, back to that after step 4
        resumed(batch(step, loss=2.0 if step == 4 else 3.0))
    resumed.close()
    killed.close()
    losses = written()[0]["batch/generator_loss"]
    assert losses == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 3.0), (6, 3.0)]


def test_a_run_is_written_where_its_settings_ask_for_it(
    tiny, dataset, tmp_path, cpu, written, plain_curves
):
    told = []
    config = settings.merge(tiny, {"run": {"tensorboard": True}})
    result = train(config, dataset, run_dir=tmp_path / "run", device=cpu, reporter=told.append)
    scalars, pictures = written(tmp_path / "run")
    steps = [step for step, _ in scalars["batch/generator_loss"]]
    batches = [event for event in told if isinstance(event, BatchTrained)]
    assert steps == list(range(1, len(batches) + 1))
    assert len(batches) * config.data.batch_size == result.images_seen
    assert len(pictures["samples"]) == config.epochs
    train(tiny, dataset, run_dir=tmp_path / "other", device=cpu)
    assert not (tmp_path / "other" / FOLDER).exists()


def test_without_tensorboard_nothing_is_trained(tiny, dataset, tmp_path, cpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = settings.merge(tiny, {"run": {"tensorboard": True}})
    with pytest.raises(UsageError, match="not installed"):
        train(config, dataset, run_dir=tmp_path / "run", device=cpu)
    assert not (tmp_path / "run").exists()
