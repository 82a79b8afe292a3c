"""What every asset promises; a new file in `assets/` is tested at once."""

import re
from importlib import resources

import pytest

from sketchcli import assets, registry
from sketchcli.assets import Asset, Kind
from sketchcli.config import Direction
from sketchcli.engine.fetching import arrange, inventory

NAMES = registry.names(registry.ASSETS)
ASSETS: dict[str, Asset] = {name: registry.load(registry.ASSETS, name).ASSET for name in NAMES}
FILES = [(name, f) for name in NAMES for edition in ASSETS[name].editions for f in edition.files]


def of_kind(*kinds: Kind) -> list[str]:
    return [name for name in NAMES if ASSETS[name].kind in kinds]


def test_all_that_the_docs_promise_are_here():
    assert {
        *("cityscapes", "cufsf", "cuhk", "demo", "edges2handbags", "edges2shoes", "facades"),
        *("fid-inception", "folder", "fs2k", "lpips-alex", "lpips-vgg", "maps", "night2day"),
        *("sface", "yunet"),
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_title_licence_and_citation_are_said(name):
    asset = ASSETS[name]
    for text in (asset.title, asset.licence, asset.citation):
        assert text == text.strip() != ""
        assert "\n" not in text


@pytest.mark.parametrize(("name", "file"), FILES, ids=lambda value: getattr(value, "name", value))
def test_a_file_is_known_by_address_or_content(name, file):
    assert file.urls or file.sha256
    assert all(re.fullmatch(r"https?://[^\s?#@]+", url) for url in file.urls)
    assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert file.size is None or file.size > 0
    assert re.fullmatch(r"[\w.-]+", file.name)


@pytest.mark.parametrize("name", of_kind(Kind.ARCHIVE, Kind.MANUAL))
def test_research_sets_must_be_accepted_and_say_so(name):
    asset = ASSETS[name]
    assert "research" in asset.notice
    assert "research" in asset.licence
    assert asset.homepage.startswith("http")


@pytest.mark.parametrize("name", of_kind(Kind.ARCHIVE))
def test_an_archive_can_be_downloaded_and_says_what_comes_next(name):
    asset = ASSETS[name]
    assert len(asset.downloads) == 1
    assert asset.downloads[0].urls
    assert asset.next_command("my set").startswith("sketch2img preprocess ")
    assert "'my set'" in asset.next_command("my set")


@pytest.mark.parametrize("name", of_kind(Kind.MANUAL))
def test_a_manual_set_says_the_steps_and_ends_with_the_command(name):
    asset = ASSETS[name]
    assert not asset.downloads
    assert len(asset.steps) > 1
    assert f"sketch2img fetch-data {name} --from" in asset.steps[-1]


@pytest.mark.parametrize("name", of_kind(Kind.NETWORK))
def test_a_network_is_verified_whatever_edition_it_comes_in(name):
    asset = ASSETS[name]
    assert all(file.sha256 and file.size for edition in asset.editions for file in edition.files)
    assert all(file.urls for file in asset.downloads)
    assert any(re.fullmatch(r"[\w-]+==[\d.]+", edition.package) for edition in asset.editions)
    assert asset.next_command(name) == ""
    assert asset.notice == ""


def test_a_name_that_starts_with_its_hash_has_that_hash():
    named = {
        file.name: (match[1], file.sha256)
        for _, file in FILES
        if (match := re.search(r"-([0-9a-f]{8})\.pth$", file.name))
    }
    assert len(named) == 3
    assert all(digest.startswith(prefix) for prefix, digest in named.values())


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("facades", Direction.PHOTO_LEFT),
        ("maps", Direction.PHOTO_LEFT),
        ("cityscapes", Direction.PHOTO_LEFT),
        ("edges2shoes", Direction.PHOTO_RIGHT),
        ("edges2handbags", Direction.PHOTO_RIGHT),
        ("night2day", Direction.PHOTO_RIGHT),
    ],
)
def test_the_side_of_the_photo_in_pix2pix_sets(name, direction):
    assert ASSETS[name].direction is direction


def test_the_manifest_is_in_the_package_and_knows_188_pairs():
    manifest = arrange.known_hashes(ASSETS["cuhk"])
    folders = [name.partition("/")[0] for name in manifest]
    assert {folder: folders.count(folder) for folder in folders} == {
        "testing-photos": 100,
        "testing-sketches": 100,
        "training-photos": 88,
        "training-sketches": 88,
    }
    assert len(set(manifest.values())) == len(manifest) == 2 * ASSETS["cuhk"].pairs
    assert resources.files(assets).joinpath("cuhk", inventory.FILE).is_file()


def test_the_manifest_is_that_of_the_official_pictures(shared):
    manifest = arrange.known_hashes(ASSETS["cuhk"])
    assert inventory.take(shared / "cuhk-student") == manifest


def test_no_download_size_is_invented_where_one_is_unknown():
    assert ASSETS["cuhk"].download_megabytes is None
    assert ASSETS["facades"].download_megabytes == 30.2
    assert ASSETS["lpips-alex"].download_megabytes == 244.4
    assert ASSETS["demo"].download_megabytes is None
