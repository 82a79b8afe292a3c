"""What the tests share: a home of their own, the real entry point, and small drawn sets."""

import dataclasses
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sketchcli import config as settings
from sketchcli import device as devices
from sketchcli.config import TrainConfig
from sketchcli.data.prepared import PreparedSet
from sketchcli.models.building import spelled_out

NETWORKS = Path(
    os.environ.get("SKETCH2IMG_TEST_NETWORKS", Path(__file__).parent.parent / ".venv" / "networks")
)
SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
if hasattr(signal, "SIGHUP"):  # under nohup, the commands that tests start would ignore it, too
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has an empty home of its own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SKETCH2IMG_HOME", str(folder))
    return folder


@pytest.fixture
def without_bundled(tmp_path, monkeypatch):
    """An installation that no model came with."""
    monkeypatch.setattr("sketchcli.weights.FILE", tmp_path / "no.safetensors")


@pytest.fixture
def sketch2img(capfd):
    """Run the real entry point, error boundary and all."""
    from sketchcli.cli.main import main

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def network_file(name: str) -> Path:
    """A network's file, which `make test` fetches; without it the test is skipped."""
    found = next(NETWORKS.rglob(name), None)
    if found is None:
        pytest.skip(f"no {name} in {NETWORKS}")
    return found


@pytest.fixture(scope="session")
def forking_server(tmp_path_factory):
    """The address of a server that forks the program instead of starting it."""
    from forking import server

    with server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def programs(forking_server):
    """A folder of programs which are forked, to be found before all others."""
    from forking import put_forked_programs

    folder = forking_server.parent / "bin"
    put_forked_programs(folder, forking_server)
    return folder


@pytest.fixture
def shared():
    """The research data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no research data beside this checkout")
    return SHARED


@pytest.fixture
def cpu():
    return devices.resolve("cpu", precision="fp32")


def draw_folders(root: Path, count: int = 8, size: int = 32) -> Path:
    """Folders `sketches` and `photos` of drawn pairs."""
    from sketchcli import images
    from sketchcli.assets.demo import draw_pair

    for index in range(count):
        sketch, photo = draw_pair(index, size=size)
        images.write(root / "sketches" / f"face-{index}.png", sketch)
        images.write(root / "photos" / f"face-{index}.png", photo)
    return root


@pytest.fixture
def folders(tmp_path):
    return draw_folders(tmp_path / "drawn")


@pytest.fixture(scope="session")
def drawn_and_prepared(tmp_path_factory) -> Path:
    """Twelve drawn pairs of 32 pixels and the set prepared of them, made once."""
    from sketchcli.data import sources
    from sketchcli.data.splits import SplitRule
    from sketchcli.engine.preprocessing.pair_builder import PairOptions
    from sketchcli.engine.preprocessing.preprocess import PreprocessConfig, preprocess
    from sketchcli.engine.runs import Provenance

    folder = tmp_path_factory.mktemp("made-once")
    root = draw_folders(folder / "drawn", count=12)
    config = PreprocessConfig(PairOptions((32, 32)), SplitRule(test=0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKETCH2IMG_HOME", str(folder / "home"))
        source, provenance = sources.tree(root), Provenance("drawn", "MIT", "us")
        preprocess(source, provenance, config, target=folder / "prepared")
    return folder


@pytest.fixture
def dataset(tmp_path, drawn_and_prepared) -> PreparedSet:
    """Twelve drawn pairs of 32 pixels, prepared."""
    from sketchcli.engine.lookup import find_prepared

    for name in ("drawn", "prepared"):
        shutil.copytree(drawn_and_prepared / name, tmp_path / name)
    return find_prepared(tmp_path / "prepared")


_FITS = set()  # the trainings that were found to fit into memory


@pytest.fixture(scope="session")
def leave_out():
    """Leave out what takes two thirds of a tiny run: its charts, and repeated checks of memory."""
    from sketchcli.engine.training import train

    check = train.check_memory

    def checked_once(config, dataset, run, device, *, processes=1):
        about = dataset.description
        room = os.environ.get("SKETCH2IMG_MAX_MEMORY")
        key = repr((config, about.domains, about.size, about.counts, device, processes, room))
        if key not in _FITS:
            check(config, dataset, run, device, processes=processes)
            _FITS.add(key)

    def apply(patch):
        patch.setattr(train, "check_memory", checked_once)
        patch.setattr("sketchcli.engine.reporting.charts.Chart.svg", lambda _: "<svg/>")
        patch.setattr(
            "sketchcli.engine.reporting.run_report.write_curves",
            lambda path, _: path.write_bytes(b"plot"),
        )

    return apply


@pytest.fixture
def plain_curves(monkeypatch, leave_out):
    """Runs without charts, for tests that do not look at them."""
    leave_out(monkeypatch)


@pytest.fixture
def tiny() -> TrainConfig:
    """The default recipe with narrow networks, and without one that has to be fetched."""
    changes = {
        "epochs": 2,
        "validation": {"every": 1},
        "loss": {"perceptual_weight": 0.0},
        "model": {
            "generator_options": {"width": 4, "blocks": 1},
            "discriminator_options": {"width": 4},
        },
        "data": {"batch_size": 2, "validation_pairs": 2},
    }
    config = settings.merge(settings.preset("modern"), changes)
    return dataclasses.replace(config, model=spelled_out(config.model))


@pytest.fixture
def noise():
    """Random uint8 pictures `(N, H, W, 3)`."""

    def draw(count: int = 3, size: int = 16, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)

    return draw


def extract(module, generated, real, files=None):
    """The features of both sides, as `eval` extracts them."""
    extractor = module.open_extractor(files or {})
    places = extractor.look(real)
    return extractor.describe(generated, places), extractor.describe(real, places)
