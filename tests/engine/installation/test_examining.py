"""`sketch2img doctor`, also where what it looks at is broken."""

import os
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from sketchcli import weights
from sketchcli.doctor import checks, probes
from sketchcli.doctor.checks import COMPUTING, VERBS, installation
from sketchcli.doctor.probes import ask
from sketchcli.engine.results import Check, State
from sketchcli.errors import CheckpointError, ExitCode

TRIAL = {"error": "", "spread": {"cpu": 60.0}}
TORCH = {
    "error": "",
    "version": "2.13.0",
    "build": "CPU-only",
    "gpus": [],
    "why_no_gpu": "no GPU is visible",
    "has_mps": False,
}


def die():
    os.abort()


def sleep_for_long():
    import time

    time.sleep(60)


def fail():
    raise ImportError("libGL.so.1: cannot open\nshared object")


def answer():
    return {"n": 1}


def import_checks():
    from sketchcli.cli import app, doctor
    from sketchcli.doctor import checks

    return {"modules": [each.__name__ for each in (app, doctor, checks)]}


@pytest.mark.slow
def test_a_whole_installation_is_told_and_code_0(sketch2img, home, monkeypatch):
    monkeypatch.setenv("HOME", str(home.parent))
    outcome = sketch2img("doctor")
    assert outcome.code == ExitCode.OK, outcome.stdout
    lines = outcome.stdout.splitlines()
    assert lines[-1] == "all five main commands can run"
    names = [line[8:20].strip() for line in lines[:-1] if line[:8].strip()]
    assert names == [
        *("sketch2img", "python", "torch", "opencv", "libraries", "device", "memory"),
        *("folders", "assets", "trial"),
    ]
    assert "SKETCH2IMG_HOME=~/home" in outcome.stdout
    assert str(home.parent) not in outcome.stdout
    assert not home.exists()  # looking makes nothing
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("module", "error", "probe", "check", "stopped"),
    [
        ("cv2", "ImportError('libGL.so: no')", probes.ask_opencv, checks.check_opencv, VERBS),
        ("torch", "OSError('libtorch.so: no')", probes.ask_torch, checks.check_torch, COMPUTING),
        (
            "matplotlib",
            "__import__('os').abort()",
            probes.ask_imports,
            checks.check_libraries,
            VERBS,
        ),
    ],
)
def test_a_library_that_cannot_be_imported_is_told(
    monkeypatch, tmp_path, module, error, probe, check, stopped
):
    (tmp_path / f"{module}.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    found = check(*ask(probe))
    assert (found.state, found.stops) == (State.PROBLEM, stopped)
    assert ("it crashed (SIGABRT)" if "abort" in error else "so: no") in found.summary
    assert found.hint
    assert installation([found]).exit_code == ExitCode.DEVICE


@pytest.mark.parametrize(
    ("package", "stopped"),
    [
        *(("safetensors", COMPUTING), ("PIL", VERBS), ("jinja2", ("preprocess", "train", "eval"))),
        *(("starlette", ()), ("uvicorn", ())),  # which only `draw` needs
    ],
)
def test_doctor_starts_without_a_library_and_blames_that_one(
    monkeypatch, tmp_path, package, stopped
):
    (tmp_path / f"{package}.py").write_text("raise ImportError('no')")
    monkeypatch.syspath_prepend(tmp_path)
    opencv, imports, doctor = ask(probes.ask_opencv, probes.ask_imports, import_checks)
    assert (opencv["error"], doctor["error"]) == ("", "")
    assert imports["errors"][package] == "ImportError: no"
    check = checks.check_libraries({"errors": {package: "ImportError: no"}, "error": ""})
    assert check.stops == stopped


def test_after_a_problem_the_photo_is_not_tried(monkeypatch):
    answers = iter(
        [
            [{"error": "ImportError: no"}],
            [{"errors": {"requests": "no"}, "error": ""}],
            [{"error": "OSError: no"}] * 3,
        ]
    )
    monkeypatch.setattr(checks, "ask", lambda *_: next(answers))
    found = checks.examine()
    assert [check.name for check in found.problems] == ["torch", "opencv", "libraries"]
    skipped = [check.name for check in found.checks if check.summary.startswith("skipped")]
    assert skipped == ["device", "trial"]


def test_other_libraries_stop_the_verbs_that_need_them():
    whole = checks.check_libraries({"errors": {}, "error": ""})
    assert whole.state is State.OK
    assert "numpy" in whole.summary
    check = checks.check_libraries({"errors": {"requests": "ImportError: no"}, "error": ""})
    assert (check.state, check.stops) == (State.PROBLEM, ("fetch-data",))
    assert check.summary == "requests: ImportError: no"


def test_opencv_without_its_system_libraries_gets_the_cure():
    check = checks.check_opencv({"error": "ImportError: libGL.so.1: cannot open"})
    assert (check.exit_code, check.stops) == (ExitCode.DEVICE, VERBS)
    assert "apt install libgl1" in check.hint
    crashed = checks.check_opencv({"error": "it crashed (SIGILL)"})
    assert "apt" not in crashed.hint


def test_probes_are_answered_one_by_one_until_one_crashes():
    answers = ask(answer, fail, answer, die, answer)
    assert [each.get("n") for each in answers] == [1, None, 1, None, None]
    assert answers[1]["error"] == "ImportError: libGL.so.1: cannot open"
    assert [each["error"] for each in answers[3:]] == ["it crashed (SIGABRT)"] * 2


def test_a_probe_without_an_answer_is_given_up():
    assert ask(sleep_for_long, patience=0.1)[0]["error"].startswith("no answer within")


def test_the_first_problem_gives_the_exit_code_and_each_stops_its_verbs():
    fine = Check("a", State.OK, "fine")
    data = Check("b", State.PROBLEM, "no", stops=("train",), exit_code=ExitCode.DATA)
    device = replace(data, name="c", stops=("eval",), exit_code=ExitCode.DEVICE)
    assert installation([fine]).exit_code == ExitCode.OK
    found = installation([fine, data, device])
    assert found.exit_code == ExitCode.DATA
    assert found.can_run == {verb: verb not in {"train", "eval"} for verb in VERBS}


def test_every_requirement_has_its_version():
    declared = [Requirement(text) for text in metadata.requires("sketch2img") or ()]
    required = {each.name for each in declared if "extra" not in str(each.marker)}
    facts = checks.check_libraries({"error": ""}).facts
    assert facts["versions"].keys() == {each.name for each in declared} - {"torch", "opencv-python"}
    assert all(facts["versions"][name] for name in required - {"torch", "opencv-python"})


@pytest.mark.parametrize(
    ("facts", "driver", "says", "state"),
    [
        ({}, "", "CPU-only build: computes on the CPU", State.OK),
        ({}, "550.54", "cannot use the GPU of this machine (driver 550.54)", State.NOTE),
        (
            {"build": "CUDA 12.4", "why_no_gpu": "RuntimeError: Found no NVIDIA driver"},
            "",
            "CUDA 12.4 build: no GPU can be used (RuntimeError: Found no NVIDIA driver)",
            State.NOTE,
        ),
        ({"build": "ROCm 6.2"}, "", "a ROCm 6.2 build: no GPU", State.NOTE),
        ({"has_mps": True}, "", "--device mps", State.OK),
        (
            {"build": "CUDA 12.4", "gpus": ["H (80 GB, capability 9.0)"]},
            "550.54",
            "CUDA 12.4 build: H (80 GB, capability 9.0)",
            State.OK,
        ),
    ],
)
def test_the_build_of_torch_is_told_with_the_reason(monkeypatch, facts, driver, says, state):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(checks, "nvidia_driver", lambda: driver)
    check = checks.check_torch(TORCH | facts)
    assert says in check.summary
    assert check.state is state
    assert (check.state is State.NOTE) == bool(check.hint)


def test_gpus_that_the_user_hides_are_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    check = checks.check_torch(TORCH | {"build": "CUDA 12.4"})
    assert "hides every GPU" in check.summary
    assert check.hint == "unset CUDA_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"error": "mps generates a different photo from the CPU"}, "a different photo"),
        (TRIAL | {"spread": {"cpu": 60.0, "cuda": 0.2}}, "uniform grey"),
    ],
)
def test_a_device_that_draws_nonsense_is_a_problem(answer, says):
    assert checks.check_trial(TRIAL).state is State.OK
    check = checks.check_trial(answer)
    assert (check.state, check.stops) == (State.PROBLEM, ("generate",))
    assert says in check.summary


