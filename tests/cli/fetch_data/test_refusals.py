"""What `fetch-data` refuses: one line, one code, and nothing is changed."""

from dataclasses import replace

import pytest
from cli.failing import assert_fails, tree
from cli.fetch_data.sets import ACCEPT, patch_facades, sha256, tar_of, zip_of
from engine.fetching.loopback import Reply

from sketchcli.assets import Edition, RemoteFile, cuhk
from sketchcli.errors import ExitCode


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
        assert_fails(outcome, ExitCode.DATA, "cuhk already exists", "--overwrite")
        assert "research" not in outcome.stderr
    assert not server.seen
    assert tree(home) == before
    assert_fails(sketch2img("fetch-data", "cuhk", "--overwrite"), ExitCode.USAGE, ACCEPT)


def test_a_manual_set_that_is_there_needs_no_steps(sketch2img, tmp_path, pictures):
    (tmp_path / "a.zip").write_bytes(zip_of({"photo/a.png": pictures[0]}))
    assert sketch2img("fetch-data", "fs2k", "--from", tmp_path / "a.zip", ACCEPT).code == 0
    outcome = sketch2img("fetch-data", "fs2k")
    assert_fails(outcome, ExitCode.DATA, "fs2k already exists")
    assert "1." not in outcome.stderr


def test_a_folder_of_somebody_else_is_left_alone(sketch2img, home, server, side_by_side, mp):
    patch_facades(mp, server.serve("/f", Reply(side_by_side)))
    (home / "raw" / "facades").mkdir(parents=True)
    for more in ([], ["--overwrite"]):
        outcome = sketch2img("fetch-data", "facades", ACCEPT, *more)
        assert_fails(outcome, ExitCode.DATA, "was not made by this command", "another name")
    assert not server.seen


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png"])
def test_an_archive_that_reaches_outside(sketch2img, home, tmp_path, pictures, name):
    (tmp_path / "evil.tar.gz").write_bytes(tar_of({"ok.png": pictures[0], name: pictures[1]}))
    arguments = ("--from", tmp_path / "evil.tar.gz", "--name", "mine")
    assert_fails(sketch2img("fetch-data", "folder", *arguments), ExitCode.DATA, "evil.png")
    assert not tree(home)
    assert not list(tmp_path.rglob("evil.png"))


def test_a_zip_bomb(sketch2img, home, tmp_path):
    (tmp_path / "bomb.zip").write_bytes(zip_of({"a.png": bytes(30_000_000)}))
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
    assert_fails(outcome, ExitCode.DATA, "contains no images")
    assert not tree(home)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["folder", "--name", "m"], ExitCode.USAGE, "--from URL"),
        (["folder", "--name", "m", "--from", "no/such"], ExitCode.DATA, "does not exist"),
        (["folder", "--name", "m", "--from", "ftp://x/y"], ExitCode.USAGE, "neither http"),
        (["folder", "--name", "m", "--from", "."], ExitCode.DATA, "contains no images"),
        (["folder", "--name", "m", "--from", "/dev/null"], ExitCode.DATA, "neither a file"),
        (["demo", "--from", "x"], ExitCode.USAGE, "which sketch2img draws"),
        (["facades", "--licence", "CC0", ACCEPT], ExitCode.USAGE, "has its own"),
        (["facades", "--sha256", "12", ACCEPT], ExitCode.USAGE, "64 hexadecimal digits"),
        (["lpips-alex", "--sha256", "0" * 64], ExitCode.USAGE, "not a single file"),
        (["yunet", "--name", "mine"], ExitCode.USAGE, "keeps its own"),
        (["facades", "--name", "cuhk"], ExitCode.USAGE, "not reserved"),
        (["facades", "--verify"], ExitCode.USAGE, "sha256sum -c manifest.sha256"),
        (["facades", "--dry-run"], ExitCode.USAGE, "fetch-data --list"),
        (["cuhk", "--count", "3", ACCEPT], ExitCode.USAGE, "--count applies only to"),
        (["yunet", "--size", "128"], ExitCode.USAGE, "--size applies only to"),
        (["fs2k", "--seed", "0"], ExitCode.USAGE, "draws, not to 'fs2k'"),
        (["folder", "--name", "m", "--from", "ftp://me:pw@x/y?z"], ExitCode.USAGE, " ftp://x/y is"),
        (["demo", "--name", "../x"], ExitCode.USAGE, "cannot be used as a dataset name"),
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


def test_a_trusted_hash_holds_for_a_file(sketch2img, home, tmp_path, pictures):
    content = zip_of({"a.png": pictures[0]})
    (tmp_path / "a.zip").write_bytes(content)
    arguments = ("fetch-data", "folder", "--name", "m", "--from", tmp_path / "a.zip", "--sha256")
    assert_fails(sketch2img(*arguments, "0" * 64), ExitCode.DATA, sha256(content))
    assert not tree(home)
    assert sketch2img(*arguments, sha256(content)).code == 0
