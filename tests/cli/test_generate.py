"""`generate` and `models` as they are typed: streams, flags, exit codes, speed."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import pytest
from generating_fixtures import weights_of
from processes import HEAVY, seconds

from sketchcli import images
from sketchcli.cli.generate import check_streams
from sketchcli.errors import ExitCode, UsageError

LIMIT_SECONDS = 0.3  # until a wrong path has failed
PROGRAM = [sys.executable, "-m", "sketchcli"]
# Runs several commands, and prints their exit codes and the heavy modules that they imported.
CODES = f"""
import json, sys
from sketchcli.cli.main import main

codes = [main(["generate", *words]) for words in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted({HEAVY} & set(sys.modules))]))
"""


@pytest.fixture
def run_folder(home, tiny):
    """A finished run at home."""
    weights = weights_of(home / "runs" / "mine", tiny)
    (weights.parent / "result.json").write_text("{}")
    return weights.parent


@pytest.fixture
def sketches(run_folder, folders):
    return folders / "sketches"


@pytest.fixture
def piped(monkeypatch):
    """Run `generate` with bytes on standard input; its exit code, and the bytes it printed."""
    from sketchcli.cli.main import main

    def run(*arguments, data=b""):
        streams = [io.TextIOWrapper(io.BytesIO(held)) for held in (data, b"", b"")]
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        code = main(["generate", *map(str, arguments)])
        for stream in streams[1:]:
            stream.flush()
        return code, *(stream.buffer.getvalue() for stream in streams[1:])

    return run


def test_a_file_in_a_file_out(sketch2img, sketches, tmp_path):
    outcome = sketch2img("generate", sketches / "face-0.png", tmp_path / "a.png")
    assert (outcome.code, outcome.stdout) == (0, f"{tmp_path / 'a.png'}\n")
    assert "model: " in outcome.stderr
    assert "runs/mine/weights.safetensors" in outcome.stderr


@pytest.mark.parametrize("options", [[], ["--format", "jpg", "--suffix", "-2"]])
def test_a_file_alone_gets_its_photo_beside_it_and_never_over_anything(
    sketch2img, sketches, options
):
    name = "face-0-photo-2.jpg" if options else "face-0-photo.png"
    typed = ("generate", sketches / "face-0.png", *options)
    outcome = sketch2img(*typed)
    assert (outcome.code, outcome.stdout) == (0, f"{sketches / name}\n")
    assert images.read_rgb(sketches / name).shape == (32, 32, 3)
    (sketches / name).write_bytes(b"mine")
    for more, code in ([], ExitCode.DATA), (["--skip-existing"], 0):
        outcome = sketch2img(*typed, *more)
        assert (outcome.code, (sketches / name).read_bytes()) == (code, b"mine")
    assert sketch2img(*typed, "--overwrite").code == 0
    assert images.read_rgb(sketches / name).shape == (32, 32, 3)


def test_a_model_that_is_not_the_bundled_one_is_named_even_if_quiet(
    sketch2img, sketches, tmp_path, monkeypatch
):
    from sketchcli import weights

    for options in ([], ["--model", "mine"]):
        outcome = sketch2img(
            "generate", sketches / "face-0.png", tmp_path / "a.png", "-q", "--overwrite", *options
        )
        assert "model: " in outcome.stderr
        assert "runs/mine/weights.safetensors" in outcome.stderr
        assert ("add --model bundled" in outcome.stderr) == (not options)
    monkeypatch.setattr(weights, "FILE", sketches.parent.parent / "home/runs/mine/best.safetensors")
    (weights.FILE.parent / "weights.safetensors").rename(weights.FILE)
    bundled = ("--model", "bundled")
    quiet = sketch2img("generate", sketches / "face-0.png", tmp_path / "b.png", "-q", *bundled)
    assert (quiet.code, quiet.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "", "out"], "an argument is empty"),
        (["generate", "IN", ""], "an argument is empty"),
        (["generate", "IN", "-o", ""], "-o has an empty value"),
        (["generate", "IN", "out.png", "--model="], "--model has an empty value"),
        (["generate", "--list", "", "IN"], "--list has an empty value"),
        (["generate", "IN", "out/", "--exclude", ""], "--exclude has an empty value"),
        (["generate", "--watch", "", "out"], "--watch has an empty value"),
        (["preprocess", ""], "an argument is empty"),
        (["preprocess", "--photos", ""], "--photos has an empty value"),
        (["preprocess", "IN", "--out", ""], "--out has an empty value"),
        (["preprocess", "IN", "--group-by", ""], "--group-by has an empty value"),
        (["train", ""], "an argument is empty"),
        (["train", "--run-dir", ""], "--run-dir has an empty value"),
        (["train", "--init-from="], "--init-from has an empty value"),
        (["eval", "", "IN"], "an argument is empty"),
        (["eval", "--out", ""], "--out has an empty value"),
        (["export", "", "a.onnx"], "an argument is empty"),
        (["fetch-data", "demo", "--from", ""], "--from has an empty value"),
        (["fetch-data", "demo", "--sha256", ""], "--sha256 has an empty value"),
        (["import-weights", "", "a.safetensors"], "an argument is empty"),
    ],
)
def test_a_variable_that_is_not_set_means_neither_this_folder_nor_the_default(
    sketch2img, sketches, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(sketches)
    before = sorted(tmp_path.rglob("*"))
    outcome = sketch2img(*("face-0.png" if word == "IN" else word for word in arguments))
    assert outcome.code == ExitCode.USAGE
    assert says in outcome.stderr
    assert "shell variable" in outcome.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("stream", "sources", "output", "list_file"),
    [
        ("stdin", ["-"], "a.png", None),
        ("stdin", [], "out", "-"),
        ("stdout", ["a.png"], "-", None),
    ],
)
def test_a_closed_stream_is_told(monkeypatch, stream, sources, output, list_file):
    monkeypatch.setattr(sys, stream, None)
    with pytest.raises(UsageError, match=r"standard \w+ \(-\) is closed"):
        check_streams(sources, output, list_file, is_json=False)


def test_through_a_pipe(piped, sketches):
    data = (sketches / "face-0.png").read_bytes()
    code, photo, _ = piped("-", "-", data=data)
    assert (code, photo[:4]) == (0, b"\x89PNG")
    assert piped("-", "-", "--format", "jpg", data=data)[1].startswith(b"\xff\xd8")
    code, photo, errors = piped("-", "-", data=b"no picture")
    assert (code, photo) == (ExitCode.DATA, b"")
    assert b"standard input" in errors
    assert b"Traceback" not in errors


def test_every_sketch_behind_an_option_for_xargs(sketch2img, sketches, tmp_path):
    one, two = sketches / "face-0.png", sketches / "face-1.png"
    outcome = sketch2img("generate", "--out", tmp_path / "out", one, two)
    assert outcome.code == 0
    assert "2 photos: 2 made" in outcome.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_list_from_a_file_and_from_standard_input(sketch2img, piped, sketches, tmp_path):
    names = "\n".join(map(str, sorted(sketches.iterdir())))
    (tmp_path / "list").write_text(names)
    assert sketch2img("generate", "--list", tmp_path / "list", tmp_path / "a").code == 0
    data = names.replace("\n", "\0").encode()
    assert piped("--list", "-", tmp_path / "b", data=data)[0] == 0
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(
        p.name for p in (tmp_path / "b").iterdir()
    )


def test_a_list_in_utf_16_without_its_mark_converts_nothing(sketch2img, sketches, tmp_path):
    text = "./face-0.png\r\n"
    (tmp_path / "list").write_bytes(text.encode("utf-16-le"))
    outcome = sketch2img("generate", "--list", tmp_path / "list", tmp_path / "out")
    assert outcome.code == ExitCode.DATA
    assert "list is not a text file" in outcome.stderr
    assert not (tmp_path / "out").exists()


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
        (["."], ExitCode.USAGE, "run: sketch2img generate . .-photos"),
        (["no.png"], ExitCode.USAGE, "only one path was given"),
        (["--out", "IN"], ExitCode.USAGE, "only one path was given"),
        (["IN", "-", "--json"], ExitCode.USAGE, "photo on standard output"),
        (["IN", "IN", "-"], ExitCode.USAGE, "one photo"),
        (["-", "IN", "out"], ExitCode.USAGE, "cannot be combined"),
        (["IN", "out.png", "--skip-existing", "--overwrite"], ExitCode.USAGE, "contradict"),
        (["IN", "out.png", "--size", "huge"], ExitCode.USAGE, "'huge'"),
        (["IN", "out.png", "--size", "9000"], ExitCode.USAGE, "8192"),
        (["IN", "out.png", "--invert", "perhaps"], ExitCode.USAGE, "auto, yes, no"),
        (["IN", "out.png", "--align", "loose"], ExitCode.USAGE, "none, face"),
        (["IN", "out.png", "--paste"], ExitCode.USAGE, "--align face"),
        (["IN", "out.png", "--format", "gif"], ExitCode.USAGE, "png, jpg"),
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
        (["--watch", ".", "out", "--grid", "sheet.png"], ExitCode.USAGE, "--grid"),
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
    assert says in " ".join(outcome.stderr.replace("│", "").split())  # Typer's are in a box
    assert "Traceback" not in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_path_fails_before_anything_heavy_is_imported(sketches, tmp_path):
    sketch, photo = str(sketches / "face-0.png"), str(tmp_path / "a.png")
    wrong = [
        ["no.png", photo],
        [sketch, f"{tmp_path}/a.docx"],
        [sketch, photo, "--size", "x"],
        [sketch, photo, "--model", "nix"],
        [sketch, sketch],
    ]
    command = [sys.executable, "-c", CODES, json.dumps(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = [ExitCode.DATA, ExitCode.DATA, ExitCode.USAGE, ExitCode.CHECKPOINT, ExitCode.DATA]
    assert json.loads(done.stdout) == [codes, []]


def test_a_wrong_path_takes_less_than_three_tenths_of_a_second():
    command = [*PROGRAM, "generate", "no.png", "a.png"]
    failing = partial(subprocess.run, command, capture_output=True, check=False)
    assert any(seconds(failing) < LIMIT_SECONDS for _ in range(5))


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


def test_shards_are_disjoint_and_together_everything(sketch2img, sketches, tmp_path):
    made = []
    for shard in ("1/2", "2/2"):
        options = ("--shard", shard, "--manifest", tmp_path / "m.csv")
        outcome = sketch2img("generate", sketches, tmp_path / "a", *options)
        assert outcome.code == 0, outcome.stderr
        assert f"shard {shard[0]} of 2" in outcome.stderr
        made += outcome.stdout.splitlines()
    assert len(set(made)) == len(made) == 8
    assert {path.name for path in tmp_path.glob("*.csv")} == {"m-1-of-2.csv", "m-2-of-2.csv"}
    (tmp_path / "a" / "face-0.png").unlink()
    rest = sketch2img("generate", sketches, tmp_path / "a", "--skip-existing")
    assert "8 photos: 1 made, 7 skipped" in rest.stderr


def test_only_what_is_typed_divides_the_work(sketch2img, sketches, tmp_path, monkeypatch):
    """A job's environment may have a rank that means something else."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    outcome = sketch2img("generate", sketches / "face-0.png", tmp_path / "a.png")
    assert (outcome.code, outcome.stdout) == (0, f"{tmp_path / 'a.png'}\n")


