"""The container files: their form, and that they build what the project is."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = ("Dockerfile", "Dockerfile.cuda")
KNOWN = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD"}

spec = importlib.util.spec_from_file_location("dockerfile", ROOT / "tests/e2e/dockerfile.py")
dockerfile = importlib.util.module_from_spec(spec)
sys.modules["dockerfile"] = dockerfile
spec.loader.exec_module(dockerfile)


@pytest.fixture(params=FILES)
def steps(request):
    return dockerfile.parse((ROOT / request.param).read_text(encoding="utf-8"))


def values(steps, name):
    return [step.value for step in steps if step.name == name]


def test_every_instruction_is_known_and_can_be_taken_without_an_engine(steps):
    assert {step.name for step in steps} <= KNOWN
    assert all(hasattr(dockerfile.Builder, f"take_{step.name.lower()}") for step in steps)


def test_what_is_copied_is_there_and_not_ignored(steps):
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for value in values(steps, "COPY"):
        for source in value.split()[:-1] if not value.startswith("--from") else ():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in kept, source


def test_everything_that_the_wheel_is_built_from_is_copied(steps):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {path.partition("/")[0] for path in [*wheel["packages"], *wheel["shared-data"]]}
    copied = {word for value in values(steps, "COPY") for word in value.split()}
    assert needed <= copied


def test_the_image_runs_without_root_and_starts_the_program(steps):
    assert values(steps, "USER") == ["1000"]
    assert values(steps, "ENTRYPOINT") == ['["sketch2img"]']
    assert values(steps, "VOLUME") == ["/data"]
    assert "SKETCH2IMG_HOME=/data" in " ".join(values(steps, "ENV"))


def test_base_images_have_a_version_that_the_program_runs_on(steps):
    for value in values(steps, "FROM"):
        assert value.split()[0] == "python:3.11-slim-bookworm"


def test_steps_are_taken_below_a_folder(tmp_path):
    builder = dockerfile.Builder(tmp_path)
    text = (
        'ARG A="x"\nWORKDIR /source\nCOPY LICENSE ./\nENV B=/data/$PATH\nRUN echo "$A$B" \\\n  > b'
    )
    for step in dockerfile.parse(text):
        builder.take(step)
    assert (tmp_path / "source" / "LICENSE").is_file()
    assert (tmp_path / "source" / "b").read_text().startswith(f"x{tmp_path}/data/")


@pytest.mark.parametrize("name", FILES)
def test_the_linter_finds_nothing(name):
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("no hadolint here")
    done = subprocess.run([hadolint, ROOT / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
