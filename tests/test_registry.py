import importlib
import pkgutil
import sys

import pytest

from sketchcli import registry
from sketchcli.errors import UsageError


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of two modules that nobody may import for their names alone, and a private one."""
    folder = tmp_path / "packages" / "planted_room"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "_private.py").touch()
    (folder / "heavy.py").write_text("raise RuntimeError('imported')")
    (folder / "apple.py").write_text("COLOUR = 'red'")
    monkeypatch.syspath_prepend(folder.parent)
    yield "planted_room"
    for name in [name for name in sys.modules if name.startswith("planted_room")]:
        del sys.modules[name]


def test_names_are_the_public_files_sorted_and_none_is_imported(room):
    assert registry.names(room) == ["apple", "heavy"]


def test_a_name_loads_its_module(room):
    assert registry.load(room, "apple").COLOUR == "red"


def test_a_file_dropped_in_becomes_a_name(room, tmp_path):
    (tmp_path / "packages" / room / "banana.py").write_text("COLOUR = 'yellow'")
    assert "banana" in registry.names(room)
    assert registry.load(room, "banana").COLOUR == "yellow"


def test_a_file_may_hold_several_names(room, tmp_path):
    text = 'NAMES = ("sour-cherry", "plum")\nraise RuntimeError("imported")\n'
    (tmp_path / "packages" / room / "stone_fruit.py").write_text(text)
    assert registry.names(room) == ["apple", "heavy", "plum", "sour-cherry"]
    (tmp_path / "packages" / room / "stone_fruit.py").write_text(
        "from sketchcli.registry import Entry\n"
        'NAMES = (\n    "sour-cherry",\n    "plum",\n)\n'
        'ENTRIES = {"plum": Entry(COLOUR="blue"), "sour-cherry": Entry(COLOUR="red")}\n'
    )
    assert registry.load(room, "plum").COLOUR == "blue"
    assert registry.load(room, "sour-cherry").COLOUR == "red"
    with pytest.raises(UsageError):
        registry.load(room, "stone-fruit")


@pytest.mark.parametrize("name", ["pear", "_private", "", "apple.COLOUR", "../apple"])
def test_an_unknown_name_lists_the_known_ones(room, name):
    with pytest.raises(UsageError, match=f"'{name}'") as caught:
        registry.load(room, name)
    assert caught.value.hint.endswith("choose from: apple, heavy")


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (registry.GENERATORS, {"cnn", "resnet", "resunet", "unet"}),
        (registry.DISCRIMINATORS, {"dense", "patch"}),
        (registry.METRICS, {"mae", "psnr", "ssim"}),
        (registry.ASSETS, {"demo", "folder"}),
    ],
)
def test_our_rooms_hold_what_the_docs_promise(package, expected):
    assert expected <= set(registry.names(package))


# fmt: off
NAMES = {
    registry.GENERATORS: ["cnn", "resnet", "resunet", "unet"],
    registry.DISCRIMINATORS: ["dense", "patch"],
    registry.STYLES: ["canny", "hand", "ink", "pen", "pencil", "portrait", "sobel"],
    registry.ASSETS: [
        "cityscapes", "cufsf", "cuhk", "demo", "edges2handbags", "edges2shoes", "facades",
        "fid-inception", "folder", "fs2k", "lpips-alex", "lpips-vgg", "maps", "night2day",
        "sface", "yunet",
    ],
    registry.METRICS: [
        "colour-shift", "face-similarity", "fid", "fsim", "gradient", "kid", "lpips-alex",
        "lpips-vgg", "mae", "ms-ssim", "mse", "precision", "psnr", "rank-1", "rank-5", "recall",
        "sharpness", "ssim", "verification-eer",
    ],
}
# fmt: on


@pytest.mark.parametrize("group", NAMES)
def test_the_names_are_these_in_whatever_files(group):
    assert registry.names(group) == NAMES[group]
    for name in NAMES[group]:
        registry.load(group, name)


@pytest.mark.parametrize("group", NAMES)
def test_a_file_of_several_names_has_an_entry_for_each(group):
    package = importlib.import_module(group)
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{group}.{found.name}")
        assert sorted(getattr(module, "ENTRIES", ())) == sorted(getattr(module, "NAMES", ()))


def test_the_error_says_what_kind_of_name_it_is():
    with pytest.raises(UsageError, match="unknown generator 'vnet'"):
        registry.load(registry.GENERATORS, "vnet")


@pytest.mark.parametrize(("name", "instead"), [("texture-distance", "kid"), ("edges", "fsim")])
def test_a_removed_metric_names_what_to_choose_instead(name, instead):
    with pytest.raises(UsageError, match=f"the metric '{name}' no longer exists") as caught:
        registry.load(registry.METRICS, name)
    assert instead in caught.value.hint
    assert instead in NAMES[registry.METRICS]
    assert name not in registry.names(registry.METRICS)
