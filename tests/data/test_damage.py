"""Every damage of a prepared set is one error in words: no hang, no memory, no other exception."""

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest

from sketchcli.data import prepared
from sketchcli.engine.lookup import find_prepared
from sketchcli.errors import DataError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
resource = pytest.importorskip("resource")
FILES = ("dataset.json", "train-sketches.npy", "test-photos.npy")
ROW = 32 * 32


@pytest.fixture
def folder(tmp_path, drawn_and_prepared):
    return Path(shutil.copytree(drawn_and_prepared / "prepared", tmp_path / "prepared"))


class Hangs(BaseException):
    """Nothing in the program catches this."""


@pytest.fixture(autouse=True)
def little_time_and_memory():
    """A test may take two seconds and 1 GB."""

    def end(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, end)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + 10**9
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    signal.setitimer(signal.ITIMER_REAL, 2, 2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.signal(signal.SIGALRM, before)


def use(folder):
    """Read all that a verb reads of a set."""
    dataset = find_prepared(folder)
    for name in dataset.description.counts:
        dataset.split(name).whole()
    prepared.hold_out(dataset, 2, seed=0)
    return dataset.description.fingerprint


def assert_refused(folder, name):
    with pytest.raises(DataError) as caught:
        use(folder)
    assert "\n" not in caught.value.message
    assert (folder.name if name == "dataset.json" else name) in caught.value.message
    assert caught.value.hint


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def loop(path):
    path.symlink_to(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [pipe, device, loop, listening, Path.mkdir])
@pytest.mark.parametrize("name", FILES)
def test_what_is_not_a_regular_file_is_refused(folder, name, make, monkeypatch):
    monkeypatch.chdir(folder)  # the path of a socket must be short
    (folder / name).unlink()
    make(folder / name)
    assert_refused(folder, name)
    assert prepared.is_prepared(folder) == (name != "dataset.json")


def saved(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def compressed():
    buffer = io.BytesIO()
    np.savez(buffer, np.zeros((9, 32, 32), np.uint8))
    return buffer.getvalue()


def with_header(text, length):
    """An array file with any header."""
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(length)


def shaped(shape, length=9 * ROW, *, descr="|u1", order=False):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    return with_header(header, length)


ARRAYS = {
    "empty": b"",
    "zeros": bytes(200),
    "magic": b"\x93NUMPY",
    "an npz": compressed(),
    "half an npz": compressed()[:500],
    "a cut zip": b"PK\3\4" + bytes(40),
    "a pickle": b"\x80\4\x95" + bytes(30),
    "a huge shape": shaped(f"({10**30}, 32, 32)"),
    "a shape that overflows": shaped(f"({2**62}, 32, 32)"),
    "a shape of many dimensions": shaped("(" + "1, " * 20 + "32, 32)"),
    "a negative shape": shaped("(-9, -32, 32)"),
    "a boolean in the shape": shaped("(True, 32, 32)"),
    "no rows": shaped("(0, 32, 32)", 0),
    "too many rows": shaped("(900, 32, 32)", 900 * ROW),
    "one byte too many": shaped("(9, 32, 32)", 9 * ROW + 1),
    "other rows": shaped("(9, 16, 64)"),
    "objects": saved(np.array([{}] * 9, object), allow_pickle=True),
    "big-endian words": shaped("(9, 32, 32)", 18 * ROW, descr=">u2"),
    "signed bytes": shaped("(9, 32, 32)", descr="|i1"),
    "columns first": shaped("(9, 32, 32)", order=True),
    "fields": with_header("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (9,)}", 9),
    "deep brackets": with_header("(" * 100, 9 * ROW),
    "an unknown name": with_header("{'descr': x, 'fortran_order': False, 'shape': (9,), }", 9),
    "a tab": with_header("\t{ 'descr':\n \t", 9),
    "version 2": saved(np.zeros((9, 32, 32), np.uint8), version=(2, 0)),
    "version 9": b"\x93NUMPY\x09\0" + bytes(200),
}


@pytest.mark.parametrize("content", ARRAYS.values(), ids=ARRAYS.keys())
def test_a_damaged_array_is_refused(folder, content):
    (folder / "train-sketches.npy").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_refused(folder, "train-sketches.npy")


TEXTS = {
    "deep": b"[" * 100_000,
    "deep in a key": b'{"schema":' * 100_000,
    "a huge number": b'{"schema": ' + b"9" * 100_000 + b"}",
    "not UTF-8": b'{"schema": 2, "name": "\xff"}',
    "UTF-16": '{"schema": 2}'.encode("utf-16"),
    "a list": b"[]",
    "text": b'"schema"',
    "a schema of another kind": b'{"schema": [2]}',
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS.keys())
def test_a_damaged_index_is_refused(folder, content):
    (folder / "dataset.json").write_bytes(content)
    assert_refused(folder, "dataset.json")
    assert not prepared.is_prepared(folder)


def changed(folder, change):
    index = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    change(index)
    (folder / "dataset.json").write_text(json.dumps(index), encoding="utf-8")


VALUES = (None, True, 5, -1.5, "x", [], [[]], ["x"], {}, {"x": [5]}, {"x": None})
KEYS = (
    *("name", "size", "fit", "align", "licence", "notice", "citation", "command", "pairing"),
    *("pairs", "left_out", "repeated", "unaligned", "findings"),
)


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_another_type_is_refused(folder, key):
    index = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    is_table = key in {"left_out", "repeated", "unaligned", "findings"}
    for value in VALUES:
        if type(value) is type(index[key]) and not (is_table and value):
            continue
        changed(folder, lambda about, value=value: about.update({key: value}))
        assert_refused(folder, "dataset.json")


@pytest.mark.parametrize(
    "size", [[32], [32, 32, 32], ["32", "32"], [32.0, 32], [True, 32], [0, 32], [-32, -32]]
)
def test_an_impossible_size_is_refused(folder, size):
    changed(folder, lambda about: about.update(size=size))
    assert_refused(folder, "dataset.json")


def test_a_huge_size_is_refused(folder):
    changed(folder, lambda about: about.update(size=[10**30, 10**30]))
    assert_refused(folder, "dataset.json")


@pytest.mark.parametrize("key", ["id", "split", "sha256", "sketch", "photo", "style"])
@pytest.mark.parametrize("value", [None, 5, ["x"], {}])
def test_a_pair_of_another_kind_is_refused(folder, key, value):
    changed(folder, lambda about: about["pairs"][0].update({key: value}))
    assert_refused(folder, "dataset.json")


@pytest.mark.parametrize("pairs", [[5], [None], [[]], [{}], [{"x": "y"}], {"a": 1}])
def test_pairs_of_another_kind_are_refused(folder, pairs):
    changed(folder, lambda about: about.update(pairs=pairs))
    assert_refused(folder, "dataset.json")


def test_a_name_that_is_no_text_is_refused(folder):
    changed(folder, lambda about: about["pairs"][0].update(id="\ud800"))
    assert_refused(folder, "dataset.json")


def test_the_size_of_the_index_bounds_its_memory(folder):
    with (folder / "dataset.json").open("r+b") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(DataError, match=r"dataset\.json would take"):
        use(folder)


def test_a_few_huge_pictures_that_take_no_room_on_the_disk_are_not_loaded(folder, monkeypatch):
    monkeypatch.setenv("SKETCH2IMG_MAX_MEMORY", "100M")
    changed(folder, lambda about: about.update(size=[9_000, 9_000], pairs=about["pairs"][:1]))
    split = find_prepared(folder).description.pairs[0].split
    for kind, channels in (("sketches", ()), ("photos", (3,))):
        shape = (1, 9_000, 9_000, *channels)
        path = folder / f"{split}-{kind}.npy"
        path.write_bytes(shaped(shape, 0))
        os.truncate(path, 128 + int(np.prod(shape)))
    with pytest.raises(DataError, match="9,000x9,000 pixels would take"):
        find_prepared(folder).split(split).take([0])


@pytest.mark.parametrize("name", FILES)
def test_any_changed_or_lost_byte_is_an_error_or_harmless(folder, name):
    path = folder / name
    whole, chance = path.read_bytes(), np.random.default_rng(FILES.index(name))
    for _ in range(60):
        damaged, place = bytearray(whole), int(chance.integers(len(whole)))
        if name.endswith(".npy") and chance.random() < 0.7:
            place %= 128  # the header
        damaged[place] ^= 1 << int(chance.integers(8))
        for content in (bytes(damaged), whole[:place], whole + whole[:place]):
            path.write_bytes(content)
            with contextlib.suppress(DataError):
                use(folder)


def test_a_set_that_waits_is_one_line_of_every_verb(folder, sketch2img):
    signal.setitimer(signal.ITIMER_REAL, 20, 20)  # imports torch
    (folder / "dataset.json").unlink()
    os.mkfifo(folder / "dataset.json")
    for command in (["train", folder], ["eval", "--data", folder]):
        done = sketch2img(*command)
        assert done.code == 3
        assert "Not a regular file" in done.stderr
        assert len(done.stderr.splitlines()) == 2
