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


@pytest.mark.parametrize("name", ["pear", "_private", "", "apple.COLOUR", "../apple"])
def test_an_unknown_name_lists_the_known_ones(room, name):
    with pytest.raises(UsageError, match=f"'{name}'") as caught:
        registry.load(room, name)
    assert caught.value.hint.endswith("known: apple, heavy")


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


def test_the_error_says_what_kind_of_name_it_is():
    with pytest.raises(UsageError, match="unknown generator 'vnet'"):
        registry.load(registry.GENERATORS, "vnet")
