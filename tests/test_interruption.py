"""A signal ends a command soon, between two units of work; a second one ends it at once."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from engine.training.interrupting import read_log, wait_for
from generating_fixtures import weights_of

from sketchcli import checkpoint, images
from sketchcli import config as settings
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.events import BatchTrained
from sketchcli.engine.generating import sample
from sketchcli.engine.generating.generate import generate
from sketchcli.engine.generating.inputs import Drawing, Request
from sketchcli.engine.runs import Run
from sketchcli.engine.training.train import train
from sketchcli.engine.training.validation import Validator
from sketchcli.errors import ExitCode, InterruptedRunError

PROGRAM = [sys.executable, "-m", "sketchcli"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A command inside of a library's call, which lasts half a minute and lets no signal through.
STUCK = """
import hashlib, pathlib, sys
from sketchcli.cli import main

def app(**_):
    pathlib.Path(sys.argv[1]).touch()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000_000)

main.app = app
sys.exit(main.main(["models", "--json"]))
"""
# The program, which gets Ctrl-C in the middle of an import.
IMPORTING = """
import os, runpy, signal, sys

interrupted, sys.argv = sys.argv[1], ["sketch2img", *sys.argv[2:]]

class Finder:
    def find_spec(name, *_):
        if name == interrupted:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
runpy.run_module("sketchcli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """Signals as a terminal's programs have them; a script's background jobs ignore Ctrl-C."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def started(*command, **options):
    pipe = subprocess.PIPE
    return subprocess.Popen([*map(str, command)], stdout=pipe, stderr=pipe, text=True, **options)


# -- one signal, two signals


def test_a_library_that_does_not_return_is_not_waited_for(tmp_path):
    process = started(sys.executable, "-c", STUCK, tmp_path / "begun")
    with process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGHUP)
        stdout, stderr = communicate(process, within=5)
    assert process.returncode == ExitCode.INTERRUPTED
    assert stderr == "error: interrupted\n"
    assert [error["message"] for error in json.loads(stdout)["errors"]] == ["interrupted"]


def test_a_second_signal_ends_at_once_without_a_word(tmp_path):
    process = started(sys.executable, "-c", STUCK, tmp_path / "begun")
    with process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert communicate(process, within=1) == ("", "")
    assert process.returncode == ExitCode.INTERRUPTED


def communicate(process, *, within):
    try:
        return process.communicate(timeout=within)
    finally:
        process.kill()