def test_the_bundled_model_is_tried_not_the_newest_run(home):
    young = home / "runs" / "young"
    young.mkdir(parents=True)
    (young / "result.json").write_text("{}")
    (young / "weights.safetensors").write_bytes(b"the weights of a run that draws one grey")
    tried = probes.ask_trial() | {"error": ""}
    assert checks.check_trial(tried).state is State.OK


def test_a_damaged_model_is_told(monkeypatch, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(weights.FILE.read_bytes()[:-1])
    monkeypatch.setattr(weights, "FILE", damaged)
    with pytest.raises(CheckpointError, match="differs from the bundled model"):
        probes.ask_trial()


def test_a_home_that_cannot_be_written_to_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SKETCH2IMG_HOME", str(tmp_path / "file" / "home"))
    check = checks.check_folders()
    assert (check.state, check.exit_code) == (State.PROBLEM, ExitCode.DATA)
    assert "generate" not in check.stops


def test_a_home_that_may_not_be_looked_into_is_told_too(monkeypatch, tmp_path):
    """Played: tests may run as root, who may look everywhere."""
    hidden = tmp_path / "hidden" / "home"

    def refuse(path, **_):
        if hidden.parent in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path)

    stat = Path.stat
    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("SKETCH2IMG_HOME", str(hidden))
    assert checks.check_folders().state is State.PROBLEM
    assert checks.check_assets().state is not State.PROBLEM  # it is told once


@pytest.mark.parametrize(
    ("free", "state"), [(50e6, State.PROBLEM), (1e9, State.NOTE), (5e9, State.OK)]
)
def test_a_full_disk_is_told(monkeypatch, free, state):
    from types import SimpleNamespace

    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert checks.check_folders().state is state


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("MemTotal: 2000000 kB\nMemAvailable: 1000000 kB\n", "1.0 of 2.0 GB free"),
        ("        total:    used:\nMemTotal: 2000000 kB\n\n", "cannot be read on this system"),
        ("", "cannot be read on this system"),
    ],
)
def test_memory_is_told_where_the_system_tells_it(monkeypatch, tmp_path, text, summary):
    monkeypatch.setattr(checks, "MEMORY", tmp_path / "meminfo")
    checks.MEMORY.write_text(text)
    check = checks.check_memory()
    assert (check.state, check.summary) == (State.OK, summary)


def test_threads_that_crowd_the_cores_are_told():
    answer = {"device": "cpu", "precision": "fp32", "threads": 4096, "error": ""}
    many = checks.check_device(answer)
    assert many.state is State.NOTE
    assert "4096 threads" in many.summary
