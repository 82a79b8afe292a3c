from types import SimpleNamespace

import numpy as np
import pytest

from sketchcli import registry
from sketchcli.engine.evaluating import features
from sketchcli.engine.evaluating.features import (
    BATCH,
    Candidate,
    Reference,
    Tools,
    look,
    measure,
)


class Counting:
    """An extractor that knows how many pictures it was shown."""

    def __init__(self):
        self.shown = 0

    def look(self, real):
        self.shown += len(real)
        return real[:, :2, 0, 0].astype(np.float64)

    def describe(self, pictures, places):
        return pictures.reshape(len(pictures), -1)[:, :5] + places[:, :1].astype(np.float32)


@pytest.fixture
def photos(noise):
    return noise(BATCH + 3)


@pytest.fixture
def seen(photos, monkeypatch):
    """Look at photos, theirs by default: what was found, and how many had to be shown."""

    def call(pictures=photos):
        ids, extractor = tuple(map(str, range(len(pictures)))), Counting()
        monkeypatch.setattr(
            registry, "extractor", lambda _: SimpleNamespace(PROTOCOL="five shades")
        )
        reference = Reference("real", ids, (16, 16), lambda rows: pictures[rows.start : rows.stop])
        return look(reference, Tools({}, {}, {"shades": extractor}), [].append), extractor.shown

    return call


def test_what_was_seen_of_the_real_photos_is_kept(photos, seen):
    (first, shown), (again, shown_again) = seen(), seen()
    assert (shown, shown_again) == (len(photos), 0)
    expected = photos.reshape(len(photos), -1)[:, :5] + photos[:, :1, 0, 0].astype(np.float32)
    for found in (first, again):
        np.testing.assert_array_equal(found.features["shades"], expected)
        np.testing.assert_array_equal(found.places["shades"], photos[:, :2, 0, 0])
    np.testing.assert_array_equal(first.thumbnails, photos)  # they are as large as that


def test_another_pixel_or_another_order_is_another_set(photos, seen):
    changed = photos.copy()
    changed[-1, 3, 3, 1] ^= 1
    assert [seen(pictures)[1] for pictures in (photos, changed, photos[::-1], photos)] == [
        *[len(photos)] * 3,
        0,
    ]


@pytest.mark.parametrize("left", [0, 100, 200])
def test_what_is_damaged_is_looked_for_again(photos, seen, home, left):
    before, _ = seen()
    for file in (home / "cache" / "features").glob("*-features.npy"):
        whole = file.read_bytes()
        file.unlink()  # it is mapped
        file.write_bytes(whole[:left])
    after, shown = seen()
    assert shown == len(photos)
    np.testing.assert_array_equal(after.features["shades"], before.features["shades"])


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_generated_photos_are_looked_at_where_the_real_ones_say(photos, noise, monkeypatch, batch):
    monkeypatch.setattr(features, "BATCH", batch)
    monkeypatch.setattr(registry, "extractor", lambda _: SimpleNamespace(PROTOCOL="five shades"))
    generated, extractor = noise(len(photos), seed=1), Counting()
    ids = tuple(map(str, range(len(photos))))
    reference = Reference("real", ids, (16, 16), lambda rows: photos[rows.start : rows.stop])
    candidate = Candidate("drawn", "model", lambda rows: generated[rows.start : rows.stop])
    tools = Tools({}, {}, {"shades": extractor})
    real = look(reference, tools, [].append)
    (found,) = measure([candidate], reference, tools, real, [].append)
    expected = extractor.describe(generated, real.places["shades"])
    np.testing.assert_array_equal(found.features["shades"], expected)
    np.testing.assert_array_equal(found.thumbnails, generated)
