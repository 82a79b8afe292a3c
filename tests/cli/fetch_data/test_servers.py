"""Servers, disks and other processes that misbehave: one line, one code, the old set stays."""

import os
import subprocess
import sys

import pytest
from cli.failing import assert_fails, tree
from cli.fetch_data.sets import ACCEPT, patch_facades, sha256, tar_of
from engine.fetching.loopback import Reply

from sketchcli.engine.fetching import arrange, download
from sketchcli.errors import ExitCode


def test_a_wrong_hash(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)), digest="0" * 64)
    assert_fails(sketch2img("fetch-data", "facades", ACCEPT), ExitCode.DOWNLOAD, "SHA-256")
    assert not (home / "raw" / "facades").exists()


def test_no_source_has_it(sketch2img, home, server, mp):
    patch_facades(mp, server.serve("/a", Reply(status=404)), server.serve("/b", Reply(status=403)))
    outcome = sketch2img("fetch-data", "facades", ACCEPT)
    assert_fails(outcome, ExitCode.DOWNLOAD, "404", "403", "--from")
    assert not tree(home)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/f", "http://127.0.0.1:1/f"])
def test_without_a_network(sketch2img, home, mp, url):
    patch_facades(mp, url)
    outcome = sketch2img("fetch-data", "facades", ACCEPT)
    assert_fails(outcome, ExitCode.DOWNLOAD, "facades", "--from")
    assert not tree(home)


GOOD = "/facades.tar.gz"
MISBEHAVIOUR = {
    "forbidden": (Reply(status=403), "403"),
    "not found": (Reply(status=404), "404"),
    "busy for ever": (Reply(status=503), "503"),
    "cut at once, for ever": (Reply(b"x" * 9000, cut=0), "cut after 0 of 9000 bytes"),
    "cut, and deaf to Range": (Reply(b"x" * 9000, cut=500, ranges=False), "cut after 500"),
    "silent": (Reply(b"x" * 9000, stall=0), "timed out"),
    "a redirect to itself": (Reply(status=302, headers={"Location": "/bad"}), "redirects"),
    "a redirect out of http": (Reply(status=302, headers={"Location": "ftp://x/f"}), "ftp"),
    "another file": (Reply(b"x" * 9000), "SHA-256"),
    "a page": (Reply(b"<html>Please log in</html>"), "SHA-256"),
}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_whatever_a_server_does_the_old_set_stays(sketch2img, home, server, side_by_side, mp, kind):
    patch_facades(mp, server.serve(GOOD, Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home / "raw")
    reply, said = MISBEHAVIOUR[kind]
    patch_facades(mp, server.serve("/bad", reply), digest=sha256(side_by_side))
    mp.setitem(download.download.__kwdefaults__, "retry", download.RETRY.new(total=1))
    mp.setitem(download.download.__kwdefaults__, "timeout", (5, 0.1))
    outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
    assert_fails(outcome, ExitCode.DOWNLOAD, said, "/bad", "--from")
    assert tree(home / "raw") == before


def test_an_archive_that_is_damaged_inside_leaves_the_old_set(
    sketch2img, home, server, side_by_side, mp
):
    patch_facades(mp, server.serve(GOOD, Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home / "raw")
    patch_facades(mp, server.serve("/bad", Reply(side_by_side[:-100])))
    outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
    assert_fails(outcome, ExitCode.DOWNLOAD, "facades.tar.gz")
    assert tree(home / "raw") == before


def test_a_page_instead_of_the_archive(sketch2img, home, server, side_by_side, mp):
    path = "/facades.tar.gz"
    page = Reply(b"<html>Please log in</html>")
    patch_facades(mp, server.serve(path, page, Reply(side_by_side, etag='"two"')))
    assert_fails(sketch2img("fetch-data", "facades", ACCEPT), ExitCode.DOWNLOAD, "archive")
    assert not tree(home)
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0, "the page was remembered"


def test_another_process_that_makes_the_same_set(sketch2img, home, tmp_path):
    program = (
        "import sys, time; from sketchcli import files, paths\n"
        "with files.locked(paths.raw_home() / 'demo'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"SKETCH2IMG_HOME": str(home)},
    ) as other:
        assert other.stdout.readline() == b"held\n"
        outcome = sketch2img("fetch-data", "demo", "--count", 1, "--size", 16)
        assert_fails(outcome, ExitCode.DATA, "another sketch2img", str(other.pid))
        assert not (home / "raw" / "demo").exists()
        other.stdin.close()
        other.wait()
    assert sketch2img("fetch-data", "demo", "--count", 1, "--size", 16).code == 0


def test_a_full_disk_leaves_the_old_set_and_the_download(
    sketch2img, home, server, side_by_side, mp
):
    path = "/facades.tar.gz"
    patch_facades(mp, server.serve(path, Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home / "raw")
    with mp.context() as full:
        full.setattr(arrange, "unpack", lambda *_, **__: disk_is_full())
        outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
        assert_fails(outcome, ExitCode.DATA, "No space left")
    assert tree(home / "raw") == before
    asked = len(server.asked(path))
    assert sketch2img("fetch-data", "facades", ACCEPT, "--overwrite").code == 0
    assert len(server.asked(path)) == asked, "downloaded again"
    assert tree(home / "raw") == before


def disk_is_full():
    raise OSError(28, "No space left on device")


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interruption_leaves_the_old_set(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/facades.tar.gz", Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home / "raw")
    mp.setattr(arrange, "unpack", interrupt)
    outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
    assert outcome.code == ExitCode.INTERRUPTED
    assert tree(home / "raw") == before
    assert [p.name for p in (home / "raw").iterdir()] == ["facades"]


def test_a_download_is_refused_that_is_not_the_one_that_is_trusted(
    sketch2img, home, server, side_by_side, pictures, mp
):
    path = "/facades.tar.gz"
    patch_facades(mp, server.serve(path, Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home / "raw")
    other = tar_of({f"facades/train/{n}.png": p for n, p in enumerate(pictures)})
    server.serve(path, Reply(other, etag='"other"'))
    again = ("fetch-data", "facades", ACCEPT, "--overwrite", "--sha256")
    outcome = sketch2img(*again, sha256(side_by_side))
    assert_fails(outcome, ExitCode.DOWNLOAD, sha256(other), sha256(side_by_side))
    assert tree(home / "raw") == before
    assert sketch2img(*again, sha256(other).upper()).code == 0
