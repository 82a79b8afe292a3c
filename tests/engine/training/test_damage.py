"""A run folder of which anything is damaged: it is resumed, or one error says what to do."""

import dataclasses
import json
import os
import shutil
import signal
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from sketchcli import checkpoint
from sketchcli import config as settings
from sketchcli.engine.events import SILENT, Note
from sketchcli.engine.runs import Run, settings_to_resume
from sketchcli.engine.training import loop
from sketchcli.engine.training.distributed import ALONE
from sketchcli.engine.training.session import Session
from sketchcli.engine.training.train import train
from sketchcli.errors import CheckpointError, DataError, SketchError, UsageError
from sketchcli.weights_header import read_about

pytestmark = pytest.mark.usefixtures("plain_curves")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A folder for a run with two training states, which the first test that needs it trains."""
    return tmp_path_factory.mktemp("trained-once") / "run"


@pytest.fixture
def run(trained_once, tiny, dataset, tmp_path, cpu, monkeypatch, leave_out):
    if not trained_once.exists():
        monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)
        with monkeypatch.context() as patch:
            leave_out(patch)
            train(tiny, dataset, run_dir=trained_once, device=cpu)
    shutil.copytree(trained_once, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture
def resume(tiny, dataset, cpu):
    """Resume a run as far as its first step; return the session and the warnings."""

    def begin(run, config=tiny):
        events = []
        config = dataclasses.replace(config, epochs=3)
        session = Session(config, dataset, run, cpu, ALONE, reporter=events.append)
        session.begin()
        return session, [e.message for e in events if isinstance(e, Note) and e.is_warning]

    return begin


def rewrite(change, *, is_old=False):
    """Damage a valid state: `change` its tensors and its description."""

    def damage(path):
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = json.loads(file.metadata()["sketch2img"])
        if is_old:  # as older versions wrote it
            about.pop("checksum", None)
        change(tensors, about)
        safetensors.torch.save_file(tensors, path, {"sketch2img": json.dumps(about)})

    return damage


def renamed(old, new):
    return lambda tensors, _: tensors.update({new: tensors.pop(old)})


def put(name, value):
    """Put a value, or for None nothing, under a dotted name of the description."""

    def change(_, about):
        *path, last = name.split(".")
        for key in path:
            about = about[key]
        about[last] = value
        if value is None:
            del about[last]

    return change


def flip(position):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[int(position * len(data))] ^= 4
        path.write_bytes(data)

    return damage


def spoil(tensors, _):
    tensors["generator_optimizer.0.exp_avg"].view(-1)[3] = float("inf")


MOMENT = "discriminator_optimizer.1.exp_avg"
DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "header": flip(0.02),
    "value": flip(0.9),
    "another name": rewrite(renamed(MOMENT, f"{MOMENT}x"), is_old=True),
    "another index": rewrite(renamed(MOMENT, "discriminator_optimizer.99.exp_avg"), is_old=True),
    "no number": rewrite(renamed(MOMENT, "discriminator_optimizer.x.exp_avg"), is_old=True),
    "another shape": rewrite(lambda t, _: t.update({MOMENT: torch.zeros(3)}), is_old=True),
    "another type": rewrite(lambda t, _: t.update({MOMENT: t[MOMENT].half()}), is_old=True),
    "infinite": rewrite(spoil, is_old=True),
    "another step": rewrite(put("progress.step", 4)),
    **{
        f"{name} {value!r}": rewrite(put(name, value), is_old=True)
        for name, value in (
            ("config", None),
            ("config", "text"),
            ("config.epochs", []),
            ("dataset", 5),
            ("dataset.name", None),
            ("dataset.fingerprint", "that of another set"),
            ("dataset.trained_on", {}),
            ("precision", "fp3"),
            ("progress", None),
            ("progress.step", "4"),
            ("progress.counts", {"loss": 0}),
            ("progress.scores", [1]),
            ("progress.strength", {"strange": 1.0}),
            ("config.optimizer.lr", 0.5),
        )
    },
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_any_damage_of_the_newer_state_falls_back_to_the_older_in_words(run, resume, damage):
    older = read_about(run.previous_state)["progress"]["step"]
    damage(run.state)
    session, warnings = resume(run)
    assert session.progress.step == older
    (warning,) = warnings
    assert warning.endswith("; resuming from the previous training state")


def test_a_byte_of_any_place_of_the_newer_state_may_be_damaged(run, resume):
    draw, whole = np.random.default_rng(19), run.state.read_bytes()
    older, newer = (
        read_about(state)["progress"]["step"] for state in (run.previous_state, run.state)
    )
    for _ in range(12):
        data = bytearray(whole)
        data[draw.integers(len(data))] ^= 1 << draw.integers(8)
        run.state.write_bytes(data)
        session, warnings = resume(run)
        # A byte between the header and the tensors is nobody's.
        assert (session.progress.step, len(warnings)) in {(older, 1), (newer, 0)}


def test_the_good_state_stays_until_a_newer_one_is_written(run, resume, monkeypatch):
    good = run.previous_state.read_bytes()
    run.state.write_bytes(b"damaged")
    session, _ = resume(run)
    session.checkpointer.save(session.trainer, session.progress)
    assert run.previous_state.read_bytes() == good
    checkpoint.load(run.state)


@pytest.mark.parametrize("which", [("state",), ("state", "previous_state")])
def test_without_an_undamaged_state_the_weights_are_named_as_the_cure(run, resume, which):
    for name in ("state", "previous_state"):
        path = getattr(run, name)
        path.write_bytes(b"nothing") if name in which else path.unlink()
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged") as caught:
        resume(run)
    assert ("state-before" in caught.value.message) == (len(which) == 2)
    assert f"--init-from {run.folder}" in caught.value.hint


def test_a_run_without_states_is_not_begun_anew_over_its_weights(run, tiny, dataset, cpu):
    for state in run.states:
        state.unlink()
    before = run.weights.read_bytes()
    with pytest.raises(DataError, match="training state is missing"):
        train(tiny, dataset, run_dir=run.folder, device=cpu)
    assert run.weights.read_bytes() == before


@pytest.mark.parametrize(
    ("put", "take"), [(Path.mkdir, Path.rmdir), (os.mkfifo, Path.unlink)], ids=["folder", "fifo"]
)
def test_what_is_not_a_file_in_a_file_s_place_is_named_at_once(run, tiny, dataset, cpu, put, take):
    for name in ("log", "state", "report", "best"):
        path = getattr(run, name)
        kept = path.read_bytes()
        path.unlink()
        put(path)
        with pytest.raises(SketchError, match=f"{path.name} is not a file"):
            train(tiny, dataset, run_dir=run.folder, device=cpu)
        take(path)
        path.write_bytes(kept)


def test_a_pipe_in_the_place_of_the_settings_is_not_waited_for(run):
    """SIGALRM ends the tests if it is."""
    run.config.unlink()
    os.mkfifo(run.config)
    signal.alarm(20)
    try:
        with pytest.raises(UsageError, match=r"config.toml is not a regular file") as caught:
            settings_to_resume(run)
    finally:
        signal.alarm(0)
    assert "delete this file" in caught.value.hint


def test_damaged_sample_sheets_do_not_keep_a_run_from_its_end(run, tiny, dataset, cpu):
    run.result.unlink()
    for sheet in run.samples.iterdir():
        sheet.write_bytes(b"no picture")
    (run.samples / "note.txt").write_text("mine")
    train(tiny, dataset, run_dir=run.folder, device=cpu)
    assert run.result.exists()


# -- settings


def test_a_run_that_never_saved_says_so(sketch2img, home, folders):
    sketch2img("preprocess", folders, "--size", "32", "--quiet")
    run = Run(home / "runs" / "young")
    run.folder.mkdir(parents=True)
    run.config.write_text(settings.to_toml(settings.preset("modern")))
    run.log.write_text('{"kind": "batch", "images_seen": 2, "epoch": 1}\n')
    outcome = sketch2img("train", "--resume", "young", "--device", "cpu")
    assert outcome.code == 3
    assert "nothing was saved yet" in outcome.stderr
    assert "start it again with the same command" in outcome.stderr


@pytest.mark.parametrize("damage", ["gone", "\xff\n", "epocks = 3\n", "epochs = '3'\n"])
def test_settings_that_are_lost_are_those_of_the_training_state(sketch2img, run, damage):
    if damage == "gone":
        run.config.unlink()
    else:
        run.config.write_bytes(damage.encode("latin-1"))
    outcome = sketch2img("train", "--resume", run.folder, "--device", "meta")
    if damage == "gone":
        assert "meta" in outcome.stderr  # the settings were found
    else:
        assert outcome.code == 2
        assert "config.toml" in outcome.stderr
        assert "delete this file" in outcome.stderr


# -- the log

STRANGE = {
    "number": b"5\n",
    "nothing": b"{}\n",
    "null": b"null\n",
    "not UTF-8": b'{"kind": "batch", "images_seen": 1, "x": "\xff"}\n',
    "cut": b'{"kind": "ep',
    "kind": b'{"kind": ["epoch"], "images_seen": 1}\n',
    "types": b'{"kind": "epoch", "images_seen": "1", "epoch": 1, "epochs": 2}\n',
    "no epoch": b'{"kind": "validation", "images_seen": 1}\n',
    "huge number": b'{"kind": "epoch", "images_seen": 1' + b"0" * 400 + b', "epoch": 1}\n',
    "nested": b"[" * 10**5 + b"\n",
    "huge": b'{"x": "' + b"x" * 3 * 2**20 + b'"}\n',
}


@pytest.mark.parametrize("line", STRANGE.values(), ids=STRANGE)
def test_a_line_of_the_log_that_cannot_be_read_is_skipped_and_said(run, resume, line):
    before = run.log.read_bytes()
    run.log.write_bytes(before + line)
    _, warnings = resume(run)
    assert [message for message in warnings if "skipped 1 damaged line" in message] == warnings
    assert run.log.read_bytes() == before
    first, *rest = before.splitlines(keepends=True)
    run.log.write_bytes(b"".join([first, line.rstrip(b"\n") + b"\n", *rest]))
    _, warnings = resume(run)
    assert len(warnings) == 1


NUMBERS = [None, "x", [], {}, True, 1e999, float("nan"), 10**400]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: repr(value)[:9])
def test_values_of_the_log_may_be_anything(run, resume, tmp_path, value):
    lines = []
    for text in run.log.read_text().splitlines():
        line = json.loads(text)
        kept = {"kind", "images_seen", "epoch", "epochs", "name", "message"}
        lines += [{key: line[key] if key in kept else value for key in line}] * 4
    run.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    session, warnings = resume(run)
    assert warnings == []
    session.validate(1)
    session.save()


def logged(epochs, batches):
    """A log of so many epochs of so many batches each, as the program writes it."""
    losses = {"generator_loss": 2.0, "discriminator_loss": 1.0, "parts": {"l1": 1.0}}
    batch = {"kind": "batch", "images_seen": 1, "epoch": 1, **losses, "judging": {}, "skipped": []}
    some = (json.dumps(batch) + "\n") * batches
    for number in range(1, epochs + 1):
        line = {"kind": "epoch", "images_seen": 1, "epoch": number, "epochs": epochs, **losses}
        yield some + json.dumps(line) + "\n"


def seconds(do):
    started = time.process_time()
    do()
    return time.process_time() - started


def test_a_save_and_a_validation_take_no_longer_after_many_batches(run, resume, monkeypatch):
    monkeypatch.setattr("sketchcli.engine.reporting.run_report.write_png", lambda *_: None)
    session, _ = resume(run)
    young = [seconds(lambda: (session.save(), session.validate(1))) for _ in range(3)]
    with run.log.open("w") as log:
        log.writelines(logged(epochs=5_000, batches=50))
    started = time.process_time()
    session, _ = resume(run)
    resumed = time.process_time() - started
    old = [seconds(lambda: (session.save(), session.validate(1))) for _ in range(3)]
    assert min(old) < min(young) + 0.1
    assert resumed < 2.5


def test_a_long_log_takes_little_memory(run, resume):
    with run.log.open("w") as log:
        log.writelines(logged(epochs=8_000, batches=5))
    resume(run)  # imports
    tracemalloc.start()
    try:
        session, _ = resume(run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20
    assert session.report is not SILENT


def test_weights_of_nan_are_refused_wherever_they_are_used(sketch2img, run, tmp_path, folders):
    rewrite(lambda t, _: next(iter(t.values())).view(-1)[:2].fill_(float("nan")), is_old=True)(
        run.weights
    )
    (sketch, *_) = sorted((folders / "sketches").iterdir())
    sketch2img("preprocess", folders, "--size", "32", "--test", "0.5", "--quiet")
    other = tmp_path / "other"
    for command in (
        ("generate", sketch, tmp_path / "out.png", "--model", run.folder),
        ("eval", "--model", run.folder),
        ("export", run.folder, tmp_path / "out.onnx"),
        ("train", "--init-from", run.folder, "--run-dir", other, "--set", "data.batch_size=2"),
    ):
        outcome = sketch2img(*command)
        assert outcome.code == 4, outcome.stderr
        assert "2 of the" in outcome.stderr, command
        assert "NaN or infinite" in outcome.stderr


def test_weights_of_nan_are_not_imported(sketch2img, run, tmp_path):
    (tensors, _), model = checkpoint.load(run.weights), tmp_path / "other.pth"
    next(iter(tensors.values())).view(-1)[0] = float("inf")
    torch.save(tensors, model)
    outcome = sketch2img(
        "import-weights", model, tmp_path / "mine.safetensors", "--like", run.folder
    )
    assert outcome.code == 4
    assert "NaN or infinite" in outcome.stderr
    assert not (tmp_path / "mine.safetensors").exists()
    rewrite(put("config", None), is_old=True)(run.weights)
    outcome = sketch2img("import-weights", model, tmp_path / "a.safetensors", "--like", run.folder)
    assert outcome.code == 4


def test_an_overflowing_sum_of_finite_values_is_no_fault(tmp_path):
    path = tmp_path / "large.safetensors"
    checkpoint.save(path, {"half": torch.full((9,), 60_000.0).half()}, {})
    assert checkpoint.load(path)[0]["half"].isfinite().all()
