"""`generate` and `models` as they are typed: streams, flags, exit codes, speed."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from generating_fixtures import weights_of
from processes import heavy_imports, seconds

from sketchcli import images
from sketchcli.errors import ExitCode

LIMIT_SECONDS = 0.3  # until a wrong path has failed
PROGRAM = [sys.executable, "-m", "sketchcli"]


@pytest.fixture
def run_folder(home, tiny):
    """A finished run at home."""
    weights = weights_of(home / "runs" / "mine", tiny)
    (weights.parent / "result.json").write_text("{}")
    return weights.parent


@pytest.fixture
def sketches(run_folder, folders):
    return folders / "sketches"


def piped(*arguments, data=b"", **options):
    command = [*PROGRAM, "generate", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=False, **options)


def test_a_file_in_a_file_out(sketch2img, sketches, tmp_path):
    outcome = sketch2img("generate", sketches / "face-0.png", tmp_path / "a.png")
    assert (outcome.code, outcome.stdout) == (0, f"{tmp_path / 'a.png'}\n")
    assert "model: " in outcome.stderr
    assert "runs/mine/weights.safetensors" in outcome.stderr


def test_through_a_pipe(sketches):
    data = (sketches / "face-0.png").read_bytes()
    outcome = piped("-", "-", data=data)
    assert outcome.returncode == 0
    assert outcome.stdout.startswith(b"\x89PNG")
    assert piped("-", "-", "--format", "jpg", data=data).stdout.startswith(b"\xff\xd8")
    broken = piped("-", "-", data=b"no picture")
    assert (broken.returncode, broken.stdout) == (ExitCode.DATA, b"")
    assert b"standard input" in broken.stderr
    assert b"Traceback" not in broken.stderr


def test_every_sketch_behind_an_option_for_xargs(sketch2img, sketches, tmp_path):
    one, two = sketches / "face-0.png", sketches / "face-1.png"
    outcome = sketch2img("generate", "--out", tmp_path / "out", one, two)
    assert outcome.code == 0
    assert "2 photos: 2 made" in outcome.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_list_from_a_file_and_from_standard_input(sketch2img, sketches, tmp_path):
    names = "\n".join(map(str, sorted(sketches.iterdir())))
    (tmp_path / "list").write_text(names)
    assert sketch2img("generate", "--list", tmp_path / "list", tmp_path / "a").code == 0
    outcome = piped("--list", "-", tmp_path / "b", data=names.replace("\n", "\0").encode())
    assert outcome.returncode == 0
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(
        p.name for p in (tmp_path / "b").iterdir()
    )


def test_exit_codes_tell_some_from_all(sketch2img, sketches, tmp_path):
    (sketches / "face-1.png").write_bytes(b"broken")
    outcome = sketch2img("generate", sketches, tmp_path / "out")
    assert outcome.code == ExitCode.SOME_FILES_FAILED
    assert "8 photos: 7 made, 1 failed" in outcome.stderr
    assert "failed: " in outcome.stderr
    for path in sketches.iterdir():
        path.write_bytes(b"broken")
    assert sketch2img("generate", sketches, tmp_path / "none").code == ExitCode.DATA


def test_one_envelope_or_a_line_for_each_file(sketch2img, sketches, tmp_path):
    (sketches / "face-1.png").write_bytes(b"broken")
    outcome = sketch2img("generate", sketches, tmp_path / "a", "--json")
    assert outcome.json["status"] == "error"
    files = outcome.json["data"]["files"]
    assert [file["status"] for file in files].count("failed") == 1
    assert files[0].keys() == {"source", "output", "milliseconds", "status", "warnings", "error"}
    assert outcome.json["errors"][0]["message"] == files[1]["error"]
    outcome = sketch2img("generate", sketches, tmp_path / "b", "--jsonl")
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.code == ExitCode.SOME_FILES_FAILED
    assert sorted(line["source"] for line in lines) == [file["source"] for file in files]


def test_what_is_there_is_refused_before_a_model_is_looked_for(sketch2img, folders, tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    outcome = sketch2img("generate", folders / "sketches/face-0.png", tmp_path / "a.png")
    assert outcome.code == ExitCode.DATA
    assert "--skip-existing" in outcome.stderr
    kept = sketch2img(
        "generate", folders / "sketches/face-0.png", tmp_path / "a.png", "--skip-existing"
    )
    assert kept.code == 0
    assert (tmp_path / "a.png").read_bytes() == b"mine"


def test_photos_that_are_all_there_are_told_and_listed_as_any(sketch2img, sketches, tmp_path):
    first = sketch2img("generate", sketches, tmp_path / "out")
    made = tmp_path / "made.csv"
    options = ("--skip-existing", "--manifest", made)
    again = sketch2img("generate", sketches, tmp_path / "out", *options, "--jsonl")
    assert (first.code, again.code) == (0, 0)
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert [line["output"] for line in lines] == first.stdout.splitlines()
    assert {line["status"] for line in lines} == {"skipped"}
    assert made.read_text().count(",skipped,") == len(lines) == 8
    assert "model: " not in again.stderr  # none is looked for


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], ExitCode.USAGE, "no output path"),
        (["IN"], ExitCode.USAGE, "only one path was given"),
        (["IN", "-", "--json"], ExitCode.USAGE, "photo on standard output"),
        (["IN", "-", "--show"], ExitCode.USAGE, "--show"),
        (["IN", "IN", "-"], ExitCode.USAGE, "one photo"),
        (["-", "IN", "out"], ExitCode.USAGE, "cannot be combined"),
        (["IN", "out.png", "--skip-existing", "--overwrite"], ExitCode.USAGE, "contradict"),
        (["IN", "out.png", "--size", "huge"], ExitCode.USAGE, "'huge'"),
        (["IN", "out.png", "--size", "9000"], ExitCode.USAGE, "8192"),
        (["IN", "out.png", "--invert", "perhaps"], ExitCode.USAGE, "auto, yes, no"),
        (["IN", "out.png", "--tta", "spin"], ExitCode.USAGE, "flip"),
        (["IN", "out.png", "--paste"], ExitCode.USAGE, "--align face"),
        (["IN", "out.png", "--format", "gif"], ExitCode.USAGE, "png, jpg, webp"),
        (["IN", "out.png", "--quality", "50"], ExitCode.USAGE, "JPEG"),
        (["IN", "out.png", "--suffix", "../x"], ExitCode.USAGE, "--suffix"),
        (["IN", "out.png", "--shard", "3/2"], ExitCode.USAGE, "3/2"),
        (["IN", "out.png", "--grid", "sheet.txt"], ExitCode.DATA, "--grid"),
        (["IN", "out.png", "--variations", "2"], ExitCode.USAGE, "deterministic"),
        (["IN", "out.png", "--model", "IN"], ExitCode.CHECKPOINT, "safetensors"),
        (["IN", "out.png", "--align", "face"], ExitCode.DATA, "fetch-data yunet"),
        (["IN", "out.png", "--device", "gpu"], ExitCode.DEVICE, "gpu"),
        (["--watch", "no", "out"], ExitCode.DATA, "not an existing folder"),
        (["--watch", "no", "IN", "out"], ExitCode.USAGE, "--watch"),
        (["--watch", ".", "out", "--shard", "1/2"], ExitCode.USAGE, "--shard"),
        (["--list", "no", "out"], ExitCode.DATA, "--list"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    sketch2img, sketches, tmp_path, monkeypatch, arguments, code, says
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    outcome = sketch2img(
        "generate", *(sketches / "face-0.png" if a == "IN" else a for a in arguments)
    )
    assert outcome.code == code, outcome.stderr
    assert says in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_path_fails_before_anything_heavy_is_imported(sketches, tmp_path):
    sketch, photo = sketches / "face-0.png", tmp_path / "a.png"
    for arguments, expected in (
        (["no.png", photo], ExitCode.DATA),
        ([sketch, tmp_path / "a.docx"], ExitCode.DATA),
        ([sketch, photo, "--size", "x"], ExitCode.USAGE),
        ([sketch, photo, "--model", "nix"], ExitCode.CHECKPOINT),
        ([sketch, sketch], ExitCode.DATA),
    ):
        assert heavy_imports("generate", *arguments) == (expected, set())


def test_a_wrong_path_takes_less_than_three_tenths_of_a_second():
    failing = partial(piped, "no.png", "a.png")
    assert failing().returncode == ExitCode.DATA
    assert min(seconds(failing) for _ in range(5)) < LIMIT_SECONDS


def test_several_models_are_averaged_and_named(sketch2img, sketches, home, tiny, tmp_path):
    weights_of(home / "runs" / "other", tiny, seed=3)
    one = sketches / "face-0.png"
    outcome = sketch2img(
        "generate", one, tmp_path / "a.png", "--model", "mine", "--model", "other", "--json"
    )
    assert len(outcome.json["data"]["models"]) == 2
    assert outcome.stderr.count("model: ") == 2
    twice = sketch2img("generate", one, tmp_path / "b.png", "--model", "mine", "--model", "mine")
    assert "counts twice" in twice.stderr


def test_shares_under_torchrun_and_by_hand(sketch2img, sketches, tmp_path, monkeypatch):
    made = []
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        outcome = sketch2img("generate", sketches, tmp_path / "a", "--manifest", tmp_path / "m.csv")
        assert outcome.code == 0, outcome.stderr
        made += outcome.stdout.splitlines()
    assert len(set(made)) == len(made) == 8
    assert {path.name for path in tmp_path.glob("*.csv")} == {"m-1-of-2.csv", "m-2-of-2.csv"}
    monkeypatch.delenv("RANK")
    monkeypatch.delenv("WORLD_SIZE")
    assert "4 made" in sketch2img("generate", sketches, tmp_path / "b", "--shard", "2/2").stderr
    rest = sketch2img("generate", sketches, tmp_path / "b", "--skip-existing")
    assert "8 photos: 4 made, 4 skipped" in rest.stderr


def test_names_that_are_no_text(sketches, tmp_path):
    odd = os.fsencode(tmp_path / "in") + b"/\xff\xfe.png"
    (tmp_path / "in").mkdir()
    with open(odd, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write((sketches / "face-0.png").read_bytes())
    for flag in ([], ["--json"], ["--jsonl"]):
        outcome = piped(
            tmp_path / "in",
            tmp_path / "out",
            "--overwrite",
            *flag,
            "--manifest",
            tmp_path / "m.csv",
        )
        assert outcome.returncode == 0, outcome.stderr
        assert (b"\xff\xfe" if not flag else b"\\udcff\\udcfe") in outcome.stdout
    made = [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()]
    assert made == [b"\xff\xfe.png"]


def test_a_preview_in_the_terminal(sketch2img, sketches, tmp_path, monkeypatch):
    from rich.console import Console

    from sketchcli.cli import generate

    one = sketches / "face-0.png"
    outcome = sketch2img("generate", one, tmp_path / "a.png", "--show")
    assert "a terminal with colours" in outcome.stderr
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system="truecolor", width=40)
    monkeypatch.setattr(generate, "Console", lambda **_: console)
    monkeypatch.setattr(generate.sys.stderr, "isatty", lambda: True, raising=False)
    assert sketch2img("generate", one, tmp_path / "b.png", "--show").code == 0
    lines = [line for line in shown.getvalue().splitlines() if generate.HALF_BLOCK in line]
    photo = images.read_rgb(tmp_path / "b.png")
    assert lines
    top = images.resize(photo, (40, 40))[0, 0]
    assert "38;2;{};{};{}".format(*top) in lines[0]


def test_ctrl_c_leaves_whole_files_only(sketches, tmp_path):
    data = (sketches / "face-0.png").read_bytes()
    for index in range(1500):
        path = tmp_path / "in" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*PROGRAM, "generate", tmp_path / "in", out], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    while not (out.exists() and len(list(out.glob("*.png"))) > 5):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in errors
    names = [path.name for path in out.iterdir()]
    assert not [name for name in names if ".part" in name]
    assert 5 < len(names) < 1500
    assert {images.read_rgb(out / name).shape for name in names} == {(32, 32, 3)}


def test_a_watch_ends_with_ctrl_c_and_code_0(sketches, tmp_path):
    process = subprocess.Popen(
        [*PROGRAM, "generate", "--watch", sketches, tmp_path / "out", "--jsonl"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*.png"))) < 8:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    made, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(made.splitlines()) == 8


def test_the_models_that_can_be_named(sketch2img, run_folder, home, tiny):
    weights_of(home / "runs" / "unfinished", tiny)
    (home / "runs" / "damaged").mkdir()
    (home / "runs" / "damaged" / "weights.safetensors").write_bytes(b"cut")
    listed = {
        model["name"]: model for model in sketch2img("models", "--json").json["data"]["models"]
    }
    assert listed["mine"]["is_default"]
    assert listed["mine"]["scores"] == {"ssim": 0.5}
    assert listed["mine"]["size"] == [32, 32]
    assert not listed["unfinished"]["is_finished"]
    assert listed["damaged"]["dataset"] == "damaged"
    shown = sketch2img("models").stdout
    assert "* " in next(line for line in shown.splitlines() if "mine" in line)
    assert "0.500" in shown
    assert "unfinished" not in sketch2img("models", "--finished").stdout


@pytest.mark.usefixtures("without_bundled")
def test_where_no_model_came_with_the_program_that_is_said(sketch2img, folders, tmp_path):
    sketch = folders / "sketches" / "face-0.png"
    outcome = sketch2img("generate", sketch, tmp_path / "a.png", "--model", "bundled")
    assert outcome.code == ExitCode.CHECKPOINT
    assert "no bundled model" in outcome.stderr


@pytest.mark.usefixtures("without_bundled")
def test_with_no_model_the_list_says_what_comes_next(sketch2img):
    outcome = sketch2img("models")
    assert (outcome.code, "next: sketch2img train" in outcome.stdout) == (0, True)


def test_the_model_that_comes_with_the_program(sketch2img, folders, tiny, tmp_path, monkeypatch):
    from sketchcli import weights

    monkeypatch.setattr(weights, "FILE", weights_of(tmp_path / "wheel", tiny))
    one = folders / "sketches" / "face-0.png"
    for model in ([], ["--model", "bundled"]):
        outcome = sketch2img("generate", one, tmp_path / "a.png", "--overwrite", *model)
        assert outcome.code == 0, outcome.stderr
        assert "wheel" in outcome.stderr
    (listed,) = sketch2img("models", "--json").json["data"]["models"]
    assert (listed["name"], listed["is_default"]) == ("bundled", True)
