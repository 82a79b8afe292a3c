"""What people install: the wheel, its metadata, and the pins that it is tested with."""

import email
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import sketchcli

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
LARGE_BYTES = 800_000
LARGEST_WHEEL = 13_500_000
BIN = "Scripts" if os.name == "nt" else "bin"


def run(*command, timeout=60, **variables):
    """Run a command outside the checkout's reach; its output, after a success."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment | {key: str(value) for key, value in variables.items()},
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the checkout without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_files(wheel):
    """The wheel's files: path to content."""
    with zipfile.ZipFile(wheel) as archive:
        return {PurePosixPath(name): archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel_files):
    """The wheel's metadata, as a message with headers."""
    (text,) = (content for path, content in wheel_files.items() if path.name == "METADATA")
    return email.message_from_bytes(text)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A fresh environment with the wheel, which borrows everything else from the running one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / BIN / "python"
    install = ["-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    run(sys.executable, *install, timeout=120)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A folder named in a .pth file does not have its own .pth files read, so the checkout, which
    # the running environment knows through one, stays out of sight.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site, "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n", encoding="utf-8")
    return folder


# ------------------------------------------------------------------ the wheel's content


def test_the_wheel_says_that_it_is_typed(wheel_files):
    assert PurePosixPath("sketchcli/py.typed") in wheel_files


def test_the_wheel_holds_every_module_and_the_licence(wheel_files):
    source = ROOT / "src"
    found = [*source.rglob("*.py"), *source.rglob("templates/*")]
    assert {PurePosixPath(path.relative_to(source)) for path in found} <= set(wheel_files)
    assert any(path.name == "LICENSE" for path in wheel_files)


def test_the_wheel_holds_nothing_but_the_package(wheel_files):
    allowed = {
        ".py",
        ".typed",
        ".md",
        ".safetensors",
        ".json",
        ".toml",
        ".sha256",
        ".css",
        ".js",
        ".html",
    }
    for path in wheel_files:
        room = path.parts[0]
        assert room == "sketchcli" or room.endswith((".dist-info", ".data")), path
        assert "tests" not in path.parts, path
        assert room != "sketchcli" or path.suffix in allowed, path


def test_the_wheel_holds_the_model_and_nothing_else_that_is_large(wheel, wheel_files):
    large = {path.name for path, content in wheel_files.items() if len(content) > LARGE_BYTES}
    assert large == {"bundled.safetensors"}
    assert wheel.stat().st_size < LARGEST_WHEEL


def test_the_source_archive_holds_all_that_tests_need_and_nothing_else_that_is_large(
    tmp_path,
):
    command = ["-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT]
    run(sys.executable, *command, timeout=120)
    (built,) = tmp_path.glob("*.tar.gz")
    assert built.stat().st_size < LARGEST_WHEEL
    with tarfile.open(built) as archive:
        sizes = {m.name.partition("/")[2]: m.size for m in archive.getmembers() if m.isfile()}
    large = {name for name, size in sizes.items() if size > LARGE_BYTES}
    assert large == {"src/sketchcli/weights/bundled.safetensors"}
    templates = "src/sketchcli/engine/reporting/templates"
    for name in (f"{templates}/base.html", f"{templates}/evaluation.js"):
        assert name in sizes, name
    for name in ("tests/conftest.py", "docs/reference/cli.md", "man/sketch2img.1", "Dockerfile"):
        assert name in sizes, name
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "constraints-lowest.txt"):
        assert name in sizes, name


def test_the_wheel_brings_the_man_page(wheel_files):
    (page,) = (content for path, content in wheel_files.items() if path.suffix == ".1")
    assert page == (ROOT / "man" / "sketch2img.1").read_bytes()
    (place,) = (path for path in wheel_files if path.suffix == ".1")
    assert place.match("*.data/data/share/man/man1/sketch2img.1")


# ------------------------------------------------------------------ the metadata


def test_the_metadata_asks_for_python_3_11_or_newer(metadata):
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Version"] == sketchcli.__version__


def test_the_metadata_sets_no_upper_bound_and_pins_nothing(metadata):
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    assert "torch" in {requirement.name for requirement in requirements}
    for requirement in requirements:
        assert {clause.operator for clause in requirement.specifier} == {">="}, requirement
        assert requirement.url is None, requirement


def test_the_command_names_a_function(environment):
    code = (
        "from importlib.metadata import entry_points as e; "
        "(command,) = e(group='console_scripts', name='sketch2img'); print(command.load())"
    )
    assert run(environment / BIN / "python", "-c", code).startswith("<function run")


# ------------------------------------------------------------------ the installed program


def test_the_installed_program_starts_from_the_wheel(environment, tmp_path):
    where = run(
        environment / BIN / "python",
        *("-c", "import sketchcli; print(sketchcli.__file__)"),
    )
    assert Path(where.strip()).is_relative_to(environment)
    command = environment / BIN / "sketch2img"
    assert sketchcli.__version__ in run(command, "--version", SKETCH2IMG_HOME=tmp_path)
    shown = run(command, "--help", SKETCH2IMG_HOME=tmp_path)
    assert all(verb in shown for verb in ["fetch-data", "preprocess", "train", "generate", "eval"])


# ------------------------------------------------------------------ the pins


@pytest.fixture(scope="module")
def pins():
    """constraints.txt: name to requirement."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    named = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    assert len(named) == len(requirements), "a package is pinned twice"
    return named


def declared_requirements():
    """Every requirement of pyproject.toml: to run, to build, to develop."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        *project["project"]["dependencies"],
        *project["build-system"]["requires"],
        *project["dependency-groups"]["dev"],
    ]


@pytest.mark.parametrize("declared", declared_requirements())
def test_every_requirement_is_pinned_within_its_bounds(declared, pins):
    requirement = Requirement(declared)
    (pin,) = pins[canonicalize_name(requirement.name)].specifier
    assert requirement.specifier.contains(pin.version)


def test_every_line_of_the_constraints_is_an_exact_public_version(pins):
    for pin in pins.values():
        assert re.fullmatch(r"==\d[\w.]*", str(pin.specifier)), pin


def test_the_lowest_versions_are_the_bounds_themselves():
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(each.name): str(each.specifier) for each in lowest}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for group in project["optional-dependencies"].values() for text in group]
    for text in [*project["dependencies"], *extras]:
        declared = Requirement(text)
        (bound,) = declared.specifier
        (pin,) = Requirement("x" + pinned[canonicalize_name(declared.name)]).specifier
        is_oldest = Version(pin.version).release[: len(Version(bound.version).release)]
        assert is_oldest == Version(bound.version).release, (text, pin)
        assert declared.specifier.contains(pin.version)


def test_both_opencv_packages_are_pinned_at_one_version(pins):
    assert pins["opencv-python"].specifier == pins["opencv-python-headless"].specifier
