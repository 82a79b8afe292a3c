import hashlib
import os
import shutil
import subprocess

import pytest

from sketchcli.engine.events import Advanced
from sketchcli.engine.fetching import inventory
from sketchcli.errors import DataError

NAMES = ("a.png", "sub folder/b.png", "brücke ü.png", "back\\slash.png", "new\nline.png")


@pytest.fixture
def folder(tmp_path):
    """Files with odd names, each holding its own name."""
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_every_file_is_taken_but_ours_and_hidden_ones(folder):
    (folder / ".hidden").touch()
    (folder / "source.json").touch()
    hashes = inventory.take(folder)
    assert hashes == {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_reads_it_and_we_read_sha256sum(folder):
    inventory.write(folder, inventory.take(folder))
    command = ["sha256sum", "--check", "--strict", inventory.FILE]
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
    names = sorted(NAMES)
    output = subprocess.run(["sha256sum", *names], cwd=folder, capture_output=True, check=True)
    assert inventory.parse(output.stdout.decode(), name="x") == inventory.take(folder)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf_8(folder):
    (folder / os.fsdecode(b"caf\xe9.png")).touch()
    hashes = inventory.take(folder)
    inventory.write(folder, hashes)
    written = (folder / inventory.FILE).read_bytes().decode("utf-8", "surrogateescape")
    assert inventory.parse(written, name="x") == hashes


def test_groups_are_counted_and_the_first_named():
    groups = {"missing": ["a b.png"], "changed": [], "extra": ["x0", "x1", "x2", "x3"]}
    assert inventory.described(**groups) == "1 missing (a b.png), 4 extra (x0, x1, x2, ...)"
    assert inventory.described(missing=[], changed=()) == ""


@pytest.mark.parametrize(("count", "is_told"), [(100, False), (101, True)])
def test_only_many_files_are_worth_a_report(tmp_path, count, is_told):
    for number in range(count):
        (tmp_path / f"{number}.png").touch()
    events = []
    inventory.take(tmp_path, events.append)
    assert bool(events) == is_told
    assert not is_told or events[-1] == Advanced("hashes", count, count)


@pytest.mark.parametrize("line", ["x", "00  a", "z" * 64 + "  a", "0" * 64 + " a"])
def test_a_damaged_line_is_named(line):
    text = "0" * 64 + "  fine.png\n" + line
    with pytest.raises(DataError, match="list: line 2"):
        inventory.parse(text, name="list")