def test_names_that_are_no_text(piped, sketches, tmp_path):
    odd = os.fsencode(tmp_path / "in") + b"/\xff\xfe.png"
    (tmp_path / "in").mkdir()
    with open(odd, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write((sketches / "face-0.png").read_bytes())
    options = ("--overwrite", "--manifest", tmp_path / "m.csv")
    for flag in ([], ["--json"], ["--jsonl"]):
        code, stdout, errors = piped(tmp_path / "in", tmp_path / "out", *options, *flag)
        assert code == 0, errors
        assert (b"\xff\xfe" if not flag else b"\\udcff\\udcfe") in stdout
    made = [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()]
    assert made == [b"\xff\xfe.png"]


def test_ctrl_c_leaves_whole_files_only(sketches, tmp_path, programs):
    data = (sketches / "face-0.png").read_bytes()
    for index in range(600):
        path = tmp_path / "in" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    out = tmp_path / "out"
    command = [programs / "sketch2img", "generate", tmp_path / "in", out]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    while not (out.exists() and len(list(out.glob("*.png"))) > 5):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in errors
    names = [path.name for path in out.iterdir()]
    assert not [name for name in names if ".part" in name]
    assert 5 < len(names) < 600
    assert {images.read_rgb(out / name).shape for name in names} == {(32, 32, 3)}


def test_a_watch_ends_with_ctrl_c_and_code_0(sketch2img, sketches, tmp_path, monkeypatch):
    from sketchcli.engine.generating import folder_watcher

    now = itertools.count()  # seconds

    def sleep(pause):
        if next(now) > 6:
            raise KeyboardInterrupt

    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=sleep)
    monkeypatch.setattr(folder_watcher, "time", clock)
    outcome = sketch2img("generate", "--watch", sketches, tmp_path / "out", "--jsonl")
    assert outcome.code == 0, outcome.stderr
    assert len(outcome.stdout.splitlines()) == 8
    assert f"stopped watching {sketches}" in outcome.stderr


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
