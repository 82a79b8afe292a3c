import os
import signal
import subprocess
import sys
import time

import pytest

from sketchcli import __version__
from sketchcli.cli import main as main_module
from sketchcli.cli.app import VERBS
from sketchcli.errors import ExitCode, SketchError


def test_help_names_the_verbs(sketch2img):
    outcome = sketch2img("--help")
    assert outcome.code == 0
    assert all(verb in outcome.stdout for verb in VERBS)


def test_version(sketch2img):
    assert sketch2img("--version").stdout == f"sketch2img {__version__}\n"


def test_no_arguments_show_the_help(sketch2img):
    outcome = sketch2img()
    assert "Usage" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["sketch"], ExitCode.USAGE, "sketch"),
        (["train", "--epochs", "0"], ExitCode.USAGE, "epochs"),
        (["train", "--preset", "best"], ExitCode.USAGE, "choose from: modern, paper"),
        (["train", "nosuch"], ExitCode.DATA, "nosuch"),
        (["fetch-data"], ExitCode.USAGE, "no dataset or network"),
        (["fetch-data", "nosuch"], ExitCode.USAGE, "choose from: cityscapes"),
        (["preprocess"], ExitCode.USAGE, "exactly one way"),
        (["preprocess", "nosuch"], ExitCode.DATA, "nosuch"),
        (["preprocess", "--sketches", "here"], ExitCode.USAGE, "--sketches needs --photos"),
        (["preprocess", "x", "--size", "big"], ExitCode.USAGE, "big"),
        (["preprocess", "x", "--val", "0.5", "--test", "0.5"], ExitCode.USAGE, "nothing to train"),
        (["generate", "no.png", "out.png"], ExitCode.DATA, "no.png"),
        (["generate", "no.png"], ExitCode.USAGE, "OUT"),
        (["eval"], ExitCode.DATA, "sketch2img preprocess"),
        (["eval", "one-folder"], ExitCode.USAGE, "eval REAL GENERATED"),
        (["eval", "a", "b"], ExitCode.DATA, "a does not exist"),
        (["eval", "--split", "nix"], ExitCode.USAGE, "train, val, test"),
        (["generate", __file__, "out.png", "--model", "nix"], ExitCode.CHECKPOINT, "bundled"),
        (["preprocess", "x", "--name", "a", "--out", "b"], ExitCode.USAGE, "remove one"),
        (["fetch-data", "demo", "--name", "-x"], ExitCode.USAGE, "letters"),
    ],
)
def test_bad_input_gets_its_code_and_its_cure(sketch2img, arguments, code, says):
    outcome = sketch2img(*arguments)
    assert outcome.code == code
    assert says in outcome.stderr
    assert not outcome.stdout
    assert "Traceback" not in outcome.stderr


def test_with_json_an_error_is_an_envelope_too(sketch2img):
    outcome = sketch2img("eval", "--json")
    assert outcome.json["status"] == "error"
    assert outcome.json["command"] == "eval"
    assert outcome.json["errors"][0]["code"] == outcome.code == ExitCode.DATA