@pytest.mark.parametrize("module", ["sketchcli.cli.app", "rich.console", "torch.nn"])
def test_ctrl_c_during_an_import_is_one_line(tmp_path, module):
    images.write(tmp_path / "in.png", draw_pair(0, size=32)[0])
    words = "generate", tmp_path / "in.png", tmp_path / "out.png"
    with started(sys.executable, "-c", IMPORTING, module, *words) as process:
        _, stderr = communicate(process, within=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert [line for line in stderr.splitlines() if "model:" not in line] == ["error: interrupted"]
    assert not (tmp_path / "out.png").exists()


def test_what_the_parent_ignores_stays_ignored(tiny, dataset, tmp_path, cpu, plain_curves):
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # as nohup and a script's background jobs have it
    raised = sending(*SIGNALS)
    result = train(tiny, dataset, run_dir=tmp_path / "run", device=cpu, reporter=raised)
    assert result.epochs == tiny.epochs


# -- train


def sending(*numbers):
    """A reporter that gets signals during the first batch."""
    left = list(numbers)

    def report(event):
        while isinstance(event, BatchTrained) and left:
            os.kill(os.getpid(), left.pop(0))

    return report


@contextmanager
def not_at_once():
    try:
        yield
    except KeyboardInterrupt:
        pytest.fail("it ended without saving")


@pytest.mark.parametrize(
    "numbers", [SIGNALS[:1], SIGNALS[1:2], SIGNALS[2:], SIGNALS[1:2] * 2, SIGNALS[2:] * 2]
)
def test_train_saves_and_ends_even_if_a_signal_comes_twice(
    tiny, dataset, tmp_path, cpu, plain_curves, numbers
):
    """`timeout` signals the process and then its group; so does a shell whose terminal closes."""
    with pytest.raises(InterruptedRunError, match="everything is saved"), not_at_once():
        train(tiny, dataset, run_dir=tmp_path / "run", device=cpu, reporter=sending(*numbers))
    assert Run(tmp_path / "run").state.exists()


def test_a_later_signal_is_a_second_one():
    from sketchcli import interruption

    with interruption.postponed(echo=0) as is_interrupted:
        signal.raise_signal(signal.SIGINT)
        assert is_interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_while_the_report_is_written_does_not_lose_the_last_epoch(
    tiny, dataset, tmp_path, cpu, plain_curves, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sketchcli.engine.reporting.run_report.write", interrupted)
    stopped = pytest.raises(InterruptedRunError, match=f"epoch {tiny.epochs}/{tiny.epochs}")
    with stopped as caught, not_at_once():
        train(tiny, dataset, run_dir=tmp_path / "run", device=cpu)
    assert "--resume" in caught.value.hint


def test_a_validation_is_not_waited_for_and_made_up_for(
    tiny, dataset, tmp_path, cpu, plain_curves, monkeypatch
):
    once = settings.merge(tiny, {"validation": {"every": 1}})
    train(once, dataset, run_dir=tmp_path / "whole", device=cpu)
    measure = Validator.measure

    def interrupted(*arguments):
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it was waited for")
        return measure(*arguments)

    monkeypatch.setattr(Validator, "measure", interrupted)
    with pytest.raises(InterruptedRunError, match="stopped in epoch 1/2"):
        train(once, dataset, run_dir=tmp_path / "halves", device=cpu)
    train(once, dataset, run_dir=tmp_path / "halves", device=cpu)
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    for one, other in ((whole.state, halves.state), (whole.best, halves.best)):
        (expected, _), (found, _) = checkpoint.load(one), checkpoint.load(other)
        assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    kinds = [[line["kind"] for line in read_log(run)] for run in (whole, halves)]
    assert kinds[0] == kinds[1]


@pytest.mark.slow
def test_a_closed_terminal_stops_train_as_sigterm_does(dataset, tmp_path):
    ours, theirs = pty.openpty()
    run = tmp_path / "run"
    words = ["train", dataset.folder, "--epochs", "4000", "--batch-size", "2", "--run-dir", run]
    words += ["--validate-every", "4000", "--set", "model.generator_options.width=4"]
    words += ["--precision", "fp32", "--set", "loss.perceptual_weight=0"]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        preexec_fn=at_terminal,  # noqa: PLW1509 - no other thread holds a lock
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    os.close(theirs)
    os.set_blocking(ours, False)

    def has_begun():
        with suppress(OSError):
            os.read(ours, 1 << 16)
        return Run(run).log.exists() and '"batch"' in Run(run).log.read_text()

    try:
        wait_for(has_begun, process)
        os.close(ours)
        assert process.wait(20) == ExitCode.INTERRUPTED
    finally:
        process.kill()
    assert Run(run).state.exists()


def at_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# -- generate


def test_a_large_sketch_ends_between_two_tiles(tmp_path, cpu, tiny, monkeypatch):
    weights = weights_of(tmp_path / "model", tiny)
    images.write(tmp_path / "in.png", images.resize(draw_pair(0, size=64)[0], (600, 600)))
    calls, draw = [], sample.generate_batch

    def interrupted(*arguments):
        calls.append(len(calls))
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return draw(*arguments)

    monkeypatch.setattr(sample, "generate_batch", interrupted)
    drawing = Drawing(is_tiled=True)
    request = Request(
        (str(tmp_path / "in.png"),), f"{tmp_path}/out/", models=(weights,), drawing=drawing
    )
    with pytest.raises(KeyboardInterrupt):
        generate(request, device=cpu)
    assert len(calls) <= 4
    assert not (tmp_path / "out").exists()


# -- processes that a command has started


ASKING = "import processes; from sketchcli.doctor import probes; probes.ask(processes.never)"


def test_no_probe_of_the_doctor_outlives_it():
    path = os.pathsep.join(sys.path)
    process = started(sys.executable, "-c", ASKING, env=os.environ | {"PYTHONPATH": path})
    with process:
        wait_for(lambda: children_of(process.pid), process)
        (child,) = children_of(process.pid)
        time.sleep(0.5)  # it has begun
        process.kill()
    until = time.monotonic() + 3
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_alive(child)


# Ctrl-C goes to all processes of a terminal, and to workers while they import.
CTRL_C_TO_WORKERS = """
import os, signal, sys

class Finder:
    def find_spec(name, *_):
        if name == "cv2" and "spawn_main" in " ".join(sys.orig_argv):
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
"""


def test_workers_do_not_answer_to_ctrl_c(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(CTRL_C_TO_WORKERS)
    for index in range(40):
        images.write(tmp_path / "photos" / f"{index}.png", draw_pair(index, size=24)[1])
    words = "--photos", tmp_path / "photos", "--size", "24", "--out", tmp_path / "set"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = os.environ | {"PYTHONPATH": path}
    process = started(*PROGRAM, "preprocess", *words, "--workers", "2", env=environment)
    with process:
        _, stderr = communicate(process, within=30)
    assert "Traceback" not in stderr
    assert process.returncode == ExitCode.OK


def children_of(pid):
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def is_alive(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
