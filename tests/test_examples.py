"""Small functions, each by one or two examples."""

import math
from collections import Counter

import numpy as np
import pytest

from sketchcli import file_kinds, limits, registry
from sketchcli.cli.progress import formatted
from sketchcli.config import merging
from sketchcli.config.settings import TrainConfig
from sketchcli.engine.fetching import archive, download, fetch, inventory
from sketchcli.engine.training import budget
from sketchcli.sketching import _fields


def test_a_cell_of_the_live_view():
    assert formatted(0.715, ".0%") == "72%"
    assert formatted(0.314, "+.2f") == "+0.31"
    assert formatted(math.nan, "+.2f") == formatted(None, ".0%") == ""


def test_changes_to_settings():
    assert merging.merge(TrainConfig(), {"optimizer": {"lr": 1}}).optimizer.lr == 1.0
    old = {"epochs": 3, "data": {"grow_from": 64, "accumulate": 2}}
    kept = {"epochs": 3, "data": {"accumulate": 2}}
    assert merging.without_removed(old) == (kept, {"data.grow_from": 64})


def test_the_path_of_an_archive_member():
    assert archive.relative_path("./photos//a.jpg") == "photos/a.jpg"


def test_the_headers_of_a_download():
    assert download.content_range({"Content-Range": "bytes 10-19/20"}) == (10, 20)
    assert download.content_range({"Content-Range": "bytes */20"}) == (None, None)
    assert download.total_bytes({"Content-Length": "5"}, 10) == 15
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert download.validator({"ETag": 'W/"1"', "Last-Modified": date}) == date
    assert download.validator({"ETag": '"1"', "Last-Modified": date}) == '"1"'


def test_which_urls_are_secure():
    assert download.is_secure("https://example.org/a")
    assert download.is_secure("http://localhost:80/a")
    assert not download.is_secure("http://localhost@example.org/a")
    assert not download.is_secure("http://127.0.0.1.example.org/")


def test_urls_are_shown_without_secrets():
    url = "https://me:secret@example.org:8080/a/b.zip?X-Amz-Signature=secret"
    assert download.shown(url) == "https://example.org:8080/a/b.zip"
    plain = "https://example.org/a.zip"
    assert download.address_key("https://me:secret@example.org/a.zip") == plain
    assert download.address_key(f"{plain}?id=1") == f"{plain}#c9aff77574334305"
    assert fetch.is_address(plain)
    assert not fetch.is_address("C:/a.zip")
    assert fetch.file_at("https://example.org/set.zip?key=1").name == "72ebd66d-set.zip"


def test_an_inventory():
    groups = {"missing": ["a.png"], "changed": [], "extra": ["b", "c", "d", "e"]}
    assert inventory.described(**groups) == "1 missing (a.png), 4 extra (b, c, d, ...)"
    assert inventory.parse("00" * 32 + "  a b.png", name="list") == {"a b.png": "00" * 32}


def test_durations():
    assert budget.parse_duration("1h30m") == 5400
    assert budget.parse_duration("90s") == 90
    assert budget.duration(59.6) == "1m00s"
    assert budget.duration(4000) == "1h06m40s"
    costs = budget.Costs(1.0, 10, measurement=2.0, measure_every=10, finish=5.0)
    assert budget.epochs_that_fit(600, costs) == 55


def test_kinds_of_files():
    found = file_kinds.kinds(Counter({".svg": 3, "": 1}))
    assert found == "3 .svg, 1 without an extension"


def test_amounts_of_memory():
    assert limits.parse_bytes("1.5G") == 1610612736
    assert limits.parse_bytes("none") == math.inf
    shown = [limits.shown(count) for count in (1.5 * 2**30, 2**20, 1e40)]
    assert shown == ["1.5 GB", "1 MB", "over 1,000 TB"]
    assert [limits.rounded(count) for count in (2**30 + 1, 5)] == ["2G", "1M"]


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [({"a": 1}, dict[str, float], True), (None, float | None, True), (True, int, False)],
)
def test_types_of_json(value, kind, fits):
    assert limits.fits(value, kind) is fits


def test_names_of_a_group():
    assert "resnet" in registry.names(registry.GENERATORS)


def test_fields_of_a_style():
    assert _fields.unit((256, 256, 3)) == 2
    assert _fields.to_pixels(np.array([[-1, 0.5, 2]], np.float32)).tolist() == [[0, 128, 255]]
