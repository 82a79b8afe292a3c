"""Small pickles that would take memory or time, or end the process: each is refused at once."""

import pickle
import struct
import zipfile

import numpy as np
import pytest
from engine.fetching.pickled import zipped
from processes import bounded

from sketchcli.engine.fetching import unpickling
from sketchcli.engine.fetching.convert import PUBLISHED, convert
from sketchcli.engine.fetching.unpickling import read_arrays
from sketchcli.errors import DataError

PROTOCOL = b"\x80\x02"
ORDERED, INT_LIST = b"ccollections\nOrderedDict\n", b"ctorch.jit._pickle\nbuild_intlist\n"
MODULE, TENSOR = b"c__torch__\nM\n", b"ctorch._utils\n_rebuild_tensor_v2\n"


def everything(name):
    return True


def text(content):
    return b"X" + struct.pack("<I", len(content)) + content


def array(shape, *, before=b"", code=None):
    """A pickled numpy array of a shape, which is given as instructions."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    kind = b"cnumpy\ndtype\n" + (code or text(b"f4")) + b"K\x00K\x01\x87R(K\x03" + text(b"<")
    kind += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = b"\x89B" + struct.pack("<I", 16) + bytes(16)
    whole = array + b"(K\x01" + shape + kind + content + b"tb"
    return PROTOCOL + before + b"}" + text(b"a") + whole + b"s."


def storage(key):
    return (
        b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(key) + text(b"cpu") + b"K\x04tQ"
    )


def tensors(count, sides=b"K\x01\x85"):
    """Tensors whose values are in two storages, by turns."""
    start = PROTOCOL + TENSOR + b"q\x010" + storage(b"0") + b"q\x020" + storage(b"1") + b"q\x030"
    one = b"h\x01(h%cK\x00" + sides + b"K\x01\x85\x89NtR"
    named = (text(b"%d" % index) + one % (2 + index % 2) for index in range(count))
    return start + b"}(" + b"".join(named) + b"u."


def repeated(what, call):
    """Call something with what was built before, again and again."""
    return PROTOCOL + what + b"q\x000(" + call * 20_000 + b"l."


def number(value):
    return b"\x8b" + struct.pack("<i", len(value)) + value


NONES = b"(" + b"N" * 500_000
KEYS = b"}(" + b"".join(text(b"%d" % index) + b"N" for index in range(50_000)) + b"u"
TOWER = b"]q\x000" + b"".join(
    b"](" + b"h%c" % index * 100 + b"eq%c0" % (index + 1) for index in range(6)
)
NESTED = b"}h\x00" * 15 + b"}(" + b"".join(text(b"%d" % i) + b"N" for i in range(500)) + b"u"
DEEP_TUPLE = b")" + b"\x85" * 2**17

HOSTILE = {
    "a shape of a text and a number": array(text(b"x") + number(b"\x00\x5e\xd0\xb2\x00") + b"\x86"),
    "a shape of a list and a number": array(b"]NaJ\x00\xe1\xf5\x05\x86"),
    "a shape of truths": array(b"\x88\x88\x86"),
    "a shape of a million sides": array(b"(" + b"K\x01" * 10**6 + b"t"),
    "sides of a million digits": array(b"(" + number(b"\x7f" * 400_000) * 8 + b"t"),
    "a name in itself": PROTOCOL + text(b"n" * 2**23) + b"q\x000" + NESTED + b"s" * 15 + b".",
    "only marks": PROTOCOL + b"(" * 2**22 + b".",
    "only sets": b"\x80\x04" + b"\x8f" * 2**21 + b".",
    "only remembered dictionaries": b"\x80\x04" + b"}\x94" * 2**21 + b".",
    "a deep tuple as a key": PROTOCOL + b"}" + DEEP_TUPLE + b"Ns.",
    "a deep tuple in pairs": PROTOCOL + ORDERED + b"](" + DEEP_TUPLE + b"N\x86e\x85R.",
    "keys that collide": PROTOCOL
    + b"}("
    + b"".join(
        number((index * (2**61 - 1)).to_bytes(10, "little")) + b"N" for index in range(60_000)
    )
    + b"u.",
    "copied attributes": repeated(KEYS + b"q\x010" + ORDERED, b"h\x00)Rh\x01b"),
    "a copied dictionary": repeated(KEYS + b"q\x010" + ORDERED, b"h\x00h\x01\x85R"),
    "a copied list": repeated(b"]" + NONES + b"eq\x010" + INT_LIST, b"h\x00h\x01\x85R"),
    "copied arguments": repeated(NONES + b"tq\x010" + MODULE, b"h\x00h\x01R"),
    "copied arguments of a class": repeated(NONES + b"tq\x010" + MODULE, b"h\x00h\x01\x81"),
    "a kind that is a tower": array(b"K\x02\x85", before=TOWER, code=b"h\x06"),
    "storages that thousands share": zipped(tensors(2000), {"0": bytes(2**24), "1": bytes(2**24)}),
    "tensors without values": zipped(tensors(2000, b"K\x00\x85"), {"0": b"", "1": b""}),
    "a compressed pickle": zipped(
        PROTOCOL + b"]" * (2**22 - 3) + b".", compression=zipfile.ZIP_DEFLATED
    ),
    "a number of two gigabytes": PROTOCOL + b"\x8b\xff\xff\xff\x7fx.",
    "a text of four gigabytes": PROTOCOL + b"X\xff\xff\xff\xffx.",
    "bytes of eight gigabytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b"x.",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_pickle_is_refused_in_little_memory_and_time(tmp_path, case):
    path = tmp_path / "a.pth"
    path.write_bytes(HOSTILE[case])
    said = bounded(lambda: read_arrays(path, everything), memory=2**28, cpu_seconds=4)
    assert said.startswith(f"DataError: {path} ") or said == "{}"
    assert "MemoryError" not in said


def test_a_list_of_many_members_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    path.write_bytes(zipped(pickle.dumps({}), {str(index): b"" for index in range(1000)}))
    assert read_arrays(path, everything) == {}
    monkeypatch.setattr(unpickling, "LARGEST_LIST", 2**14, raising=False)
    with pytest.raises(DataError, match="too many parts"):
        read_arrays(path, everything)


def test_arrays_are_not_broadcast_to_more_values_than_they_have(tmp_path):
    """A convolution and its norm, of shapes that numpy combines to a million times their values."""
    _, layout, _ = PUBLISHED["fid-inception"]()
    network = PUBLISHED["fid-inception"]()[0].state_dict()
    parts = {}
    for ours, origin in layout.items():
        for name in origin.names:
            shape = network[ours].shape if name.endswith("conv.weight") else (1,)
            parts[name] = np.broadcast_to(np.float32(1), tuple(shape))
    first = next(iter(layout.values())).names
    state = {n: np.ones((1,) if n not in first else (1, 1), np.float32) for n in parts}
    state[first[0]] = np.ones((1, 1, 1, 4000), np.float32)
    state |= dict.fromkeys(first[1:], np.ones(4000, np.float32))
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps(nested(state), 3))
    with pytest.raises(DataError, match="made from the shapes"):
        convert("fid-inception", [path], tmp_path / "a.safetensors")


def nested(state):
    """Dictionaries in dictionaries, by the parts of dotted names."""
    tree = {}
    for name, value in state.items():
        *folders, last = name.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return tree


def test_what_a_file_may_take_is_bounded_by_its_size_and_the_bound_can_be_lifted(
    tmp_path, monkeypatch
):
    array = {"a": np.ones(10**6, np.float32)}
    (tmp_path / "a.pth").write_bytes(pickle.dumps(array, 3))
    monkeypatch.setenv("SKETCH2IMG_MAX_MEMORY", "10M")
    with pytest.raises(DataError, match=r"a\.pth \(3\.8 MB\) would take 15 MB") as caught:
        read_arrays(tmp_path / "a.pth", {"a"}.__contains__)
    assert "--max-memory 16M" in caught.value.hint
    monkeypatch.setenv("SKETCH2IMG_MAX_MEMORY", "16M")
    assert read_arrays(tmp_path / "a.pth", {"a"}.__contains__)["a"].size == 10**6
