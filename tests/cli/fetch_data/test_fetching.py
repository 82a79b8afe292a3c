"""`fetch-data` as a user runs it: downloads, archives, folders, consent."""

import io
import json
import sys
import tarfile

import numpy as np
import pytest
from cli.failing import assert_fails, tree
from cli.fetch_data.sets import ACCEPT, patch_facades, png, sha256, tar_of, zip_of
from engine.fetching.loopback import Reply
from engine.fetching.packing import tarred

from sketchcli.assets import sketch_datasets
from sketchcli.data import sources
from sketchcli.errors import ExitCode


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
    about = json.loads((folder / "source.json").read_text())
    assert about["sha256"] == sha256(side_by_side)
    assert about["origin"].endswith("/facades.tar.gz")
    assert "research" in about["notice"]
    assert about["accepted"]
    assert not list((home / "downloads").iterdir())
    assert [p.name for p in (home / "raw").iterdir()] == ["facades"]


def test_a_set_known_by_content_is_laid_out_by_its_manifest(sketch2img, home, tmp_path, official):
    extra = {"readme.txt": b"hello", "other/x.png": png(np.zeros((2, 2), np.uint8))}
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
    assert "images that are not part of the dataset: 1" in outcome.stderr
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
    cut = sketch2img(*fetch)
    assert cut.code == ExitCode.DOWNLOAD
    assert (home / "downloads" / "mine").exists()
    assert b"SECRETTOKEN" not in b"".join(tree(home).values())
    server.serve(path, Reply(zip_of({"a.png": pictures[0]})))
    done = sketch2img(*fetch)
    assert done.code == 0, done.stderr
    about = json.loads((home / "raw" / "mine" / "source.json").read_text())
    assert about["origin"] == url.partition("?")[0]
    assert b"SECRETTOKEN" not in b"".join(tree(home).values())
    for outcome in (cut, done):
        assert "SECRETTOKEN" not in outcome.stdout + outcome.stderr


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
    assert "encrypted files in mine.tar: 1" in outcome.stderr
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
    assert "2 images, but the complete dataset has 4208" in outcome.stderr
    assert {pair.id for pair in sources.tree(home / "raw" / "fs2k").pairs} == {"1-0001"}
    assert sketch_datasets.FS2K.pairs == 2104


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
