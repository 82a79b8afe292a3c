"""`fetch-data` that changes nothing: --list, --help."""

import re

import pytest
from cli.fetch_data.sets import ACCEPT, patch_facades
from engine.fetching.loopback import Reply
from processes import heavy_imports

from sketchcli import files
from sketchcli.data import sources
from sketchcli.engine.fetching import fetch as fetching
from sketchcli.errors import ExitCode


def test_the_defaults_of_drawn_pairs_are_in_the_help(sketch2img):
    shown = " ".join(re.sub(r"[│\s]+", " ", sketch2img("fetch-data", "--help").stdout).split())
    for default in (fetching.PAIRS, fetching.SIDE, fetching.SEED):
        assert f"[default: {default}]" in shown


def test_the_recorded_hashes_are_no_picture_of_the_set(demo):
    assert sources.tree(demo).left_out == {}


def test_the_list_knows_what_is_begun_and_what_is_ready(sketch2img, home, server, side_by_side, mp):
    def states():
        listed = sketch2img("fetch-data", "--list", "--json").json["data"]
        return {item["name"]: item for item in listed}

    path = "/facades.tar.gz"
    patch_facades(mp, server.serve(path, Reply(side_by_side, cut=500), Reply(status=404)))
    assert states()["facades"]["state"] == "absent"
    assert sketch2img("fetch-data", "facades", ACCEPT).code == ExitCode.DOWNLOAD
    assert states()["facades"]["state"] == "partial"
    server.serve(path, Reply(side_by_side))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    assert server.ranges(path)[-1] == "bytes=500-"
    ready = states()["facades"]
    assert (ready["state"], ready["files"], ready["pairs"]) == ("ready", 4, 4)
    assert ready["megabytes"] is not None


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_fits_the_terminal(sketch2img, mp, columns):
    mp.setenv("COLUMNS", str(columns))
    mp.setenv("FORCE_COLOR", "1")  # makes a terminal of a pipe
    mp.setenv("NO_COLOR", "1")
    shown = re.sub(r"\x1b\[\d*m", "", sketch2img("fetch-data", "--list").stdout)
    assert max(map(len, shown.splitlines())) <= columns
    assert "edges2handbags" in shown


def test_listing_imports_nothing_heavy():
    assert heavy_imports("fetch-data", "--list") == (0, set())


def test_a_lock_is_only_held_while_a_set_is_made(demo):
    with files.locked(demo):
        pass
