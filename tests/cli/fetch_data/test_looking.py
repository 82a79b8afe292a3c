"""`fetch-data` that changes nothing: --verify, --dry-run, --list, --help."""

import re

import pytest
from cli.failing import assert_fails
from cli.fetch_data.sets import ACCEPT, patch_facades
from engine.fetching.loopback import Reply
from processes import heavy_imports

from sketchcli import files
from sketchcli.assets import sketch_datasets
from sketchcli.data import sources
from sketchcli.engine.fetching import fetch
from sketchcli.engine.fetching import fetch as fetching
from sketchcli.errors import ExitCode


def test_an_untouched_set_is_verified(sketch2img, demo):
    outcome = sketch2img("fetch-data", "demo", "--verify")
    assert outcome.code == 0
    assert "all 4 files" in outcome.stdout
    assert sketch2img("fetch-data", "demo", "--verify", "--json").json["data"]["files"] == 4


def test_changed_missing_and_extra_files_are_found(sketch2img, demo):
    photo = demo / "photos" / "00000.png"
    content = bytearray(photo.read_bytes())
    content[-20] ^= 1
    photo.write_bytes(content)
    outcome = sketch2img("fetch-data", "demo", "--verify")
    assert_fails(outcome, ExitCode.DATA, "1 changed (photos/00000.png)", "--overwrite")
    (demo / "sketches" / "00001.png").unlink()
    (demo / "new.png").write_bytes(b"x")
    outcome = sketch2img("fetch-data", "demo", "--verify")
    assert_fails(outcome, ExitCode.DATA, "1 missing (sketches/00001.png), 1 changed", "1 extra")


def test_a_set_from_before_there_were_hashes(sketch2img, demo):
    (demo / "manifest.sha256").unlink()
    outcome = sketch2img("fetch-data", "demo", "--verify")
    assert_fails(outcome, ExitCode.DATA, "no recorded hashes", "fetch-data demo --overwrite")


def test_the_defaults_of_drawn_pairs_are_in_the_help(sketch2img):
    shown = " ".join(re.sub(r"[│\s]+", " ", sketch2img("fetch-data", "--help").stdout).split())
    for default in (fetching.PAIRS, fetching.SIDE, fetching.SEED):
        assert f"[default: {default}]" in shown


def test_the_recorded_hashes_are_no_picture_of_the_set(demo):
    assert sources.tree(demo).left_out == {}


def test_a_dry_run_touches_nothing(sketch2img, home, server, side_by_side, mp):
    url = server.serve("/facades.tar.gz", Reply(side_by_side))
    patch_facades(mp, url)
    outcome = sketch2img("fetch-data", "facades", "--dry-run")
    assert outcome.code == 0, outcome.stderr
    assert url in outcome.stdout
    assert str(home / "raw" / "facades") in outcome.stdout
    assert "free disk space" in outcome.stdout
    assert "research" in outcome.stdout
    assert not server.seen
    assert not home.exists()


def test_a_dry_run_of_a_manual_set_says_its_steps(sketch2img):
    planned = sketch2img("fetch-data", "fs2k", "--dry-run", "--json").json["data"]
    assert planned["steps"] == list(sketch_datasets.FS2K.steps)
    assert planned["state"] == "absent"


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


def test_a_lock_is_only_held_while_a_set_is_made(home, demo):
    with files.locked(demo):
        pass
    assert fetch.plan(fetch.FetchConfig("demo")).state == "ready"
