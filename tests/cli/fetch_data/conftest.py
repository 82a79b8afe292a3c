"""Small sets, and a server that hands them out."""

from dataclasses import replace

import pytest
from cli.fetch_data.sets import KINDS, png, sha256, tar_of
from engine.fetching.loopback import serving

from sketchcli.assets import cuhk
from sketchcli.engine.fetching import arrange, download


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """No waiting between attempts."""
    monkeypatch.setattr(download.PatientRetry, "get_backoff_time", lambda _: 0.0)


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def pictures(noise):
    """Four encoded pictures, each with another content."""
    return [png(noise(1, seed=seed)[0]) for seed in range(4)]


@pytest.fixture
def side_by_side(pictures):
    """A pix2pix archive with four pairs."""
    names = ("train/1.png", "train/2.png", "val/1.png", "test/1.png")
    return tar_of({f"facades/{name}": p for name, p in zip(names, pictures, strict=True)})


@pytest.fixture
def official(monkeypatch, pictures):
    """A set of four pictures that is known by content alone, in the layout of its home page."""
    names = [f"{s}-{k}/f-{n}.png" for s, n in (("training", 1), ("testing", 2)) for k in KINDS]
    manifest = dict(zip(names, map(sha256, pictures), strict=True))
    monkeypatch.setattr(arrange, "known_hashes", lambda _: manifest)
    monkeypatch.setattr(cuhk, "ASSET", replace(cuhk.ASSET, pairs=2))
    inside = ("photo/f-1.png", "sketch/F2-1.png", "photo/f-2.png", "sketch/F2-2.png")
    folders = ("CUHK_training_photo", "CUHK_training_sketch", "CUHK_testing_photo", "CUHK_x")
    return {f"{a}/{b}": p for a, b, p in zip(folders, inside, pictures, strict=True)}


@pytest.fixture
def demo(sketch2img, home):
    assert sketch2img("fetch-data", "demo", "--count", 2, "--size", 16).code == 0
    return home / "raw" / "demo"


@pytest.fixture
def mp(monkeypatch):
    return monkeypatch