def test_with_json_a_usage_error_is_an_envelope_too(sketch2img):
    outcome = sketch2img("train", "--nosuch", "--json")
    assert outcome.json["errors"][0]["code"] == outcome.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "a", "b", "--invert", "ye"], "did you mean 'yes'? choose from: auto, yes"),
        (["generate", "a", "b", "--paper", "x"], "choose from: auto, yes, no"),
        (["generate", "a", "b", "--align", "fcae"], "did you mean 'face'? choose from: none, face"),
        (["generate", "a", "b", "--format", "gif"], "choose from: png, jpg, webp"),
        (["import-weights", "a", "b", "--fit", "x"], "choose from: crop, pad, stretch"),
        (["train", "--epoch", "3"], "did you mean --epochs?"),
        (["train", "--epochs", "x"], "run: sketch2img train --help-all"),
        (["train", "--json", "--epochs"], "option --epochs requires an argument"),
        (["train", "-z"], "run: sketch2img train --help-all"),
        (["models", "extra"], "(extra)"),
        (["export", "a"], "for example: sketch2img export mine mine.onnx"),
        (["trian"], "did you mean 'train'?"),
        (["--nosuch"], "run: sketch2img --help"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_command_line_is_an_error_like_any_other(sketch2img, arguments, says):
    arguments = arguments if "--json" in arguments else [*arguments, "--json"]
    outcome = sketch2img(*arguments)
    (found,) = outcome.json["errors"]
    assert outcome.code == found["code"] == ExitCode.USAGE
    assert outcome.stderr == f"error: {found['message']}\nhint: {found['hint']}\n"
    assert says in outcome.stderr
    assert "\u2502" not in outcome.stderr


def test_a_bug_is_one_line_and_code_1(sketch2img, monkeypatch):
    def broken(**_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(main_module, "app", broken)
    outcome = sketch2img("eval")
    assert outcome.code == ExitCode.BUG
    assert outcome.stderr.startswith("error: bug: ZeroDivisionError: oh\n")
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), ExitCode.DEVICE),
        (PermissionError(13, "Permission denied", "x"), ExitCode.DATA),
        (OSError(28, "No space left on device"), ExitCode.DATA),
    ],
)
def test_what_a_machine_lacks_is_no_bug_and_has_a_cure(sketch2img, monkeypatch, error, code):
    def broken(**_):
        raise error

    monkeypatch.setattr(main_module, "app", broken)
    outcome = sketch2img("eval")
    assert outcome.code == code
    assert [line[:6] for line in outcome.stderr.splitlines()] == ["error:", "hint: "]


def test_with_json_a_bug_and_an_interrupt_are_envelopes_too(sketch2img, monkeypatch):
    for error, code in ((ZeroDivisionError("oh"), 1), (SystemExit(130), 130)):

        def broken(error=error, **_):
            raise error

        monkeypatch.setattr(main_module, "app", broken)
        outcome = sketch2img("eval", "--json")
        assert outcome.json["errors"][0]["code"] == outcome.code == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_command_is_code_130_and_leaves_nothing_half_written(home, number):
    command = [sys.executable, "-m", "sketchcli", "fetch-data", "demo", "--count", "5000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    raw = home / "raw"
    try:
        while not (raw.exists() and list(raw.glob(".*.part/demo/photos/00002.png"))):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == ExitCode.INTERRUPTED
    assert not list(raw.iterdir())
    assert "Traceback" not in errors


def test_a_name_that_the_system_refuses_is_an_error_not_a_bug(sketch2img):
    outcome = sketch2img("generate", "x" * 300, "out.png")
    assert outcome.code == ExitCode.DATA


@pytest.mark.parametrize(
    ("encoding", "words", "code", "name"),
    [
        ("utf-8", ("preprocess", "caf\udce9", "--json"), ExitCode.DATA, b"caf\\udce9"),
        ("latin-1", ("fetch-data", "demo", "--count=1", "--name=\u65e5"), ExitCode.OK, b"\\u65e5"),
    ],
)
def test_names_that_cannot_be_printed_are_escaped(encoding, words, code, name):
    environment = os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"}
    command = [sys.executable, "-m", "sketchcli", *words]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert name in done.stdout
    assert b"Traceback" not in done.stderr


def test_the_traceback_comes_when_asked_for(sketch2img, monkeypatch):
    monkeypatch.setenv("SKETCH2IMG_TRACEBACK", "1")
    assert "Traceback" in sketch2img("eval").stderr


def test_every_kind_of_error_has_a_code_of_its_own():
    kinds = SketchError.__subclasses__()
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert ExitCode.OK not in codes


def test_missing_system_libraries_are_named_with_the_cure(tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    (tmp_path / "in.png").write_bytes(b"")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    outcome = subprocess.run(
        [sys.executable, "-m", "sketchcli", "generate", str(tmp_path / "in.png"), "out.png"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == ExitCode.DEVICE
    assert "libGL.so.1" in outcome.stderr
    assert "opencv-python-headless" in outcome.stderr
    assert "Traceback" not in outcome.stderr
