"""Weights: whole ones, and crafted ones."""

import dataclasses
import json
import resource
import struct

import pytest
import torch
from generating_fixtures import weights_of

from sketchcli import checkpoint
from sketchcli.config import Align, Fit
from sketchcli.engine.generating.prepare import load_model
from sketchcli.engine.runs import Run
from sketchcli.errors import CheckpointError
from sketchcli.weights_header import read_header


def parts(path):
    """Header and bytes of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put_together(path, header, body, *, length=None):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)


def about_of(header):
    return json.loads(header["__metadata__"]["sketch2img"])


def first(header):
    return next(name for name in header if name != "__metadata__")


def test_weights_say_how_their_sketches_were_prepared(weights, cpu, looks, tiny, tmp_path):
    model = load_model(weights, cpu)
    assert (model.fit, model.align, model.looks) == (Fit.STRETCH, Align.NONE, None)
    told = {"looks": looks.to_dict(), "align": "face"}
    model = load_model(weights_of(tmp_path / "told", tiny, **told), cpu)
    assert (model.align, model.looks) == (Align.FACE, looks)


def test_a_trained_run_records_what_its_sketches_look_like(
    tiny, dataset, tmp_path, cpu, plain_curves
):
    from sketchcli.engine.training.train import train

    result = train(tiny, dataset, run_dir=tmp_path / "trained", device=cpu)
    looks = load_model(result.weights, cpu).looks
    assert looks is not None
    assert 200 < looks.paper <= 255
    assert not looks.is_dark


def test_the_state_is_not_taken_for_weights(weights, cpu):
    with pytest.raises(CheckpointError) as caught:
        load_model(Run(weights.parent).state, cpu)
    assert "weights.safetensors" in caught.value.hint


def test_half_precision_weights_are_read(weights, cpu):
    tensors, about = checkpoint.load(weights)
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    checkpoint.save(weights, halves, about)
    model = load_model(weights, cpu)
    assert all(p.dtype is torch.float32 for p in model.generator.parameters())


def widened(header):
    about = about_of(header)
    about["config"]["model"]["generator_options"]["width"] = 8
    return told(header, about)


def told(header, about):
    return header | {"__metadata__": {"sketch2img": json.dumps(about)}}


def changed(**changes):
    return lambda header: told(header, about_of(header) | changes)


def with_options(**options):
    def change(header):
        about = about_of(header)
        about["config"]["model"]["generator_options"] |= options
        return told(header, about)

    return change


def entry(**changes):
    """The first tensor described otherwise."""
    return lambda header: header | {first(header): header[first(header)] | changes}


CRAFTED = {
    "wider than its tensors": widened,
    "absurdly wide": with_options(width=10**9),
    "absurdly many blocks": with_options(blocks=10**9),
    "of negative width": with_options(width=-1),
    "an unknown option": with_options(depth=3),
    "an absurd size": changed(size=[10**9, 10**9]),
    "a size that would make millions of tiles": changed(size=[1, 1]),
    "a size of text": changed(size=["32", "32"]),
    "no size": changed(size=[]),
    "an unknown fit": changed(fit="explode"),
    "looks of text": changed(looks="mine"),
    "config of text": changed(config="rm -rf"),
    "config of numbers": changed(config=[1, 2, 3]),
    "a data set of text": changed(dataset="drawn"),
    "a tensor of petabytes": entry(shape=[2**50], data_offsets=[0, 2**52]),
    "a tensor of negative shape": entry(shape=[-1, -1]),
    "a shape that overflows": entry(shape=[2**40, 2**40]),
    "a shape of texts": entry(shape=["a"]),
    "an unknown kind": entry(dtype="F9"),
    "offsets that end before they begin": entry(data_offsets=[8, 0]),
    "offsets beyond the file": entry(data_offsets=[2**40, 2**40 + 4]),
    "no offsets": entry(data_offsets=[]),
    "a kind of its own": entry(dtype={"a": 1}),
    "metadata of numbers": lambda header: header | {"__metadata__": {"sketch2img": 5}},
    "another's metadata": lambda header: header | {"__metadata__": {"format": "pt"}},
    "deep metadata": lambda header: header | {"__metadata__": {"sketch2img": "[" * 100_000}},
    "a stranger's tensor": lambda header: {
        ("x" if name == first(header) else name): value for name, value in header.items()
    },
}


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_header_is_refused_without_absurd_memory(weights, cpu, case):
    header, body = parts(weights)
    put_together(weights, CRAFTED[case](header), body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError):
        load_model(weights, cpu)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("length", [0, 1, 7, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_another_length_is_refused(weights, cpu, length):
    header, body = parts(weights)
    put_together(weights, header, body, length=length)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(weights, cpu)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b'"a"', b"[" * 10_000, b"\xff" * 50])
def test_a_header_that_is_no_table_is_refused(tmp_path, text):
    put_together(tmp_path / "a.safetensors", text, b"")
    with pytest.raises(CheckpointError, match="damaged"):
        read_header(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([0, 2**62], "absurd shape"),
        ([0, 2**40, 2**40], "absurd shape"),
        ([1] * 9, "absurd shape"),
        ([0, 2**70], "not a safetensors file"),
    ],
)
def test_an_empty_tensor_of_absurd_sides_is_refused(tmp_path, shape, said):
    size = 4 if 0 not in shape else 0
    header = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
    put_together(tmp_path / "a.safetensors", header, bytes(size))
    with pytest.raises(CheckpointError, match=said):
        read_header(tmp_path / "a.safetensors")


def test_too_many_tensors_are_refused_before_they_are_parsed(tmp_path):
    one = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = "{" + ",".join(one % index for index in range(100_001)) + "}"
    put_together(tmp_path / "a.safetensors", text.encode(), b"")
    with pytest.raises(CheckpointError, match="header is too large"):
        read_header(tmp_path / "a.safetensors")


def test_bytes_that_no_tensor_owns_are_refused(weights, cpu):
    weights.write_bytes(weights.read_bytes() + b"hidden")
    with pytest.raises(CheckpointError, match="not fully covered"):
        load_model(weights, cpu)


def test_whole_numbers_in_the_place_of_weights_are_refused(weights, cpu):
    tensors, about = checkpoint.load(weights)
    checkpoint.save(weights, {n: t.to(torch.int32) for n, t in tensors.items()}, about)
    with pytest.raises(CheckpointError, match="data type I32"):
        load_model(weights, cpu)


def test_tensors_that_do_not_fit_the_settings_are_refused(weights, tiny, cpu):
    tensors, about = checkpoint.load(weights)
    wider = dataclasses.replace(tiny.model, generator_options={"width": 8})
    about["config"]["model"] = dataclasses.asdict(wider)
    checkpoint.save(weights, tensors, about)
    with pytest.raises(CheckpointError, match="does not contain the weights"):
        load_model(weights, cpu)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".PTH", ".pkl", ".bin"])
def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path, cpu, suffix):
    (tmp_path / f"model{suffix}").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match="pickle") as caught:
        load_model(tmp_path / f"model{suffix}", cpu)
    assert "import-weights" in caught.value.hint
